"""Recognises the triggers of trueup's guards: they refuse a value, and write nothing."""

from __future__ import annotations

import re

_NAME = re.compile(r"_?trueup_guard\w*")
# literals and quoted names go first, so that a semicolon in one of them is not taken for the end of a statement
_QUOTED = re.compile(r"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`", re.DOTALL)
_SHAPES = (
    # SQLite: one condition, one RAISE
    re.compile(
        r"CREATE TRIGGER \S+ BEFORE (?:INSERT|UPDATE OF [\w, ]+) ON \S+ WHEN [^;]* "
        r"BEGIN SELECT RAISE\(ABORT, Q\); END"
    ),
    # MySQL and MariaDB: one condition, one SIGNAL
    re.compile(r"IF [^;]* THEN SIGNAL SQLSTATE Q SET MESSAGE_TEXT = Q; END IF"),
)


def is_guard(name: str, text: str) -> bool:
    """Whether a trigger is a guard of ours: by its name, and by a body that is one condition and one refusal.

    The body must fit as a whole, so that a trigger which does anything else is taken for somebody else's.
    """
    bare = " ".join(_QUOTED.sub("Q", text).split())
    return _NAME.fullmatch(name) is not None and any(shape.fullmatch(bare) for shape in _SHAPES)
