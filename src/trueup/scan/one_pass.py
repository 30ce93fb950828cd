"""One pass over a table for all its row checks: every count, and the keys of every broken row.

Where the key is one integer, the keys are collected by an aggregate of the same statement, range by range, so that a
scan is one pass whether or not anything is broken. Elsewhere, or where a range holds more broken rows than an
aggregate can carry, a second statement streams `key, mask`.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, Select, String, case, cast, func, literal, select
from sqlalchemy.exc import DBAPIError

from trueup.check import Measures, Row, RowCheck
from trueup.scan.keys import Marked, Within, inside, payload, ranged, ranges, unpack
from trueup.sql.short_circuit import any_of
from trueup.stores.sql import SqlDatabase

CUT = "cut"
UNMEASURED = "\0"


@dataclass(slots=True)
class Totals:
    """What the pass counted so far: rows, and for each check its broken rows, and its measures by name.

    `measured` has the rows by schema name; those of which a check can say nothing are counted under `UNMEASURED`.
    """

    rows: int = 0
    broken: list[int] = field(default_factory=list)
    healthy_words: list[dict[str, int]] = field(default_factory=list)
    measured: list[dict[str, int]] = field(default_factory=list)


class Fusion:
    """The fused statement of one table's row checks. Bit i of a mask belongs to check i."""

    def __init__(self, database: SqlDatabase, checks: Sequence[RowCheck]) -> None:
        self.database = database
        self.checks = checks
        self.row: Row = database.row(checks[0].table)
        self.conditions = [check.holds(self.row) for check in checks]
        measures = [check.measures(self.row) for check in checks]
        self.words = [dict(one.healthy_words) for one in measures]
        self.measured = [_measured(one) for one in measures]
        self.totals = Totals(
            0,
            [0] * len(checks),
            [dict.fromkeys(words, 0) for words in self.words],
            [dict.fromkeys(names, 0) for names in self.measured],
        )

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
        return any_of(self.conditions)

    def run(self) -> Iterator[tuple[list[Marked], int]]:
        """Read the table; yields batches of (key, mask) and the number of rows read."""
        if not self.row.table.key:
            rows = self._count({}, [total(condition) for condition in self.conditions])
            yield [], rows
        elif not (self.collects and ranged(self.row.table)):
            yield [], self._count({}, [])
            for batch in self._stream({}):
                yield batch, 0
        else:
            for within in ranges(self.database, self.row.table):
                yield from self._range(within)

    @property
    def collects(self) -> bool:
        """Whether this engine collects keys fastest in an aggregate."""
        return self.database.dialect.collects

    def _range(self, within: Within) -> Iterator[tuple[list[Marked], int]]:
        key = self.row[self.row.table.key[0]]
        # no condition is evaluated twice a row: what is broken is counted here, from the masks
        mask = cast(self.mask, String) if len(self.checks) > 1 else literal("1")
        dialect = self.database.dialect
        try:
            rows, collected = self._count_and_collect(within, dialect.collect(self.any_broken, payload(key, mask)))
        except DBAPIError:
            # more keys than the engine's aggregate can carry
            self.database.connection.rollback()
            rows, collected = self._count(within, []), CUT
        found = unpack(collected, self.database.collect_limit())
        yield [], rows
        batches = self._stream(within) if found is None else map(self._counted, found)
        yield from ((batch, 0) for batch in batches)

    def _count(self, within: Within, sums: Sequence[ColumnElement[Any]]) -> int:
        rows, *broken = self._ask(within, sums)
        self.totals.rows += rows
        for i, count in enumerate(broken):
            self.totals.broken[i] += int(count)
        return int(rows)

    def _count_and_collect(self, within: Within, aggregate: ColumnElement[Any]) -> tuple[int, Any]:
        rows, collected = self._ask(within, [aggregate])
        self.totals.rows += rows
        return rows, collected

    def _ask(self, within: Within, more: Sequence[ColumnElement[Any]]) -> tuple[Any, ...]:
        """Count rows and the measures into the totals; return the number of rows and the values of `more`."""
        words = [
            (counts[i], word, condition)
            for counts, conditions in ((self.totals.healthy_words, self.words), (self.totals.measured, self.measured))
            for i, named in enumerate(conditions)
            for word, condition in named.items()
        ]
        asked: list[ColumnElement[Any]] = [func.count(), *(total(condition) for _, _, condition in words), *more]
        rows, *values = self.database.ask(self._of(select(*asked), within))[0]
        for (counts, word, _), count in zip(words, values, strict=False):
            counts[word] += int(count)
        return int(rows), *values[len(words) :]

    def _stream(self, within: Within) -> Iterator[list[Marked]]:
        statement = self._of(select(*self.row.key(), self.mask).where(self.any_broken), within)
        token = self.database.dialect.token
        for rows in self.database.stream(statement):
            yield self._counted([(tuple(token(part) for part in row[:-1]), int(row[-1])) for row in rows])

    def _of(self, statement: Select[Any], within: Within) -> Select[Any]:
        """`statement`, limited to a range of keys."""
        statement = statement.select_from(self.row.relation)
        return (
            statement.where(inside(self.row.table, self.row.relation, within)).params(within) if within else statement
        )

    def _counted(self, batch: list[Marked]) -> list[Marked]:
        for _, mask in batch:
            for i in range(len(self.checks)):
                self.totals.broken[i] += mask >> i & 1
        return batch


def _measured(measures: Measures) -> dict[str, ColumnElement[bool]]:
    return {**measures.measured_rows, **({UNMEASURED: measures.unmeasured[0]} if measures.unmeasured else {})}


def total(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """The number of rows that meet a condition."""
    return func.count(case((condition, 1)))
