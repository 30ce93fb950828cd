"""The academy: a small learning platform that broke as a large one did."""
