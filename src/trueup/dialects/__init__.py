"""One file an engine: what SQLAlchemy does not give."""
