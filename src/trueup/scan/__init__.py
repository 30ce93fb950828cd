"""A scan: one pass a table, the second look at what seems broken, and the same as SQL for a console."""
