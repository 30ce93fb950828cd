"""The journal: its tables in the database itself, runs, operations and their chain."""
