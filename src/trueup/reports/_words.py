"""Numbers, durations and foreign text as words that are safe to show."""

from __future__ import annotations

import re
import unicodedata

# Joiners that scripts and emoji need; every other invisible character can hide or reorder what follows.
_JOINERS = ("\u200c", "\u200d")
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
# A password may hold blanks, slashes and more than one @; a port is none.
_URL_PASSWORD = re.compile(r"(?P<before>\w[\w+.-]*://[^/\s:@]*):(?!\d+(?:[/\s?'\")]|$))[^@]*@(?:\S*@)?")
# alone before the @ it may be a token; `user@host` is in our own examples
_URL_ACCOUNT = re.compile(r"(?P<before>\w[\w+.-]*://)(?!user@host)[^/\s:@]+@")
_QUERY_SECRET = re.compile(
    r"(?P<before>(?:[?&]|\b)\w*(?:pass|pwd|secret|token|key|service|options)\w*=)[^&\s'\"]*", re.IGNORECASE
)


def safe(text: object, limit: int = 0) -> str:
    """`text` on one line without terminal control, bidirectional or invisible characters, which are escaped.

    With a `limit` at most so many characters, the last of them `…`.
    """
    shown = "".join(_visible(character) for character in str(text))
    return shown if not limit or len(shown) <= limit else shown[: limit - 1] + "…"


def _visible(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    if unicodedata.category(character) in _HIDDEN and character not in _JOINERS:
        return character.encode("unicode_escape").decode("ascii")
    return character


def masked(text: str) -> str:
    """`text` with the password of each URL in it replaced by `***`: the last guard, for text of unknown origin."""
    shown = _URL_ACCOUNT.sub(r"\g<before>***@", _URL_PASSWORD.sub(r"\g<before>:***@", text))
    return _QUERY_SECRET.sub(r"\g<before>***", shown)


def number(count: int) -> str:
    """A whole number with thousands separators."""
    return f"{count:,}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 row`, `2 rows`, `1,204 entries`."""
    return f"{number(count)} {noun if count == 1 else plural or noun + 's'}"


def percent(part: int, whole: int) -> str:
    """A share with two digits that never rounds something to nothing, or nearly all to all."""
    if not whole:
        return "-"
    share = part * 100 / whole
    if 0 < share < 0.01:
        return "<0.01 %"
    if 99.99 < share < 100:
        return ">99.99 %"
    return f"{share:.2f} %"


def duration(seconds: float) -> str:
    """`0.02 s`, `41.3 s`, `5 min 20 s`, `3 h 05 min`."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
