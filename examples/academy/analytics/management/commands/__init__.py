"""Part of the academy."""
