r"""Checks and rewrites regular expressions so that they mean the same on every engine.

They are the subset of ECMA 262 that JSON Schema recommends. Engines differ in the meaning of `.`, `$`, `\d` and `\w`,
so these are expanded to ECMA 262's definitions.
"""

from __future__ import annotations

import re

_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": ""}
_BLANKS = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
_SIGNS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
_QUANTIFIER = re.compile(r"[*+?]|\{(\d{1,3})(,(\d{0,3}))?\}")
#: PostgreSQL's limit for a repetition.
_MOST = 255


def portable(pattern: str, end: str = r"\Z") -> str:
    r"""Return `pattern` for an engine that writes the very end of a text as `end`.

    Raises `ValueError` for syntax that engines read differently: lookaround, back references, flags, `\b`, `\p`.
    """
    reader = _Reader(pattern, end)
    reader.alternatives()
    if reader.rest:
        raise ValueError(f"the pattern {pattern!r} has a ')' too many")
    try:
        re.compile("".join(reader.out).replace(end, r"\Z"))
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} is no regular expression: {error.msg}") from None
    return "".join(reader.out)


class _Reader:
    def __init__(self, pattern: str, end: str) -> None:
        self.pattern, self.rest, self.end = pattern, pattern, end
        self.out: list[str] = []

    def refuse(self, what: str) -> ValueError:
        return ValueError(f"the pattern {self.pattern!r} uses {what}, which engines read differently")

    def take(self, count: int = 1) -> str:
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def alternatives(self) -> None:
        while self.rest and self.rest[0] != ")":
            if self.rest[0] == "|":
                self.out.append(self.take())
            elif self.piece():
                self.quantifier()

    def piece(self) -> bool:
        """Read one atom and expand it; false for an anchor, which must not be repeated."""
        sign = self.take()
        if sign in "^$":
            self.out.append("^" if sign == "^" else self.end)
            return False
        if sign == ".":
            self.out.append("[^\n\r\u2028\u2029]")
        elif sign == "(":
            self.group()
        elif sign == "[":
            self.members()
        elif sign == "\\":
            negated, members = self.escape()
            self.out.append(f"[{'^' if negated else ''}{members}]" if len(members) > 2 or negated else members)
        elif sign in "*+?{}]":
            raise self.refuse(f"{sign!r} where it repeats nothing; write \\{sign}")
        else:
            self.out.append(_literal(sign))
        return True

    def group(self) -> None:
        if self.rest.startswith("?:"):
            self.take(2)
        elif self.rest.startswith("?"):
            raise self.refuse(f"'({self.rest[:2]}'")
        self.out.append("(?:")
        self.alternatives()
        if self.take() != ")":
            raise ValueError(f"the pattern {self.pattern!r} has a '(' that is never closed")
        self.out.append(")")

    def quantifier(self) -> None:
        match = _QUANTIFIER.match(self.rest)
        if match is None:
            return
        if any(int(count) > _MOST for count in (match[1], match[3]) if count):
            raise self.refuse(f"more than {_MOST} repetitions")
        self.out.append(self.take(match.end()))
        if self.rest.startswith("?"):
            self.take()  # how much is taken does not change whether there is a match
        if _QUANTIFIER.match(self.rest):
            raise self.refuse("two signs of repetition in a row")

    def members(self) -> None:
        negated = self.rest.startswith("^")
        self.take(negated)
        parts: list[str] = []
        while self.rest and self.rest[0] != "]":
            sign = self.take()
            if sign == "\\":
                opposite, inside = self.escape()
                if opposite:
                    raise self.refuse("a negated class inside of brackets")
                parts.append(inside)
            elif sign == "-" and parts and self.rest[:1] not in ("]", ""):
                parts.append("-")
            else:
                parts.append(_literal(sign))
        if self.take() != "]" or not parts:
            raise ValueError(f"the pattern {self.pattern!r} has brackets that are empty or never closed")
        self.out.append(f"[{'^' if negated else ''}{''.join(parts)}]")

    def escape(self) -> tuple[bool, str]:
        """Read an escape: return whether it is a negated class, and the members of a class or one character."""
        sign = self.take()
        if sign.lower() in _CLASSES:
            inside = _BLANKS if sign.lower() == "s" else _CLASSES[sign.lower()]
            return sign.isupper(), inside
        if sign in ("x", "u"):
            digits = self.take(2 if sign == "x" else 4)
            if re.fullmatch(r"[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}", digits) and not 0xD800 <= int(digits, 16) < 0xE000:
                return False, _literal(chr(int(digits, 16)))
            raise self.refuse(f"'\\{sign}{digits}'")
        if sign in _SIGNS:
            return False, _SIGNS[sign]
        if sign.isalnum() or not sign:
            raise self.refuse(f"'\\{sign}'")
        return False, _literal(sign)


def _literal(sign: str) -> str:
    if sign == "\0":
        raise ValueError("a pattern cannot hold a NUL")
    return f"\\{sign}" if sign.isascii() and not sign.isalnum() and sign not in " _\t\n\r\f\v" else sign
