"""Backups: the engine's own tools, checksums of every column, a copy beside the table."""
