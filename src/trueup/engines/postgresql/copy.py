"""Copies one table of a restored backup beside the live one, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from trueup.backup.copy import LEFT, RAW, Copier, Wanted, quoted, spelled
from trueup.errors import UsageError
from trueup.sql.spelling import quoted_text, run_verbatim
from trueup.sql.tables import Column
from trueup.stores.sql import SqlStore

#: Whether a text survives a conversion to the live type and back, not truncated, rounded or refused. It uses
#: the types' output functions, because a cast to text drops the blanks of a char.
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


class PostgresqlCopier(Copier):
    """Copies with COPY, which streams text from one session to the other."""

    def copy(self, store: SqlStore, scratch: SqlStore, wanted: Wanted) -> dict[str, int]:
        """See `Copier`. The rows are copied as text first, because a type of the backup may no longer exist."""
        live, there, names = wanted.live, wanted.there, wanted.names
        spelt = {one: quoted(store, one) for one in names}
        columns, key = ", ".join(spelt.values()), [spelt[part] for part in live.key]
        own, raw, left = (spelled(store, wanted.name + end) for end in ("", RAW, LEFT))
        words = store.dialect.spelling().identifier_preparer
        source, target = words.format_table(there.sql), words.format_table(live.sql)
        with store.connect(write=True) as connection, scratch.connect() as reading:
            run_verbatim(connection, "SET LOCAL statement_timeout = 0")
            for one in (own, raw, left):
                run_verbatim(connection, f"DROP TABLE IF EXISTS {one}")
            run_verbatim(connection, f"CREATE TABLE {raw} ({', '.join(f'{one} text' for one in spelt.values())})")
            run_verbatim(connection, f"CREATE TABLE {own} AS SELECT {columns} FROM {target} WITH NO DATA")  # noqa: S608
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
            run_verbatim(connection, _SAME)
            fits = {one: _fits(spelt[one], live.columns[one], there.columns[one]) for one in names}
            judged = {one: fits[one] for one in wanted.judged if fits[one]}
            counts = ", ".join(f"count(*) FILTER (WHERE NOT {condition})" for condition in judged.values())
            found = _one(connection, f"SELECT {counts} FROM {raw}") if judged else ()  # noqa: S608 - quoted names

            def typed(one: str) -> str:
                value = f"CAST({spelt[one]} AS {_bare(live.columns[one])})"
                # a column that was not asked for may not fit
                return value if one in wanted.judged or not fits[one] else f"CASE WHEN {fits[one]} THEN {value} END"

            every = ", ".join(typed(one) for one in names)
            where = " AND ".join(judged.values()) or "true"
            run_verbatim(connection, f"INSERT INTO {own} ({columns}) SELECT {every} FROM {raw} WHERE {where}")  # noqa: S608
            keys = " AND ".join(judged[one] for one in live.key if one in judged) or "true"
            parts = ", ".join(f"{typed(one)} AS {spelt[one]}" for one in live.key)
            run_verbatim(connection, f"CREATE TABLE {left} AS SELECT {parts} FROM {raw} WHERE {keys} AND NOT ({where})")  # noqa: S608
            run_verbatim(connection, "DROP FUNCTION pg_temp.trueup_fits(text, text, text)")
            run_verbatim(connection, f"DROP TABLE {raw}")
            run_verbatim(connection, f"CREATE INDEX ON {own} ({', '.join(key)})")
            connection.commit()
        return {one: int(count) for one, count in zip(judged, found, strict=True) if count}


def _one(connection: Connection, sql: str) -> Sequence[Any]:
    return tuple(connection.exec_driver_sql(sql, execution_options={"no_parameters": True}).one())


def _bare(column: Column) -> str:
    """Return the column's type without its collation but with its length."""
    return column.ddl.partition(" COLLATE ")[0]


def _fits(value: str, live: Column, there: Column) -> str:
    """Return the condition that a value fits the live column; '' where both have the same built-in type and length."""
    now, was = _bare(live), _bare(there)
    own = live.family != "enum" and "." not in now.partition("(")[0]
    if now == was and own:
        return ""
    known = was if "." not in was.partition("(")[0] else "text"
    return f"pg_temp.trueup_fits({value}, {quoted_text(now)}, {quoted_text(known)})"
