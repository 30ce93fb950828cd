"""Reads the texts of SQLite's schema: names as SQLite compares them, and full-text indexes that read a table."""

from __future__ import annotations

import re
import string
from collections.abc import Collection

#: Kind, name, table and CREATE statement.
Entry = tuple[str, str, str, str]

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_PART = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\]"
    r"|--[^\n]*|/\*.*?(?:\*/|\Z)|[\w$\u0080-\U0010ffff]+|\s+|.",
    re.DOTALL,
)


def fold(name: str) -> str:
    """Return a name as SQLite compares it: only ASCII letters lose their case."""
    return name.translate(_LOWER)


def full_text(schema: Collection[Entry], table: str) -> list[str]:
    """Return the full-text indexes that read their rows from `table`, or from a view of it.

    Nothing informs such an index of a change: a search would then report a malformed database.
    """
    views = {fold(name): set(map(_plain, _parts(text))) for kind, name, _, text in schema if kind == "view"}
    reached = {fold(table)}
    while more := {view for view, words in views.items() if view not in reached and words & reached}:
        reached |= more
    return [name for kind, name, _, text in schema if kind == "table" and reached & _contents(text)]


def _contents(text: str) -> set[str]:
    """Return the table that a full-text index names in its option `content`. FTS5 accepts any prefix of that word."""
    parts = _parts(text)
    words = [part for part in parts if not part.isspace()]
    # CREATE VIRTUAL TABLE name USING module (
    if fold("".join(words[1:2])) != "virtual" or "(" not in parts or _plain(words[5]) not in ("fts4", "fts5"):
        return set()
    arguments, depth = [""], 1
    for part in parts[parts.index("(") + 1 :]:
        depth += {"(": 1, ")": -1}.get(part, 0)
        if part == "," and depth == 1:
            arguments.append("")
        elif depth:
            arguments[-1] += part
    found = set()
    for argument in arguments:
        option, _, value = (side.strip() for side in argument.partition("="))
        if value and option and "content".startswith(fold(option)):
            found.add(_plain(_parts(value)[0] if value[0] in "'\"`[" else value))
    return found - {""}


def _parts(text: str) -> list[str]:
    """Return the signs, words and quoted names of a statement, and the blanks between them, without comments."""
    return [part for part in _PART.findall(text) if not part.startswith(("--", "/*"))]


def _plain(part: str) -> str:
    """Return a name folded and without its quotes."""
    if len(part) > 1 and part[0] in "'\"`[":
        part = part[1:-1].replace(part[0] * 2, part[0])
    return fold(part)
