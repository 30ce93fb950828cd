"""Values that are none of those the application knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Text, and_, case, false, func, literal, not_, null, or_

from trueup.check import ALL, Facts, Repair, Row, RowCheck
from trueup.errors import UsageError
from trueup.repairs import nullify, sql_false
from trueup.sql.tables import TEXT

#: What a value may differ in and still be told: how it is spelled, not what it says.
_SPELLING = ("case", "space")


@dataclass(frozen=True, kw_only=True)
class UnknownValue(RowCheck):
    """A value is none of those that the application knows: a status, a type, a language that no code handles.

    **Why it is bad.** Code that decides by the value falls through every branch: the order is in no list, the
    event in no statistic, the page shows an empty label. Nothing fails, so nobody notices.

    **How it happens.** A choice was renamed or removed and its rows were not; an import wrote `Paid` or `paid `
    for `paid`; frameworks keep choices in forms only, and rows come by other ways too.

    **Options.** `column` is text or a whole number, or a path inside JSON (`settings.language`), and `allowed`
    lists its values. They are compared byte for byte, whatever the collation says: `Paid` is not `paid`. NULL
    (inside JSON a missing key and JSON null) is allowed unless `null: false`. `replace: {payed: paid}` says what
    is meant by a value that is not allowed, for the repair of that name.

    **Repairs.** `respell` (lossless) where exactly one allowed value is the same but for case and white space.
    `replace` (lossy, only when asked for by name) by the option. `nullify` (lossy) sets NULL where the column allows
    it. Plain columns only.

    **Example.**

    ```sql
    CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT);
    INSERT INTO orders (id, status) VALUES (1, 'open'), (2, 'paid'), (3, 'Paid '), (4, 'payed'), (5, NULL);
    ```

    ```yaml
    checks:
      - kind: unknown-value
        table: orders
        column: status
        allowed: [open, paid]
    ```

    Finds 2.
    """

    kind: ClassVar[str] = "unknown-value"
    message_covers: ClassVar[tuple[str, ...]] = ALL

    column: str
    allowed: tuple[str, ...]
    null: bool = True
    replace: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.allowed:
            raise ValueError(f"{self.kind} needs a value in 'allowed'")
        for old, new in self.replace.items():
            if new not in self.allowed:
                raise ValueError(f"{self.kind} cannot replace {old!r} by {new!r}, which is not among 'allowed'")
            if old in self.allowed:
                raise ValueError(f"{self.kind} replaces {old!r}, which is among 'allowed'")

    @property
    def columns(self) -> tuple[str, ...]:
        """The column, or the path inside it."""
        return (self.column,)

    def holds(self, row: Row) -> ColumnElement[bool]:
        """There, and none of the allowed; or not there although it must be."""
        value = self._value(row)
        unknown = func.coalesce(not_(self._is(row, self.allowed)), false())
        return unknown if self.null else or_(value.is_(None), unknown)

    def evidence(self, row: Row) -> Facts:
        """Whether there is a value, and which."""
        value = self._value(row)
        name, path = row.place(self.column)
        shown = row.dialect.preview(TEXT if path else row.column(name), value)
        return Facts(plain={"present": case((value.is_(None), 0), else_=1)}, values={"value": shown})

    def message(self, evidence: Mapping[str, Any]) -> str:
        """`orders.status is payed, which is none of open, paid`; without the value where it is not known."""
        place, value = f"{self.table}.{self.column}", evidence.get("value")
        known = ", ".join(self.allowed[:10]) + (", ..." if len(self.allowed) > 10 else "")
        if not evidence.get("present", 1):
            return f"{place} is NULL, it must be one of {known}"
        return f"{place} is none of {known}" if value is None else f"{place} is {value}, which is none of {known}"

    def repairs(self) -> Sequence[Repair]:
        """`respell`, `replace` where the option says by what, `nullify` where NULL is allowed."""
        respell = Repair(name="respell", effect="lossless", fits=self._respellable, sets=self._respelled)
        replace = Repair(name="replace", effect="lossy", fits=self._replaceable, sets=self._replaced, made_up=True)
        forget = Repair(name="nullify", effect="lossy", fits=self._nullable, sets=self._nulled)
        return [respell, *([replace] if self.replace else []), *([forget] if self.null else [])]

    def breaking_values(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        """A value that is not allowed: a number above them all, a text that is none of them."""
        name, path = row.place(self.column)
        if path:
            return {}
        if row.column(name).integer:
            return {name: literal(max(_whole(self.column, word) for word in self.allowed) + 1)}
        shortest = min(self.allowed, key=len)
        return {name: row.dialect.cast(literal("?" * max(1, len(shortest))), row.column(name))}

    def _value(self, row: Row) -> ColumnElement[Any]:
        name, path = row.place(self.column)
        if path:
            return row.json(self.column).text()
        column = row.column(name)
        if not column.integer and column.family != "text":
            raise UsageError(f"{self.table}.{name} is neither text nor a whole number, {self.kind} cannot look at it")
        return row[name]

    def _is(self, row: Row, words: Sequence[str]) -> ColumnElement[bool]:
        """Whether the value is one of `words`; NULL for NULL."""
        value = self._value(row)
        if self._whole(row):
            return value.in_([_whole(self.column, word) for word in words])
        return or_(*(row.dialect.same_bytes(value, literal(word, Text())) for word in words))

    def _whole(self, row: Row) -> bool:
        name, path = row.place(self.column)
        return not path and row.column(name).integer

    def _plain_text(self, row: Row) -> bool:
        return not row.place(self.column)[1] and not self._whole(row)

    def _spelt(self, row: Row) -> list[tuple[ColumnElement[bool], str]]:
        """For each allowed value: whether the row's is the same but for its spelling."""
        told = row.dialect.fold(row[self.column], _SPELLING)
        return [
            (
                func.coalesce(
                    row.dialect.same_bytes(told, row.dialect.fold(literal(word, Text()), _SPELLING)), false()
                ),
                word,
            )
            for word in self.allowed
        ]

    def _respellable(self, row: Row) -> ColumnElement[bool]:
        if not self._plain_text(row):
            return sql_false()
        alike = [case((same, 1), else_=0) for same, _ in self._spelt(row)]
        return and_(self.holds(row), sum(alike[1:], alike[0]) == 1)

    def _respelled(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        name, _ = row.place(self.column)
        if not self._plain_text(row):
            return {name: row[name]}
        words = [(same, literal(word, Text())) for same, word in self._spelt(row)]
        return {name: row.dialect.cast(case(*words), row.column(name))}

    def _replaceable(self, row: Row) -> ColumnElement[bool]:
        if row.place(self.column)[1]:
            return sql_false()
        return and_(self.holds(row), func.coalesce(self._is(row, list(self.replace)), false()))

    def _replaced(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        name, path = row.place(self.column)
        if path:
            return {name: row[name]}
        ways = [(self._is(row, [old]), literal(new, Text())) for old, new in self.replace.items()]
        return {name: row.dialect.cast(case(*ways), row.column(name))}

    def _nullable(self, row: Row) -> ColumnElement[bool]:
        return sql_false() if row.place(self.column)[1] else nullify(self.column).fits(row)

    def _nulled(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        name, path = row.place(self.column)
        return {name: row[name] if path else null()}


def _whole(column: str, word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise UsageError(f"{column} holds whole numbers, and {word!r} is none") from None
