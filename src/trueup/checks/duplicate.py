"""Rows that repeat each other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Text,
    and_,
    cast,
    collate,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from trueup.check import ALL, Broken, Database, Facts, Premise, Repair, Row, SetCheck, Unique
from trueup.errors import NotChecked, Refused
from trueup.repairs import quarantine

_RULES = ("case", "space", "unicode")
_PAGE = 10_000
_MOST = 500
_BINARY = "utf8mb4_bin"


@dataclass(frozen=True, kw_only=True)
class Duplicate(SetCheck):
    """Several rows stand for the same thing: their columns are equal, byte for byte or after normalisation.

    **Why it is bad.** Each half of the code finds another one of them. Counts are too high, logins and links by
    name reach the wrong row, and the unique index that would prevent it cannot be built.

    **How it happens.** "Look whether it is there, then insert" without a unique index; an import run twice; names
    that differ in case, in blanks, or in how an accent is written (`é` as one character or as two).

    **Options.** `columns` (or `column`) must not be equal in two rows; rows with NULL in one of them repeat nothing.
    `ignore` names what makes no difference: `case`, `space` (white space at the ends, and how much of it between
    words), `unicode` (canonical forms: NFC). `keep` says which row of a group is not reported: the `first` by key
    (unless told), or the `last`.

    `unicode` on MySQL and MariaDB, which cannot normalise: the sequences of characters in the data that NFC changes
    are collected first and replaced in the statement. More than 500 different ones, as in a table of decomposed
    Korean, are reported as not checked. A sequence first written after they were collected can hide a duplicate until
    the next scan; no row is ever taken for a duplicate by mistake.

    **Repairs.** `quarantine` (destructive) moves the row out of the table; one row of each group stays. A check that
    ignores something reads the whole table for each chunk, as does one without an index on its columns.

    **Example.**

    ```sql
    CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);
    INSERT INTO users (id, email) VALUES (1, 'ann@example.org'), (2, 'bob@example.org'), (3, ' Ann@example.org'),
      (4, NULL), (5, NULL), (6, 'ANN@EXAMPLE.ORG');
    ```

    ```yaml
    checks:
      - kind: duplicate
        table: users
        column: email
        ignore: [case, space]
    ```

    Finds 2.
    """

    kind: ClassVar[str] = "duplicate"
    message_covers: ClassVar[tuple[str, ...]] = ALL

    column: str = ""
    columns: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    keep: Literal["first", "last"] = "first"

    def __post_init__(self) -> None:
        if self.column and self.columns not in ((), (self.column,)):
            raise ValueError(f"{self.kind} takes 'column' or 'columns', not both")
        object.__setattr__(self, "columns", self.columns or ((self.column,) if self.column else ()))
        if not self.columns:
            raise ValueError(f"{self.kind} needs 'columns'")
        for rule in self.ignore:
            if rule not in _RULES:
                raise ValueError(f"{self.kind} cannot ignore {rule!r}; it can ignore {', '.join(_RULES)}")

    def holds(self, row: Row) -> ColumnElement[bool]:
        """An equal row comes before this one, so that one is left when this one is removed."""
        self._key(row)
        other = self._other(row)
        same = [self._group(other) == self._group(row)]
        if not self.ignore:
            # equal bytes are equal by `=` too, which can use an index
            same = [other[name] == row[name] for name in self.columns] + same
        found = select(1).select_from(other.relation).where(self._complete(other), *same, self._before(other, row))
        return and_(self._complete(row), exists(found.correlate(row.relation)))

    def rests_on(self, row: Row, repair: str) -> Sequence[Premise]:
        """The row of the group that is kept."""
        kept = row.database.row(self.table, "kept")
        same = [self._group(kept) == self._group(row)]
        if not self.ignore:
            same = [kept[name] == row[name] for name in self.columns] + same
        return [Premise(kept, and_(self._complete(kept), *same, not_(self.holds(kept))))]

    def constraint(self, row: Row) -> Unique:
        """A unique index. Raises `Refused` where equal is more than the engine's own equality."""
        if self.ignore:
            raise Refused(
                f"{self.title} ignores {', '.join(self.ignore)}, which a unique index cannot; write the column in one "
                "form, check it without 'ignore', and guard that"
            )
        return Unique(self.columns)

    def breaking_values(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        """The values of another row; which one does not matter."""
        other = self._other(row)
        last = [part.desc() for part in (other[name] for name in row.table.key)]
        values = select(*(other[name] for name in self.columns)).where(self._complete(other)).order_by(*last).limit(1)
        found = row.database.ask(values)
        return dict(zip(self.columns, (literal(value) for value in found[0]), strict=True)) if found else {}

    def broken(self, database: Database) -> Broken:
        """All but one row of each group, numbered in one pass."""
        row = database.row(self.table)
        key = self._key(row)
        if not self.ignore and any(set(unique) <= set(self.columns) for unique in row.table.uniques):
            return Broken(row, row.relation, false())
        numbered = self._numbered(self._other(row))
        same = and_(*(row[name] == numbered.c[f"k{number}"] for number, name in enumerate(key)))
        kept = {f"kept_{number}": numbered.c[f"kept{number}"] for number in range(len(key))}
        return Broken(row, row.relation.join(numbered, same), numbered.c.place > 1, Facts(plain=kept))

    def evidence(self, row: Row) -> Facts:
        """The values; which row is kept comes with the query itself."""
        shown = {label: row.dialect.preview(row.column(name), row[name]) for label, name in self._labels().items()}
        return Facts(values=shown)

    def message(self, evidence: Mapping[str, Any]) -> str:
        """`users.email is ann@x.org, which repeats row 3`; without the value where it is not known."""
        several = len(self.columns) > 1
        place = f"{self.table}.({', '.join(self.columns)})" if several else f"{self.table}.{self.columns[0]}"
        kept = ", ".join(str(value) for name, value in evidence.items() if name.startswith("kept_"))
        repeats = f"repeats row {kept}" if kept else "repeats another row"
        if self.ignore:
            repeats += f" (ignoring {', '.join(self.ignore)})"
        values = [str(evidence[label]) for label in self._labels() if label in evidence]
        if not values:
            return f"{place} {repeats}"
        shown = f"({', '.join(values)})" if several else values[0]
        return f"{place} is {shown}, which {repeats}"

    def repairs(self) -> Sequence[Repair]:
        """`quarantine`."""
        return [quarantine()]

    def _labels(self) -> Mapping[str, str]:
        """The columns by the names of the facts that show their values."""
        if len(self.columns) == 1:
            return {"value": self.columns[0]}
        return {f"value_{number}": name for number, name in enumerate(self.columns)}

    def _key(self, row: Row) -> tuple[str, ...]:
        if not row.table.key:
            raise NotChecked(f"{self.table} has no key, so none of two equal rows can be told from the other")
        return row.table.key

    def _other(self, row: Row) -> Row:
        return row.database.row(self.table, "other")

    def _complete(self, row: Row) -> ColumnElement[bool]:
        return and_(*(row[name].is_not(None) for name in self.columns))

    def _group(self, row: Row) -> ColumnElement[str]:
        """A digest of the columns: engines would group text by its collation."""
        return row.dialect.digest([(row.column(name), self._folded(row, name)) for name in self.columns])

    def _folded(self, row: Row, name: str) -> ColumnElement[Any]:
        if not self.ignore or row.column(name).family != "text":
            return row[name]
        try:
            return row.dialect.fold(row[name], self.ignore)
        except NotChecked:
            rest = [rule for rule in self.ignore if rule != "unicode"]
            composed = _composed(row, name)
            return row.dialect.fold(composed, rest) if rest else composed

    def _numbered(self, row: Row) -> FromClause:
        raw = [row[name] for name in row.table.key]
        order = [part.desc() for part in raw] if self.keep == "last" else raw
        group = self._group(row)
        place = func.row_number().over(partition_by=group, order_by=order).label("place")
        kept = [func.first_value(part).over(partition_by=group, order_by=order) for part in row.key()]
        return (
            select(
                *(part.label(f"k{number}") for number, part in enumerate(raw)),
                *(part.label(f"kept{number}") for number, part in enumerate(kept)),
                place,
            )
            .where(self._complete(row))
            .subquery("trueup_numbered")
        )

    def _before(self, other: Row, row: Row) -> ColumnElement[bool]:
        """Whether `other` comes before `row` in the order of keys, part by part."""
        ways: list[ColumnElement[bool]] = []
        equal: list[ColumnElement[bool]] = []
        for name in row.table.key:
            mine, theirs = row[name], other[name]
            ways.append(and_(*equal, theirs > mine if self.keep == "last" else theirs < mine))
            equal.append(theirs == mine)
        return or_(*ways)


_known: WeakKeyDictionary[Database, dict[tuple[str, str], Mapping[str, str]]] = WeakKeyDictionary()


def _composed(row: Row, name: str) -> ColumnElement[str]:
    """NFC by replacing the sequences of characters, found in the data, that NFC changes.

    A sequence begins at a character that composes with nothing before it and ends before the next one. Longer ones
    are replaced first: what is left of a shorter one then stands alone. Replacing any part of a text by its NFC gives
    a canonically equivalent text, so that equal results always mean equivalent texts, whatever was not collected.
    """
    pairs = [part for pair in _sequences(row.database, row.table.name, name).items() for part in pair]
    return _Replaced(collate(cast(row[name], Text), _BINARY), *pairs)


class _Replaced(FunctionElement[str]):
    """REPLACE within REPLACE: a text, then what to replace and what by, in turn."""

    type = Text()
    name = "replaced"
    inherit_cache = True


@compiles(_Replaced)
def _spell_replaced(element: _Replaced, compiler: SQLCompiler, **options: Any) -> str:
    # nested expressions would take the compiler past Python's limit of recursion
    text, *pairs = (compiler.process(clause, **options) for clause in element.clauses)
    calls = [f", {old}, {new})" for old, new in zip(pairs[::2], pairs[1::2], strict=True)]
    return "REPLACE(" * len(calls) + text + "".join(calls)


def _sequences(database: Database, table: str, name: str) -> Mapping[str, str]:
    """The sequences in a column that NFC changes, and what it makes of them, the longest first. Read once a session."""
    known = _known.setdefault(database, {})
    if (table, name) not in known:
        found: dict[str, str] = {}
        for text in _suspects(database, table, name):
            for sequence in _splitter().split(text):
                normal = unicodedata.normalize("NFC", sequence)
                if normal != sequence:
                    found[sequence] = normal
            if len(found) > _MOST:
                raise NotChecked(
                    f"{table}.{name} holds more than {_MOST} different sequences of characters that are not in NFC, "
                    "and this engine cannot normalise; leave 'unicode' out of 'ignore'"
                )
        known[table, name] = dict(sorted(found.items(), key=lambda item: (-len(item[0]), item[0])))
    return known[table, name]


def _suspects(database: Database, table: str, name: str) -> Iterator[str]:
    """The different texts that hold a character which NFC may change, in pages."""
    column = database.row(table)[name]
    text = collate(cast(column, Text), _BINARY)
    texts = (
        select(text.label("v"))
        .where(column.regexp_match(f"[{_class(_movable())}]"))
        .distinct()
        .subquery("trueup_texts")
    )
    last: str | None = None
    while True:
        page = select(texts.c.v).order_by(texts.c.v).limit(_PAGE)
        rows = database.ask(page if last is None else page.where(texts.c.v > last))
        for (value,) in rows:
            yield str(value)
        if len(rows) < _PAGE:
            return
        last = str(rows[-1][0])


@cache
def _movable() -> frozenset[int]:
    """Characters that NFC replaces, reorders, or may compose with what stands before them; all are above U+02FF."""
    found = set(range(0x1161, 0x1200))  # the second and third parts of a Korean syllable
    for code in range(0x300, 0x110000):
        character = chr(code)
        parts = unicodedata.decomposition(character).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            found.add(int(parts[1], 16))
        if unicodedata.combining(character) or not unicodedata.is_normalized("NFC", character):
            found.add(code)
    return frozenset(found)


@cache
def _splitter() -> re.Pattern[str]:
    """Matches the empty place before each character that composes with nothing before it."""
    following = {
        code
        for code in _movable()
        # replaced as a whole, but by what begins with such a character
        if unicodedata.combining(chr(code)) or _follows(unicodedata.normalize("NFD", chr(code))[0])
    }
    return re.compile(f"(?=[^{_class(following, python=True)}])")


def _follows(character: str) -> bool:
    return bool(unicodedata.combining(character)) or ord(character) in _movable()


def _class(codes: Sequence[int] | frozenset[int] | set[int], *, python: bool = False) -> str:
    """The inside of a character class of a regular expression, as ranges."""
    spelled = "\\U{:08x}".format if python else "\\x{{{:x}}}".format
    ranges: list[list[int]] = []
    for code in sorted(codes):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(spelled(low) if low == high else f"{spelled(low)}-{spelled(high)}" for low, high in ranges)
