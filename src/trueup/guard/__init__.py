"""Guards: what an engine owes, installing them, noticing that one is gone, trying one."""
