"""Which files may declare a JSON column, told from their bytes before anything is parsed.

A JSON column comes from a call of `Column` or `mapped_column`, from `sa_type=`, or from a `type_annotation_map`. Where
such a place stands in a docstring, inside a function that does not return it, or names a type like Integer, it
declares nothing that matters here. What is not certain counts as a declaration.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from trueup.lint.coltypes import JSON_TYPES
from trueup.lint.source import Module

_PLACES = (b"olumn(", b"sa_type", b"type_annotation_map", b"partial(")
_PLACE = re.compile(
    rb"(?P<map>type_annotation_map\s*(?::[^=\n]*)?=)|(?P<type>sa_type\s*=)"
    rb"|(?P<partial>partial\(\s*(?:\w+\.)*(?:Column|mapped_column|MappedColumn)\b)"
)
_COLUMN = re.compile(rb"(?<!\w)(?:C|mapped_c|MappedC)olumn\(")
_JSON = re.compile(rb"\b(?:" + b"|".join(name.encode() for name in sorted(JSON_TYPES)) + rb")\b")
#: Types that hold no JSON, and what else stands between the parentheses of a column.
_PLAIN = frozenset(
    b"""
    Integer BigInteger SmallInteger String Text Unicode UnicodeText Boolean Date DateTime Time Interval Numeric Float
    Double LargeBinary Enum Uuid UUID INTEGER BIGINT SMALLINT VARCHAR NVARCHAR CHAR TEXT BOOLEAN DATE DATETIME TIME
    TIMESTAMP NUMERIC DECIMAL FLOAT REAL DOUBLE BLOB BYTEA INET CIDR ForeignKey Sequence Identity Computed None True
    False
    """.split()
)
_PIECE = re.compile(rb"[()\[\]{}]|[A-Za-z_][\w.]*[ \t]*=?(?!=)")
_TEXT = re.compile(rb"""'[^'\\\n]*'|"[^"\\\n]*\"""")
_COMMENT = re.compile(rb"#[^\n]*")
_SCOPE = re.compile(rb"(?:async[ \t]+)?def\b|class\b")
_DEFINED = re.compile(rb"\b(?:class|def)[ \t]+$")
_RETURN = re.compile(rb"\breturn\b")
#: How many bytes of a call are looked at, at first and at last; a longer one is taken for a declaration.
_LONGEST = (200, 4000)


def candidates(modules: Iterable[Module]) -> list[Module]:
    """The files that may declare a column that holds JSON, or a function or an alias that makes one."""
    return [module for module in modules if Places(module.data).declare()]


class Places:
    """The places in a file that may declare something."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        #: Start and end of each text in triple quotes; None where bytes alone do not tell.
        self._texts: list[tuple[int, int]] | None = []
        self._starts: list[int] = []

    def declare(self) -> bool:
        """Whether a column may be declared here that holds JSON."""
        return any(self._declares(place) for place in self._standing()) or self._texts is None

    def _standing(self) -> Iterator[int]:
        """Places outside of texts in triple quotes; none when it is not known which those are."""
        data = self.data
        places = []
        for needle in _PLACES:
            at = data.find(needle)
            while at >= 0:
                places.append(at)
                at = data.find(needle, at + len(needle))
        if not places:
            return
        self._texts = _texts(data)
        if self._texts is not None:
            self._starts = [start for start, _ in self._texts]
            yield from (place for place in sorted(places) if not self._within(place))

    def _within(self, place: int) -> bool:
        before = bisect_right(self._starts, place) - 1
        return before >= 0 and self._texts is not None and place < self._texts[before][1]

    def _declares(self, place: int) -> bool:
        data = self.data
        line = data.rfind(b"\n", 0, place) + 1
        column = _COLUMN.search(data, max(line, place - 8), place + 6)
        other = None if column else _PLACE.match(data, place)
        if column is None and other is None:
            return False
        start = column.start() if column else place
        before = data[line:start]
        bare = _TEXT.sub(b"", before)
        if b"#" in bare or ((b"'" in bare or b'"' in bare) and b"\\" not in before):
            return False  # a comment, or a text
        if other is not None and other.lastgroup == "map":
            return not before.strip() and self._exposed(line, start, returned=False)
        if column is None:
            return self._exposed(line, start)
        return not _DEFINED.search(before) and self._exposed(line, start) and _named(data, column.end())

    def _exposed(self, line: int, place: int, *, returned: bool = True) -> bool:
        """Whether the statement at `place`, in the line that begins at `line`, is in a class or the file, or returns.

        Lines further to the left are what it is in. In a function it is nobody else's, unless it is `returned`.
        """
        data = self.data
        text = data[line:place].lstrip()
        inner = place - line - len(text)
        if _RETURN.search(text):
            return returned
        while not _SCOPE.match(text):
            if text.startswith(b"return"):
                return returned
            if text.startswith((b")", b"]", b"}")):
                inner += 1  # the statement that this ends begins as far to the left
            if not inner:
                return True
            while True:
                if not line:
                    return True
                end = line - 1
                line = data.rfind(b"\n", 0, end) + 1
                head = data[line : min(end, line + inner)].lstrip()
                if head and head[:1] not in (b"#", b"\r") and not self._within(line):
                    break
            inner, text = min(end, line + inner) - line - len(head), data[line:end].lstrip()
        return text.startswith(b"class")


def _texts(data: bytes) -> list[tuple[int, int]] | None:
    found: list[tuple[int, int]] = []
    at = 0
    double, single = data.find(b'"""'), data.find(b"'''")
    while True:
        if 0 <= double < at:
            double = data.find(b'"""', at)
        if 0 <= single < at:
            single = data.find(b"'''", at)
        start = min(double, single) if double >= 0 and single >= 0 else max(double, single)
        if start < 0:
            return found
        line = max(data.rfind(b"\n", 0, start) + 1, at)
        before = data[line:start].strip()
        end = data.find(data[start : start + 3], start + 3)
        if end < 0 or data[end - 1 : end] == b"\\":
            return None
        if before:
            bare = _TEXT.sub(b"", before)
            if b"'" in bare or b'"' in bare or b"#" in bare:
                return None
        found.append((start, end + 3))
        at = end + 3


def _named(data: bytes, start: int) -> bool:
    """Whether what stands between the parentheses of a column names a type that may hold JSON."""
    for longest in _LONGEST:
        text = _COMMENT.sub(b"", _TEXT.sub(b"''", data[start : start + longest]))
        depth = 0
        top: list[bytes] = []
        for match in _PIECE.finditer(text):
            found = match[0]
            if found in (b"(", b"[", b"{"):
                depth += 1
            elif found in (b")", b"]", b"}"):
                depth -= 1
                if depth < 0:
                    return _json(text[: match.start()], top)
            elif not depth:
                top.append(found)
    return True


def _json(text: bytes, top: list[bytes]) -> bool:
    """Whether a column's arguments may hold JSON; `top` are the names that are not inside another call."""
    if b"\\" in text or _JSON.search(text):
        return True
    for index, word in enumerate(top):
        if word.endswith(b"="):
            return any(other.startswith(b"type_") for other in top[index:])
        if word.rpartition(b".")[2].strip() not in _PLAIN:
            return True
    return False
