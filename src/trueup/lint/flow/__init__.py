"""Follows JSON values through functions, and knows when SQLAlchemy writes them.

SQLAlchemy writes a plain JSON attribute at flush when it was *set* to something that does not equal what was loaded,
or was flagged. It keeps no copy of what was loaded: a change inside the loaded object changes both sides of that
comparison.
"""
