"""Brings one table of a restored backup beside the live one, so that a plan can go back to it.

The rows come in the backup's own shape first, and never pass through Python's values: SQLite and InnoDB copy within one
server, PostgreSQL's COPY streams text from one session to the other. Then they are converted to the shape of the live
table, and each value is converted back and compared with the backup's: a row of which one was cut, rounded or bent on
the way is left out and counted, so that what a plan writes is what the backup held.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, or_, select, text
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table
from sqlalchemy.sql import quoted_name

from trueup.check import Row
from trueup.codec import digest
from trueup.errors import Refused, UsageError
from trueup.sql.spelling import spelling
from trueup.sql.tables import Column, Table
from trueup.stores.sql import SqlDatabase, SqlStore

PREFIX = "restore_"
_RAW = "_raw"
#: Ends the name of the table beside a copy that holds the keys of the rows left out.
LEFT = "_left"


def copy_name(store: SqlStore, table: str) -> str:
    """The copy's name, beside the journal's tables and hidden as they are."""
    dialect = store.dialect
    name = f"{dialect.journal_prefix}{PREFIX}{digest(table.encode())[:12]}"
    return f"{dialect.journal_schema}.{name}" if dialect.journal_schema else name


def shared(live: Table, there: Table) -> list[str]:
    """The columns that hold data of their own both now and in the backup."""
    stored = {column.name for column in there.stored()}
    return [column.name for column in live.stored() if column.name in stored]


def bring(
    store: SqlStore, scratch: SqlStore, live: Table, there: Table, name: str, columns: Sequence[str] = ()
) -> dict[str, int]:
    """Copy a table of the scratch database (`there`) into the store as `name`, in the shape of `live`.

    An old copy goes. Rows with a value, in `columns` (none: all that both have), that the live column would not hold
    just as it was are left out: their keys are kept beside, and counted by column in what is returned.
    """
    wanted = _Wanted(live, there, name, shared(live, there), tuple(columns))
    return _ENGINES[store.dialect.name](store, scratch, wanted)


@dataclass(frozen=True, slots=True)
class _Wanted:
    live: Table
    there: Table
    name: str
    names: Sequence[str]
    columns: Sequence[str]

    @property
    def judged(self) -> list[str]:
        """The columns of which no value may be bent."""
        return [one for one in self.names if not self.columns or one in self.columns or one in self.live.key]


def drop(store: SqlStore, connection: Connection, name: str) -> None:
    """Drop a copy."""
    for one in (name, name + _RAW, name + LEFT):
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {_spelled(store, one)}")
    connection.commit()


def _quoted(store: SqlStore, name: str) -> str:
    return str(spelling(store.dialect.name).identifier_preparer.quote_identifier(name))


def _spelled(store: SqlStore, name: str) -> str:
    return ".".join(_quoted(store, part) for part in name.split("."))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


# -- SQLite -----------------------------------------------------------------------------------------------------------
def _sqlite(store: SqlStore, scratch: SqlStore, wanted: _Wanted) -> dict[str, int]:
    live, there, names = wanted.live, wanted.there, wanted.names
    quoted = {one: _quoted(store, one) for one in names}
    columns, key = ", ".join(quoted.values()), ", ".join(quoted[part] for part in live.key)
    own, raw, left = (f"main.{_quoted(store, wanted.name + end)}" for end in ("", _RAW, LEFT))
    source = f"trueup_scratch.{_quoted(store, str(there.sql.name))}"
    row = next(one for one in ("rowid", "_rowid_", "oid", "") if one not in {name.lower() for name in names})
    if not row:
        raise Refused(f"{live.name} has columns by all the names of a row's number, so it cannot be copied")
    # a session of its own: within the transaction that ours begins nothing can be attached
    with closing(sqlite3.connect(str(store.url.database), timeout=3.0, isolation_level=None)) as connection:
        connection.execute("ATTACH DATABASE ? AS trueup_scratch", (str(scratch.url.database),))
        connection.execute("BEGIN IMMEDIATE")
        for one in (own, raw, left):
            connection.execute(f"DROP TABLE IF EXISTS {one}")
        # without types each value keeps its storage class, with the live ones it takes what the live table would
        now, then = (
            {
                str(told[1]): str(told[2])
                for told in connection.execute(f"PRAGMA {place}.table_xinfo({_quoted(store, bare)})")
            }
            for place, bare in (("main", str(live.sql.name)), ("trueup_scratch", str(there.sql.name)))
        )
        typed = ", ".join(f"{quoted[one]} {_affinity(now[one])}" for one in names)
        connection.execute(f"CREATE TABLE {raw} ({columns})")
        connection.execute(f"CREATE TABLE {own} ({typed})")
        connection.execute(f"INSERT INTO {raw} ({columns}) SELECT {columns} FROM {source}")  # noqa: S608
        connection.execute(f"INSERT INTO {own} ({row}, {columns}) SELECT {row}, {columns} FROM {raw}")  # noqa: S608
        bent = {one: _bent(quoted[one], live.columns[one], now[one], then[one]) for one in wanted.judged}
        pairs = f"{own} AS n JOIN {raw} AS t ON n.{row} = t.{row}"
        counts = ", ".join(f"total({condition})" for condition in bent.values())
        (found,) = connection.execute(f"SELECT {counts} FROM {pairs}").fetchall()  # noqa: S608
        any_of = " OR ".join(bent.values())
        keys = ", ".join(f"n.{quoted[part]} AS {quoted[part]}" for part in live.key)
        connection.execute(f"CREATE TABLE {left} AS SELECT {keys}, n.{row} AS trueup_row FROM {pairs} WHERE {any_of}")  # noqa: S608
        connection.execute(f"DELETE FROM {own} WHERE {row} IN (SELECT trueup_row FROM {left})")  # noqa: S608
        connection.execute(f"DROP TABLE {raw}")
        connection.execute(f"CREATE INDEX main.{_quoted(store, wanted.name + '_key')} ON {own[5:]} ({key})")
        connection.execute("COMMIT")
    return {one: int(count) for one, count in zip(bent, found, strict=True) if count}


def _affinity(ddl: str) -> str:
    """A type of the same affinity as a column's, by SQLite's own rules in their order."""
    words = ddl.upper()
    rules = (("INT", "INTEGER"), ("CHAR", "TEXT"), ("CLOB", "TEXT"), ("TEXT", "TEXT"), ("BLOB", "BLOB"),
             ("REAL", "REAL"), ("FLOA", "REAL"), ("DOUB", "REAL"))  # fmt: skip
    found = next((kind for word, kind in rules if word in words), "NUMERIC" if words.strip() else "BLOB")
    return "" if words.strip() == "ANY" else found


def _bent(column: str, live: Column, now: str, then: str) -> str:
    bent = f"(typeof(n.{column}) <> typeof(t.{column}) OR n.{column} IS NOT t.{column})"
    if now.upper() == then.upper():
        return bent
    # in a column of another type a value of the wrong class is kept, and is no value of that type: 'true' in a BOOLEAN
    classes = {"INTEGER": "'integer'", "REAL": "'real'", "NUMERIC": "'integer', 'real'", "TEXT": "'text'"}
    wanted = classes.get(_affinity(now), "")
    if live.boolean:
        bent += f" OR (n.{column} IS NOT NULL AND (typeof(n.{column}) <> 'integer' OR n.{column} NOT IN (0, 1)))"
    elif wanted and not live.temporal:
        bent += f" OR (n.{column} IS NOT NULL AND typeof(n.{column}) NOT IN ({wanted}))"
    return f"({bent})"


# -- MySQL and MariaDB ------------------------------------------------------------------------------------------------
def _innodb(store: SqlStore, scratch: SqlStore, wanted: _Wanted) -> dict[str, int]:
    if (store.url.host, store.url.port) != (scratch.url.host, scratch.url.port):
        raise UsageError("the scratch database must be on the same server, so that rows can be copied inside of it")
    live, there = wanted.live, wanted.there
    columns = ", ".join(_quoted(store, one) for one in wanted.names)
    own, left = _spelled(store, wanted.name), _spelled(store, wanted.name + LEFT)
    place = f"{_quoted(store, str(scratch.url.database))}.{_quoted(store, str(there.sql.name))}"
    with store.connect(write=True) as connection:
        for one in (own, left):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {one}")
        connection.exec_driver_sql(f"CREATE TABLE {own} LIKE {_quoted(store, str(live.sql.name))}")
        _bare_table(store, connection, wanted.name, live.key)
        # the one session that is not strict: it bends what does not fit, in a table of ours, and all that was bent is
        # found by comparing, and goes
        connection.exec_driver_sql("SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'")
        _say(connection, f"INSERT INTO {own} ({columns}) SELECT {columns} FROM {place}")  # noqa: S608 - quoted names
        connection.exec_driver_sql(f"SET SESSION sql_mode = '{_STRICT}'")
        _say(connection, f"CREATE TABLE {left} LIKE {own}")
        found = _compared(SqlDatabase(store, connection), wanted, str(scratch.url.database))
        connection.commit()
    return found


_STRICT = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"
_UNIQUES = text(
    "SELECT INDEX_NAME, GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX SEPARATOR '/') AS parts"
    " FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :table AND NON_UNIQUE = 0"
    " AND INDEX_NAME <> 'PRIMARY' GROUP BY INDEX_NAME"
)
_CHECKS = text(
    "SELECT CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = DATABASE()"
    " AND TABLE_NAME = :table AND CONSTRAINT_TYPE = 'CHECK'"
)


def _bare_table(store: SqlStore, connection: Connection, name: str, key: Sequence[str]) -> None:
    """Take from a copy what would refuse a row of then: unique indexes but the key's, and CHECKs."""
    own = _spelled(store, name)
    for index, parts in connection.execute(_UNIQUES, {"table": name}).all():
        if parts != "/".join(key):
            _say(connection, f"ALTER TABLE {own} DROP INDEX {_quoted(store, str(index))}")
    if store.dialect.name == "mariadb":
        _say(connection, "SET SESSION check_constraint_checks = 0")
        return
    for check in connection.execute(_CHECKS, {"table": name}).scalars().all():
        _say(connection, f"ALTER TABLE {own} DROP CHECK {_quoted(store, str(check))}")


