"""Brings one table of a restored backup beside the live one, so that a plan can go back to it.

The copy never passes through Python's values: SQLite and InnoDB copy within one server, PostgreSQL's COPY streams its
own text from one session to the other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, and_, case, func, select

from trueup.check import Row
from trueup.codec import digest
from trueup.console import spelling
from trueup.errors import UsageError
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.tables import Table

PREFIX = "restore_"


def copy_name(store: SqlStore, table: str) -> str:
    """The copy's name, beside the journal's tables and hidden as they are."""
    dialect = store.dialect
    name = f"{dialect.journal_prefix}{PREFIX}{digest(table.encode())[:12]}"
    return f"{dialect.journal_schema}.{name}" if dialect.journal_schema else name


def bring(store: SqlStore, scratch: SqlStore, table: Table, name: str) -> None:
    """Copy `table` of the scratch database into the store as `name`, in place of a copy that is there."""
    _ENGINES[store.dialect.name](store, scratch, table, name)


def drop(store: SqlStore, connection: Connection, name: str) -> None:
    """Drop a copy."""
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {_spelled(store, name)}")
    connection.commit()


def _quoted(store: SqlStore, name: str) -> str:
    return str(spelling(store.dialect.name).identifier_preparer.quote_identifier(name))


def _spelled(store: SqlStore, name: str) -> str:
    return ".".join(_quoted(store, part) for part in name.split("."))


def _columns(store: SqlStore, table: Table) -> str:
    return ", ".join(_quoted(store, column.name) for column in table.stored())


def _copied(target: str, columns: str, source: str) -> str:
    return f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {source}"  # noqa: S608 - quoted names


def _sqlite(store: SqlStore, scratch: SqlStore, table: Table, name: str) -> None:
    columns, own = _columns(store, table), _spelled(store, name)
    source = _quoted(store, table.name)
    # a session of its own: within the transaction that ours begins nothing can be attached
    with closing(sqlite3.connect(str(store.url.database), timeout=3.0, isolation_level=None)) as connection:
        connection.execute("ATTACH DATABASE ? AS trueup_scratch", (str(scratch.url.database),))
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"DROP TABLE IF EXISTS main.{own}")
        # without types each value keeps its storage class
        connection.execute(f"CREATE TABLE main.{own} ({columns})")
        connection.execute(_copied(f"main.{own}", columns, f"trueup_scratch.{source}"))
        key = ", ".join(_quoted(store, part) for part in table.key)
        connection.execute(f"CREATE INDEX main.{_quoted(store, name + '_key')} ON {own} ({key})")
        connection.execute("COMMIT")


def _innodb(store: SqlStore, scratch: SqlStore, table: Table, name: str) -> None:
    if (store.url.host, store.url.port) != (scratch.url.host, scratch.url.port):
        raise UsageError("the scratch database must be on the same server, so that rows can be copied inside of it")
    columns, own, source = _columns(store, table), _spelled(store, name), _quoted(store, table.name)
    place = f"{_quoted(store, str(scratch.url.database))}.{source}"
    with store.connect(write=True) as connection:
        connection.exec_driver_sql("SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'")
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {own}")
        connection.exec_driver_sql(f"CREATE TABLE {own} LIKE {source}")
        connection.exec_driver_sql(_copied(own, columns, place))
        connection.commit()


def _postgresql(store: SqlStore, scratch: SqlStore, table: Table, name: str) -> None:
    columns, own = _columns(store, table), _spelled(store, name)
    source = spelling("postgresql").identifier_preparer.format_table(table.sql)
    key = ", ".join(_quoted(store, part) for part in table.key)
    with store.connect(write=True) as connection, scratch.connect() as reading:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {own}")
        connection.exec_driver_sql(f"CREATE TABLE {own} (LIKE {source})")
        reading.begin()  # the driver's COPY below is to find what a transaction of ours begins with
        into: Any = connection.connection.driver_connection
        out: Any = reading.connection.driver_connection
        if not hasattr(into.cursor(), "copy"):
            raise UsageError("restore-plan needs psycopg 3: pip install 'trueup[postgresql]'")
        wanted = f"COPY (SELECT {columns} FROM {source}) TO STDOUT"  # noqa: S608 - quoted names
        with (
            out.cursor().copy(wanted) as rows,
            into.cursor().copy(f"COPY {own} ({columns}) FROM STDIN") as target,
        ):
            for piece in rows:
                target.write(piece)
        connection.exec_driver_sql(f"CREATE INDEX ON {own} ({key})")
        connection.commit()


_ENGINES: Mapping[str, Callable[[SqlStore, SqlStore, Table, str], None]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _innodb,
    "mariadb": _innodb,
}


def compared(database: SqlDatabase, row: Row, copy: Any) -> tuple[dict[str, int], int, int]:
    """By column, how many rows differ; how many rows are only in the copy, and how many only in the table."""
    names = [column.name for column in row.table.stored() if column.name not in row.table.key]
    key = row.table.key
    same = and_(*(row[name] == copy.c[name] for name in key))
    differ = [
        func.sum(case((row.digest([name]) != row.dialect.digest([(row.column(name), copy.c[name])]), 1), else_=0))
        for name in names
    ]
    counts = database.ask(select(*differ).select_from(row.relation.join(copy, same)))[0] if names else ()
    gone = select(func.count()).select_from(copy.outerjoin(row.relation, same)).where(row[key[0]].is_(None))
    new = select(func.count()).select_from(row.relation.outerjoin(copy, same)).where(copy.c[key[0]].is_(None))
    found = {name: int(count or 0) for name, count in zip(names, counts, strict=True)}
    return found, int(database.ask(gone)[0][0]), int(database.ask(new)[0][0])
