"""Guards: what an engine must provide, and how guards are installed, tried, removed and found missing."""
