"""A run: the plan applied in chunks, undone, and verified against the journal."""