def _compared(database: SqlDatabase, wanted: _Wanted, scratch: str) -> dict[str, int]:
    """Count, by column, the rows of the copy that are not as in the scratch database, and move them aside."""
    live, there, dialect = wanted.live, wanted.there, database.dialect
    now = _relation(live, wanted.name, None, wanted.names)
    left = _relation(live, wanted.name + LEFT, None, wanted.names)
    then = _relation(there, str(there.sql.name), scratch, wanted.names)
    same = and_(*(now.c[one] == then.c[one] for one in live.key))

    def unlike(one: str) -> ColumnElement[bool]:
        was = there.columns[one]
        back = now.c[one] if live.columns[one].ddl == was.ddl else dialect.cast(now.c[one], was)
        return dialect.digest([(was, back)]) != dialect.digest([(was, then.c[one])])

    bent = {one: unlike(one) for one in wanted.judged}
    counts = [func.sum(case((condition, 1), else_=0)) for condition in bent.values()]
    rows = database.ask(select(func.count(), *counts).select_from(now.join(then, same)))[0]
    total, mine = (int(database.ask(select(func.count()).select_from(one))[0][0]) for one in (then, now))
    if not int(rows[0]) == total == mine:
        raise Refused(f"the keys of {live.name} in the backup are no keys of it now, so its rows cannot be told apart")
    found = {one: int(count) for one, count in zip(bent, rows[1:], strict=True) if count}
    if found:
        moved = (
            select(*(now.c[one] for one in wanted.names)).select_from(now.join(then, same)).where(or_(*bent.values()))
        )
        database.connection.execute(left.insert().from_select(list(wanted.names), moved))
        again = and_(*(now.c[one] == left.c[one] for one in live.key))
        database.connection.execute(now.delete().where(exists(select(1).select_from(left).where(again).correlate(now))))
    return found


