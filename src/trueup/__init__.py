"""trueup: fsck for a live application's data."""

__version__ = "0.1.0"
