"""The names of trueup's guards, and how the text of a trigger is read to know one.

A name proves nothing, as anybody can give it. A trigger is taken for a guard only when its whole text is one condition
and one refusal, and the condition can do nothing but compute. What could be read in two ways is somebody else's.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"_?trueup_guard\w*")
#: Begins a comment, another way to quote, or a variable of the session.
DOUBTFUL = re.compile(r"--|/\*|#|['\"`\[@]|:=")


def names_guard(name: str) -> bool:
    """Whether an object of this name is a guard's."""
    return bool(_NAME.fullmatch(name))


def says_guard(message: str) -> bool:
    """Whether a trigger refused with the words of a guard: its name comes first, and nothing of a row is in them."""
    name, colon, _ = message.partition(": ")
    return bool(colon) and names_guard(name)


def bare(quoted: re.Pattern[str], text: str) -> str:
    """The text in one line with Q for quoted names, L for literals, so that no word and no semicolon in them counts."""
    return " ".join(quoted.sub(lambda found: "Q" if found["name"] else "L", text).split())
