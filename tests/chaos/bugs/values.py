"""Bugs of values: what counts as equal, what is counted, what passes through a driver."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, select, update

from tests.chaos.bugs.planting import Bug, swap
from trueup.check import Row
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.engines._innodb.dialect import InnoDB
from trueup.engines.postgresql.dialect import Postgresql
from trueup.engines.sqlite.dialect import Sqlite
from trueup.sql.dialect import Dialect
from trueup.sql.tables import Column
from trueup.write.apply_chunk import Chunk
from trueup.write.target import SEQS
from trueup.write.undo_chunk import UndoChunk

DIALECTS: tuple[type[Dialect], ...] = (InnoDB, Postgresql, Sqlite)
Values = Iterable[tuple[Column, ColumnElement[Any]]]


def equal_not_same() -> None:
    """Values are the same when `=` says so: padding and trailing zeros do not count."""

    def loose(column: Column, value: ColumnElement[Any]) -> ColumnElement[Any]:
        if column.family == "text":
            return sa.func.rtrim(value)
        return sa.cast(value, sa.Double) if column.numeric and not column.integer else value

    for dialect in DIALECTS:
        plain = dialect.digest

        def digest(self: Dialect, columns: Values, plain: Any = plain) -> ColumnElement[str]:
            found: ColumnElement[str] = plain(self, [(column, loose(column, value)) for column, value in columns])
            return found

        swap(dialect, "digest", digest)


def truncated_digest() -> None:
    """Of a digest only its beginning is kept."""
    for dialect in DIALECTS:
        plain = dialect.digest

        def digest(self: Dialect, columns: Values, plain: Any = plain) -> ColumnElement[str]:
            return sa.func.substr(plain(self, columns), 1, 1, type_=sa.Text)

        swap(dialect, "digest", digest)


def rows_not_counted() -> None:
    """A write that misses rows is not noticed: nobody counts, nobody looks again."""
    plain = Chunk.write_statement.func  # type: ignore[attr-defined]  # a cached property

    def write(self: Chunk, connection: Connection, span: Any, _: int) -> None:
        missing = self.target.image.c.seq % 7 != 0
        connection.execute(plain(self).where(missing), dict(span))

    swap(Chunk, "write", write)
    swap(Chunk, "prove", lambda *_: None)


def through_driver() -> None:
    """Old values are fetched, and sent back as the driver understood them."""

    def undo(self: UndoChunk, connection: Connection, run_id: str, seqs: Sequence[int]) -> dict[int, str]:
        target, image = self.target, self.target.image
        names = target.group.columns
        wanted = [image.c[f"b{number}"] for number, _ in enumerate(names)]
        mine = (image.c.run_id == run_id, image.c.seq.in_(list(seqs)))
        keys = [image.c[f"k{number}"] for number, _ in enumerate(target.table.key)]
        for row in connection.execute(select(*keys, *wanted).where(*mine)).all():
            key, values = row[: len(keys)], row[len(keys) :]
            found = [target.table.sql.c[name] == part for name, part in zip(target.table.key, key, strict=True)]
            connection.execute(update(target.table.sql).where(*found).values(dict(zip(names, values, strict=True))))
        self.close(connection, run_id, dict.fromkeys(seqs, ("undone", "")), {})
        return dict.fromkeys(seqs, "undone")

    assert SEQS
    swap(UndoChunk, "undo", undo)


def not_in_null() -> None:
    """The check asks NOT IN (..., NULL), which is never true."""

    def holds(self: WrongJsonType, row: Row) -> ColumnElement[bool]:
        return row.json(self.column).type().not_in([*self.expected, sa.null()])

    swap(WrongJsonType, "holds", holds)


BUGS = {
    "equal_not_same": Bug(equal_not_same, "twins", rounds=1),
    "truncated_digest": Bug(truncated_digest, "kills", ("sqlite", "postgresql"), verb="apply"),
    "rows_not_counted": Bug(rows_not_counted, "kills", verb="apply"),
    "through_driver": Bug(through_driver, "poison", ("mysql", "mariadb"), rounds=1),
    "not_in_null": Bug(not_in_null, "twins", rounds=1),
}
