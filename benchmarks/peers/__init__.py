"""Other tools with the same question, one file a tool, each in a process of its own: see `__main__`."""
