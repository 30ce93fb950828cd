"""Copies one table of a restored backup beside the live one, so that a plan can restore its rows.

The rows are copied in the backup's own shape first, and never pass through Python's values: an engine copies within one
server, or streams text from one session to the other. Then they are converted to the shape of the live table, and each
value is converted back and compared with the backup's. A row with a value that was truncated, rounded or changed by
this is left out and counted, so that a plan writes exactly what the backup held.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, case, func, select

from trueup import discovery
from trueup.check import Row
from trueup.codec import digest
from trueup.sql.spelling import spelling
from trueup.sql.tables import Table
from trueup.stores.sql import SqlDatabase, SqlStore

PREFIX = "restore_"
#: The suffix of the table that holds the rows in the backup's own shape while they are converted.
RAW = "_raw"
#: The suffix of the table beside a copy that holds the keys of the rows left out.
LEFT = "_left"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to copy: the live table and the backup's, the name of the copy, and the columns that both have (`names`).

    `columns` are those to restore; if empty, all.
    """

    live: Table
    there: Table
    name: str
    names: Sequence[str]
    columns: Sequence[str]

    @property
    def judged(self) -> list[str]:
        """Return the columns whose values must all be exact."""
        return [one for one in self.names if not self.columns or one in self.columns or one in self.live.key]


class Copier(ABC):
    """Copies a table of a scratch database, on one engine. Each is in `engines/NAME/copy.py`."""

    @abstractmethod
    def copy(self, store: SqlStore, scratch: SqlStore, wanted: Wanted) -> dict[str, int]:
        """Create the copy and, under the name with `LEFT`, the keys of the rows left out. An old copy is dropped.

        Returns by column how many rows were left out because of it.
        """


def copy_name(store: SqlStore, table: str) -> str:
    """Return the name of the copy, which is beside the journal's tables and hidden as they are."""
    dialect = store.dialect
    name = f"{dialect.journal_prefix}{PREFIX}{digest(table.encode())[:12]}"
    return f"{dialect.journal_schema}.{name}" if dialect.journal_schema else name


def shared(live: Table, there: Table) -> list[str]:
    """Return the columns that exist and are not generated both in the live table and in the backup."""
    stored = {column.name for column in there.stored()}
    return [column.name for column in live.stored() if column.name in stored]


def bring(
    store: SqlStore, scratch: SqlStore, live: Table, there: Table, name: str, columns: Sequence[str] = ()
) -> dict[str, int]:
    """Copy a table of the scratch database (`there`) into the store as `name`, in the shape of `live`.

    An old copy is dropped. Rows with a value in `columns` (if empty, all shared ones) that the live column cannot hold
    exactly are left out: their keys are stored beside the copy, and counted by column in the result.
    """
    copier = discovery.load("engines", store.dialect.name, Copier, "copy")()
    return copier.copy(store, scratch, Wanted(live, there, name, shared(live, there), tuple(columns)))


def drop(store: SqlStore, connection: Connection, name: str) -> None:
    """Drop a copy."""
    for one in (name, name + RAW, name + LEFT):
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {spelled(store, one)}")
    connection.commit()


def quoted(store: SqlStore, name: str) -> str:
    """Return the identifier in quotes."""
    return str(spelling(store.dialect.name).identifier_preparer.quote_identifier(name))


def spelled(store: SqlStore, name: str) -> str:
    """Return the full name of a table of ours, with its schema where it has one."""
    return ".".join(quoted(store, part) for part in name.split("."))


def compared(database: SqlDatabase, row: Row, copy: Any, left: Any) -> tuple[dict[str, int], int, int]:
    """Return how many rows differ, by column, how many are only in the copy, and how many only in the table.

    `left` holds the keys of the backup's rows that the copy lacks because a value does not fit.
    """
    names = [name for name in copy.c.keys() if name not in row.table.key]  # noqa: SIM118 - a collection of columns
    key = row.table.key
    same = and_(*(row[name] == copy.c[name] for name in key))
    differ = [
        func.sum(case((row.digest([name]) != row.dialect.digest([(row.column(name), copy.c[name])]), 1), else_=0))
        for name in names
    ]
    counts = database.ask(select(*differ).select_from(row.relation.join(copy, same)))[0] if names else ()
    here = and_(*(row[name] == left.c[name] for name in key))
    gone = sum(
        int(
            database.ask(
                select(func.count()).select_from(one.outerjoin(row.relation, how)).where(row[key[0]].is_(None))
            )[0][0]
        )
        for one, how in ((copy, same), (left, here))
    )
    both = row.relation.outerjoin(copy, same).outerjoin(left, here)
    new = select(func.count()).select_from(both).where(copy.c[key[0]].is_(None), left.c[key[0]].is_(None))
    found = {name: int(count or 0) for name, count in zip(names, counts, strict=True)}
    return found, gone, int(database.ask(new)[0][0])
