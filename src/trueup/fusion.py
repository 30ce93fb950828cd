"""One pass over a table for all its row checks: every count, and the keys of every broken row.

Where the key is one integer, the keys are collected by an aggregate of the same statement, range by range, so that a
scan is one pass whether or not anything is broken. Elsewhere, or where a range holds more broken rows than an
aggregate can carry, a second statement streams `key, mask`. What the aggregate returns is checked against the counts:
it can be slow, it cannot lose a row.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, Select, String, case, cast, func, literal, or_, select

from trueup.check import Row, RowCheck
from trueup.stores.sql import SqlDatabase

RANGE = 1_000_000


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

    def counts(self) -> Select[Any]:
        """Rows, broken rows of each check, healthy rows of each word, in one pass."""
        return select(func.count(), *self._sums()).select_from(self.row.relation)

    def _sums(self) -> list[ColumnElement[Any]]:
        sums = [total(condition) for condition in self.conditions]
        return sums + [total(word) for words in self.words for word in words.values()]

    def broken_keys(self) -> Select[Any]:
        """Key and mask of every broken row."""
        return select(*self.row.key(), self.mask).select_from(self.row.relation).where(self.any_broken)

    def run(self) -> Iterator[tuple[list[tuple[tuple[str, ...], int]], int]]:
        """Walk the table: batches of (key tokens, mask) and the number of rows read for them."""
        if not self.ranged():
            yield from self._whole()
            return
        for within in self._ranges():
            yield from self._range(within)

    def _whole(self) -> Iterator[tuple[list[tuple[tuple[str, ...], int]], int]]:
        rows = self._count(self.database.ask(self.counts())[0])
        if any(self.totals.broken) and self.row.table.key:
            for batch in self._stream(None):
                yield batch, 0
        yield [], rows

    def _ranges(self) -> Iterator[ColumnElement[bool] | None]:
        table = self.row.table
        key = self.row[table.key[0]]
        if table.rows <= RANGE:
            yield None
            return
        low, high = self.database.ask(select(func.min(key), func.max(key)))[0]
        if low is None:
            return
        width = max(1, (high - low + 1) * RANGE // max(table.rows, 1))
        for start in range(int(low), int(high) + 1, width):
            yield key.between(start, start + width - 1)

    def _range(self, within: ColumnElement[bool] | None) -> Iterator[tuple[list[tuple[tuple[str, ...], int]], int]]:
        key = self.row[self.row.table.key[0]]
        payload = cast(key, String) + literal(":") + cast(self.mask, String) + literal(".")
        statement = select(
            func.count(),
            *self._sums(),
            total(self.any_broken) if len(self.checks) > 1 else literal(0),
            self.database.dialect.collect(self.any_broken, payload),
        ).select_from(self.row.relation)
        if within is not None:
            statement = statement.where(within)
        *counts, distinct, collected = self.database.ask(statement)[0]
        rows = self._count(counts)
        expected = int(distinct) if len(self.checks) > 1 else int(counts[1])
        if not expected:
            yield [], rows
            return
        found = unpack(collected)
        if len(found) == expected:
            yield found, rows
            return
        yield [], rows
        for batch in self._stream(within):
            yield batch, 0

    def _stream(self, within: ColumnElement[bool] | None) -> Iterator[list[tuple[tuple[str, ...], int]]]:
        statement = self.broken_keys() if within is None else self.broken_keys().where(within)
        token = self.database.dialect.token
        for rows in self.database.stream(statement):
            yield [(tuple(token(part) for part in row[:-1]), int(row[-1])) for row in rows]

    def _count(self, counts: Sequence[Any]) -> int:
        rows, *numbers = (int(number or 0) for number in counts)
        self.totals.rows += rows
        for i in range(len(self.checks)):
            self.totals.broken[i] += numbers[i]
        position = len(self.checks)
        for tally in self.totals.tallies:
            for word in tally:
                tally[word] += numbers[position]
                position += 1
        return rows


def unpack(collected: Any) -> list[tuple[tuple[str, ...], int]]:
    """Keys and masks from the aggregate's text; nothing when it was cut short within a key."""
    if collected is None:
        return []
    text = collected.decode() if isinstance(collected, bytes) else str(collected)
    if not text.endswith("."):
        return []
    found: list[tuple[tuple[str, ...], int]] = []
    for item in text.split(","):
        key, _, mask = item.rstrip(".").partition(":")
        found.append(((key,), int(mask)))
    return found


def total(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """How many rows meet a condition."""
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
