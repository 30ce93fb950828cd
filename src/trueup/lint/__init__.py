"""Finds the code that breaks data. Only the source is read: nothing of the project is imported or run."""
