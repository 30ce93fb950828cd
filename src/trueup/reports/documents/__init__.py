"""Whole documents: a scan as JSON, an explanation as a page, a guard as a migration."""
