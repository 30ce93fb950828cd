"""What the texts of SQLite's schema say: names as SQLite compares them."""

from __future__ import annotations

import string

#: Kind, name, table and CREATE statement.
Entry = tuple[str, str, str, str]

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def fold(name: str) -> str:
    """A name as SQLite compares it: without the case of ASCII letters, and of no others."""
    return name.translate(_LOWER)
