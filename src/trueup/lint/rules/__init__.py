"""One file a rule, named after the mistake; underscores read as hyphens."""
