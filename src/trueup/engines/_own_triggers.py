"""The names of trueup's guards, and how the text of a trigger is read to recognise a guard.

A name proves nothing, because anybody can use it. A trigger is recognised as a guard only when its whole text is one
condition and one refusal, and the condition can do nothing but compute. A text that could be read in two ways is
treated as the application's trigger.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"_?trueup_guard\w*")
#: Matches the beginning of a comment, of another kind of quotes, or of a session variable.
DOUBTFUL = re.compile(r"--|/\*|#|['\"`\[@]|:=")


def names_guard(name: str) -> bool:
    """Whether an object of this name is a guard's."""
    return bool(_NAME.fullmatch(name))


def says_guard(message: str) -> bool:
    """Whether a trigger refused with a guard's message.

    The message begins with the guard's name and contains no value of a row.
    """
    name, colon, _ = message.partition(": ")
    return bool(colon) and names_guard(name)


def bare(quoted: re.Pattern[str], text: str) -> str:
    """Return the text in one line with Q for quoted names and L for literals.

    So no word and no semicolon inside of them counts.
    """
    return " ".join(quoted.sub(lambda found: "Q" if found["name"] else "L", text).split())
