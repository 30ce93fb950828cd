"""One file a kind of check, named after the defect it finds."""
