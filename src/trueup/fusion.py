"""One pass over a table for all its row checks: every count, and the keys of every broken row.

Where the key is one integer, the keys are collected by an aggregate of the same statement, range by range, so that a
scan is one pass whether or not anything is broken. Elsewhere, or where a range holds more broken rows than an
aggregate can carry, a second statement streams `key, mask`. A text that reaches the aggregate's limit is never
believed: it can be slow, it cannot lose a row.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, String, case, cast, func, literal, or_, select
from sqlalchemy.exc import DBAPIError

from trueup.check import Row, RowCheck
from trueup.stores.sql import SqlDatabase

RANGE = 1_000_000
CUT = "cut"

#: A key, and the checks that call its row broken, one bit each.
Marked = tuple[tuple[str, ...], int]


@dataclass(slots=True)
class Totals:
    """What the pass counted so far: rows, broken rows a check, healthy rows a check and word."""

    rows: int = 0
    broken: list[int] = field(default_factory=list)
    tallies: list[dict[str, int]] = field(default_factory=list)


class Fusion:
    """The fused statement of one table's row checks. Bit i of a mask belongs to check i."""

    def __init__(self, database: SqlDatabase, checks: Sequence[RowCheck]) -> None:
        self.database = database
        self.checks = checks
        self.row: Row = database.row(checks[0].table)
        self.conditions = [check.holds(self.row) for check in checks]
        self.words = [dict(check.tally(self.row)) for check in checks]
        self.totals = Totals(0, [0] * len(checks), [dict.fromkeys(words, 0) for words in self.words])

    @property
    def mask(self) -> ColumnElement[int]:
        """Bit i is set when check i is broken."""
        parts: list[ColumnElement[int]] = [
            case((condition, 1 << i), else_=0) for i, condition in enumerate(self.conditions)
        ]
        return reduce(operator.add, parts)

    @property
    def any_broken(self) -> ColumnElement[bool]:
        """Whether any check is broken."""
        return or_(*self.conditions) if len(self.conditions) > 1 else self.conditions[0]

    def ranged(self) -> bool:
        """Whether the key is one integer, so that ranges of it can be walked and collected."""
        key = self.row.table.key
        return len(key) == 1 and self.row.table.columns[key[0]].integer

    def run(self) -> Iterator[tuple[list[Marked], int]]:
        """Walk the table: batches of (key tokens, mask), and the number of rows read for them."""
        if not self.row.table.key:
            rows = self._pass(None, [total(condition) for condition in self.conditions])
            yield [], rows
        elif not (self.collects and self.ranged()):
            yield [], self._pass(None, [])
            for batch in self._stream(None):
                yield batch, 0
        else:
            for within in self._ranges():
                yield from self._range(within)

    @property
    def collects(self) -> bool:
        """Whether an aggregate that carries keys is this engine's quickest way."""
        return self.database.dialect.collects

    def _ranges(self) -> Iterator[ColumnElement[bool] | None]:
        table = self.row.table
        if table.rows <= RANGE:
            yield None
            return
        key = self.row[table.key[0]]
        # two questions: asked together they are a scan on SQLite
        low, high = (self.database.ask(select(end(key)))[0][0] for end in (func.min, func.max))
        if low is None:
            return
        width = max(1, (high - low + 1) * RANGE // max(table.rows, 1))
        for start in range(int(low), int(high) + 1, width):
            yield key.between(start, start + width - 1)

    def _range(self, within: ColumnElement[bool] | None) -> Iterator[tuple[list[Marked], int]]:
        key = self.row[self.row.table.key[0]]
        # no condition is evaluated twice a row: what is broken is counted here, from the masks
        mask = cast(self.mask, String) if len(self.checks) > 1 else literal("1")
        payload = cast(key, String) + literal(":") + mask + literal(".")
        dialect = self.database.dialect
        try:
            rows, collected = self._pass_with(within, dialect.collect(self.any_broken, payload))
        except DBAPIError:
            # more keys than the engine's aggregate can carry
            self.database.connection.rollback()
            rows, collected = self._pass(within, []), CUT
        found = unpack(collected, self.database.collect_limit())
        if found is not None:
            yield self._counted(found), rows
            return
        yield [], rows
        yield from ((batch, 0) for batch in self._stream(within))

    def _pass(self, within: ColumnElement[bool] | None, sums: Sequence[ColumnElement[Any]]) -> int:
        rows, *broken = self._ask(within, sums)
        self.totals.rows += rows
        for i, count in enumerate(broken):
            self.totals.broken[i] += int(count)
        return int(rows)

    def _pass_with(self, within: ColumnElement[bool] | None, aggregate: ColumnElement[Any]) -> tuple[int, Any]:
        rows, collected = self._ask(within, [aggregate])
        self.totals.rows += rows
        return rows, collected

    def _ask(self, within: ColumnElement[bool] | None, more: Sequence[ColumnElement[Any]]) -> tuple[Any, ...]:
        """Rows, and `more`; healthy rows by word are added to the totals."""
        words = [(i, word, condition) for i, words in enumerate(self.words) for word, condition in words.items()]
        statement = select(func.count(), *(total(condition) for _, _, condition in words), *more)
        statement = statement.select_from(self.row.relation)
        rows, *values = self.database.ask(statement if within is None else statement.where(within))[0]
        for (i, word, _), count in zip(words, values, strict=False):
            self.totals.tallies[i][word] += int(count)
        return int(rows), *values[len(words) :]

    def _stream(self, within: ColumnElement[bool] | None) -> Iterator[list[Marked]]:
        statement = select(*self.row.key(), self.mask).select_from(self.row.relation).where(self.any_broken)
        token = self.database.dialect.token
        for rows in self.database.stream(statement if within is None else statement.where(within)):
            yield self._counted([(tuple(token(part) for part in row[:-1]), int(row[-1])) for row in rows])

    def _counted(self, batch: list[Marked]) -> list[Marked]:
        for _, mask in batch:
            for i in range(len(self.checks)):
                self.totals.broken[i] += mask >> i & 1
        return batch


def unpack(collected: Any, limit: int | None) -> list[Marked] | None:
    """Keys and masks from the aggregate's text; None when it was, or may have been, cut short at `limit` bytes."""
    if collected is None:
        return []
    text = collected.decode() if isinstance(collected, bytes) else str(collected)
    if not text.endswith(".") or (limit is not None and len(text) >= limit):
        return None
    found: list[Marked] = []
    for item in text.split(","):
        key, _, mask = item.rstrip(".").partition(":")
        found.append(((key,), int(mask)))
    return found


def total(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """How many rows meet a condition."""
    return func.count(case((condition, 1)))
