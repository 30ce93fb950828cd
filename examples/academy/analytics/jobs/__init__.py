"""The intelligence jobs: set-based, and right on a table that still holds damaged rows."""
