"""One file a kind of store."""