def _relation(table: Table, name: str, schema: str | None, names: Sequence[str]) -> Any:
    parts = [sql_column(quoted_name(one, quote=True), table.sql.c[one].type) for one in names]
    return sql_table(quoted_name(name, quote=True), *parts, schema=schema and quoted_name(schema, quote=True))


def _say(connection: Connection, sql: str) -> None:
    connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


# -- PostgreSQL -------------------------------------------------------------------------------------------------------
#: Whether a text is still the same after it was a value of the live type: cut, rounded and refused ones are not. By
#: the types' own output, as a cast to text drops the blanks of a char.
_SAME = """
CREATE FUNCTION pg_temp.trueup_fits(told text, now text, was text) RETURNS boolean LANGUAGE plpgsql AS $trueup$
DECLARE back text;
BEGIN
  IF told IS NULL THEN RETURN true; END IF;
  EXECUTE pg_catalog.format('SELECT pg_catalog.format(''%%s'', CAST(CAST(CAST($1 AS text) AS %s) AS %s))', now, was)
    INTO back USING told;
  RETURN back IS NOT DISTINCT FROM told;
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR cannot_coerce OR program_limit_exceeded THEN
  RETURN false;
END $trueup$
"""


def _postgresql(store: SqlStore, scratch: SqlStore, wanted: _Wanted) -> dict[str, int]:
    live, there, names = wanted.live, wanted.there, wanted.names
    quoted = {one: _quoted(store, one) for one in names}
    columns, key = ", ".join(quoted.values()), [quoted[part] for part in live.key]
    own, raw, left = (_spelled(store, wanted.name + end) for end in ("", _RAW, LEFT))
    words = spelling("postgresql").identifier_preparer
    source, target = words.format_table(there.sql), words.format_table(live.sql)
    with store.connect(write=True) as connection, scratch.connect() as reading:
        _say(connection, "SET LOCAL statement_timeout = 0")
        for one in (own, raw, left):
            _say(connection, f"DROP TABLE IF EXISTS {one}")
        # as text: a type of then may not be there any more
        _say(connection, f"CREATE TABLE {raw} ({', '.join(f'{one} text' for one in quoted.values())})")
        _say(connection, f"CREATE TABLE {own} AS SELECT {columns} FROM {target} WITH NO DATA")  # noqa: S608
        reading.begin()  # the driver's COPY below is to find what a transaction of ours begins with
        into: Any = connection.connection.driver_connection
        out: Any = reading.connection.driver_connection
        if not hasattr(into.cursor(), "copy"):
            raise UsageError("restore-plan needs psycopg 3: pip install 'trueup[postgresql]'")
        taken = f"COPY (SELECT {columns} FROM {source}) TO STDOUT"  # noqa: S608 - quoted names
        with (
            out.cursor().copy(taken) as rows,
            into.cursor().copy(f"COPY {raw} ({columns}) FROM STDIN") as copied,
        ):
            for piece in rows:
                copied.write(piece)
        _say(connection, _SAME)
        fits = {one: _fits(quoted[one], live.columns[one], there.columns[one]) for one in names}
        judged = {one: fits[one] for one in wanted.judged if fits[one]}
        counts = ", ".join(f"count(*) FILTER (WHERE NOT {condition})" for condition in judged.values())
        found = _one(connection, f"SELECT {counts} FROM {raw}") if judged else ()  # noqa: S608 - quoted names

        def typed(one: str) -> str:
            value = f"CAST({quoted[one]} AS {_bare(live.columns[one])})"
            # what is not asked for may be what does not fit
            return value if one in wanted.judged or not fits[one] else f"CASE WHEN {fits[one]} THEN {value} END"

        every = ", ".join(typed(one) for one in names)
        where = " AND ".join(judged.values()) or "true"
        _say(connection, f"INSERT INTO {own} ({columns}) SELECT {every} FROM {raw} WHERE {where}")  # noqa: S608
        keys = " AND ".join(judged[one] for one in live.key if one in judged) or "true"
        parts = ", ".join(f"{typed(one)} AS {quoted[one]}" for one in live.key)
        _say(connection, f"CREATE TABLE {left} AS SELECT {parts} FROM {raw} WHERE {keys} AND NOT ({where})")  # noqa: S608
        _say(connection, "DROP FUNCTION pg_temp.trueup_fits(text, text, text)")
        _say(connection, f"DROP TABLE {raw}")
        _say(connection, f"CREATE INDEX ON {own} ({', '.join(key)})")
        connection.commit()
    return {one: int(count) for one, count in zip(judged, found, strict=True) if count}


def _one(connection: Connection, sql: str) -> Sequence[Any]:
    return tuple(connection.exec_driver_sql(sql, execution_options={"no_parameters": True}).one())


def _bare(column: Column) -> str:
    """A column's type without its collation, its length kept."""
    return column.ddl.partition(" COLLATE ")[0]


def _fits(quoted: str, live: Column, there: Column) -> str:
    """A condition; empty where type and length are the same and the type is PostgreSQL's own."""
    now, was = _bare(live), _bare(there)
    own = live.family != "enum" and "." not in now.partition("(")[0]
    if now == was and own:
        return ""
    known = was if "." not in was.partition("(")[0] else "text"
    return f"pg_temp.trueup_fits({quoted}, {_text(now)}, {_text(known)})"


_ENGINES: Mapping[str, Callable[[SqlStore, SqlStore, _Wanted], dict[str, int]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _innodb,
    "mariadb": _innodb,
}


def compared(database: SqlDatabase, row: Row, copy: Any, left: Any) -> tuple[dict[str, int], int, int]:
    """By column, how many rows differ; how many rows are only in the copy, and how many only in the table.

    `left` holds the keys of the rows of then that the copy lacks as a value of theirs does not fit.
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
