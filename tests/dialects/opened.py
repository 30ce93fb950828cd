"""A dialect on a fresh database: what its tests need and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from tests.engines import Database
from trueup.sql.dialect import Dialect
from trueup.sql.tables import Table
from trueup.stores.sql import SqlStore


@dataclass(frozen=True)
class Opened:
    """A session, and the dialect it belongs to."""

    dialect: Dialect
    connection: Connection

    def table(self, name: str) -> Table:
        return self.dialect.table(self.connection, name)

    def run(self, *statements: str) -> None:
        """Statements as an application would send them, committed; they may hold any character."""
        cursor = self.connection.connection.cursor()
        postgresql = self.dialect.name == "postgresql"
        for statement in [*(["SET LOCAL search_path = public"] if postgresql else []), *statements]:
            cursor.execute(statement)
        cursor.close()
        self.connection.connection.commit()
        self.connection.rollback()  # what follows begins anew, with all that a session is pinned to

    def insert(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.connection.execute(sa.insert(self.table(name).sql), list(rows))
        self.connection.commit()

    def ask(self, *columns: ColumnElement[Any]) -> list[Any]:
        """The one column, or tuples, of a SELECT."""
        rows = self.connection.execute(sa.select(*columns)).all()
        return [row[0] for row in rows] if len(columns) == 1 else [tuple(row) for row in rows]


@contextmanager
def opened(database: Database, *, write: bool = False, url: str = "") -> Iterator[Opened]:
    """A session of `database`, closed and its store with it."""
    store = SqlStore("app", url or database.url)
    try:
        with store.connect(write=write) as connection:
            yield Opened(store.dialect, connection)
    finally:
        store.close()
