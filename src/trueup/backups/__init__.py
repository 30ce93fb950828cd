"""One file an engine: its own tools for dumping and restoring."""
