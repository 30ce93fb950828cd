"""What tells broken rows from good ones: counts by everything that rows have."""
