"""Reads the journal's own tables on MySQL and MariaDB from `information_schema`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.mysql import LONGTEXT

from trueup.engines._innodb import session
from trueup.engines._innodb.rights import grant, rights
from trueup.sql.dialect import Dialect
from trueup.sql.writing import Kept

#: The attributes that `journal_options` gives every table of the journal.
_TEXT = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_WIDTH = re.compile(r"\b(tinyint|smallint|mediumint|int|bigint)\(\d+\)(?!.* zerofill)")

_TABLES = "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
_COLUMNS = (
    "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, IS_NULLABLE, COLUMN_DEFAULT,"
    " EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
)
_UNIQUES = (
    "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART, SEQ_IN_INDEX FROM information_schema.STATISTICS"
    " WHERE NON_UNIQUE = 0 AND TABLE_SCHEMA = DATABASE()"
)
_CONSTRAINTS = (
    "SELECT TABLE_NAME, CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS"
    " WHERE CONSTRAINT_TYPE NOT IN ('PRIMARY KEY', 'UNIQUE') AND TABLE_SCHEMA = DATABASE()"
)
_TRIGGERS = (
    "SELECT EVENT_OBJECT_TABLE AS TABLE_NAME, TRIGGER_NAME FROM information_schema.TRIGGERS"
    " WHERE EVENT_OBJECT_SCHEMA = DATABASE()"
)


def kept(connection: Connection, names: Sequence[str]) -> dict[str, Kept]:
    """Return those of `names` that exist. Privileges are not read: the grants on the database decide who may write."""
    faults: dict[str, list[str]] = defaultdict(list)
    columns: dict[str, dict[str, str]] = defaultdict(dict)
    uniques: dict[tuple[str, str], list[str]] = defaultdict(list)
    there = []
    for name, kind, engine in _asked(connection, _TABLES, names):
        there.append(name)
        if kind != "BASE TABLE" or str(engine).lower() != "innodb":
            faults[name].append("is not an ordinary table of InnoDB")
    for name, column, kind, charset, collation, nullable, default, extra in _asked(connection, _COLUMNS, names):
        text = f" CHARACTER SET {charset} COLLATE {collation}" if charset and kind != "json" else ""
        columns[name][column] = _plain(kind + text) + ("" if nullable == "YES" else " NOT NULL")
        if default not in (None, "NULL") or extra:
            faults[name].append(f"has a default for {column!r}, which is not trueup's; drop it")
    for name, index, column, part, _ in sorted(_asked(connection, _UNIQUES, names), key=lambda row: (row[1], row[4])):
        uniques[name, index].append(column if part is None else f"{column}({part})")
    for name, constraint in _asked(connection, _CONSTRAINTS, names):
        faults[name].append(f"has the constraint {constraint!r}, which is not trueup's; drop it")
    for name, trigger in _asked(connection, _TRIGGERS, names, "EVENT_OBJECT_TABLE"):
        faults[name].append(f"has the trigger {trigger!r}, which is not trueup's; drop it")
    keys = {name: frozenset(tuple(key) for (table, _), key in uniques.items() if table == name) for name in there}
    return {name: Kept(columns[name], keys[name], tuple(faults[name])) for name in there}


def _asked(connection: Connection, statement: str, names: Sequence[str], by: str = "TABLE_NAME") -> list[list[Any]]:
    # one part a table: with IN, MariaDB opens every table of the database
    parts = [f"{statement} AND {by} = :n{number}" for number in range(len(names))]
    if not parts:
        return []
    values = {f"n{number}": name for number, name in enumerate(names)}
    rows = connection.execute(sa.text(" UNION ALL ".join(parts)), values)
    # some of the catalogue's columns arrive as bytes
    return [[part.decode() if isinstance(part, bytes) else part for part in row] for row in rows]


def catalogued(ddl: str) -> str:
    """Return the type in the catalogue's words.

    SQLAlchemy writes our types in capitals; image types are the catalogue's.
    """
    if not ddl.isupper():
        return _plain(ddl)
    lower = ddl.lower().replace("integer", "int")
    return _plain(lower + _TEXT if "char" in lower or "text" in lower else lower)


def _plain(ddl: str) -> str:
    """Remove what depends on the server's version: the display width of integers, and NULL where it is the default."""
    return _WIDTH.sub(r"\1", ddl.removesuffix(" NULL"))


def _options(**values: str) -> dict[str, str]:
    """Return table options under both names that SQLAlchemy has for the engine."""
    return {f"{engine}_{name}": value for engine in ("mysql", "mariadb") for name, value in values.items()}


class InnodbJournal(Dialect):
    """The part of the dialect that the journal uses."""

    journal_options = _options(engine="InnoDB", charset="utf8mb4", collate="utf8mb4_bin")
    image_options = _options(row_format="DYNAMIC")
    journal_text = LONGTEXT()

    def kept(self, connection: Connection, names: Sequence[str]) -> Mapping[str, Kept]:
        """Read `information_schema`."""
        return kept(connection, names)

    def catalogued(self, ddl: str) -> str:
        """Return the type as `COLUMN_TYPE` has it, with the character set."""
        return catalogued(ddl)

    def largest(self, connection: Connection) -> int | None:
        """Return `max_allowed_packet`."""
        return session.packet(connection)

    def unfit(self, connection: Connection, names: Sequence[str]) -> str:
        """Refuse where the account may not see triggers: the catalogue then shows none, without an error."""
        database = str(connection.exec_driver_sql("SELECT DATABASE()").scalar_one())
        hidden = [name for name in names if not rights(connection).on("TRIGGER", database, name)]
        if not hidden:
            return ""
        needed = [grant("TRIGGER", database, name) for name in (hidden if len(hidden) < len(names) else ["*"])]
        return (
            "triggers on the journal's tables cannot be seen: the account needs the TRIGGER privilege "
            f"({'; '.join(needed)})"
        )

    def alone(self, connection: Connection, what: str) -> AbstractContextManager[None]:
        """Use GET_LOCK. A lock that was not obtained in ten seconds is a retryable error."""
        return session.alone(connection, what)
