"""Recognises the triggers of SQLite that are trueup's guards, by their CREATE statement."""

from __future__ import annotations

import re

from trueup.engines._own_triggers import DOUBTFUL, bare, names_guard

_QUOTED = re.compile(r"(?P<name>\"(?:[^\"]|\"\")*\")|'(?:[^']|'')*'", re.DOTALL)
_SHAPE = re.compile(
    r"CREATE TRIGGER (?:Q|\w+) BEFORE (?:INSERT|UPDATE OF [\w, ]+) ON (?:Q|\w+) WHEN (?P<condition>[^;]+) "
    r"BEGIN SELECT RAISE\(ABORT, L\); END"
)


def is_guard(name: str, text: str) -> bool:
    """Whether a trigger is a guard of trueup: it has a guard's name, and its whole text can do nothing but refuse."""
    if not names_guard(name):
        return False
    found = bare(_QUOTED, text)
    # a condition could leave a row out (IGNORE), or end the transaction; its functions are SQLite's own and ours
    return bool(_SHAPE.fullmatch(found)) and found.upper().count("RAISE") == 1 and not DOUBTFUL.search(found)
