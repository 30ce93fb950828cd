"""A plan: made from findings, written to a file, signed, and let through the gate of its strategy."""
