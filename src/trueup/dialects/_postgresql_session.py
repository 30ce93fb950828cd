"""Sessions of PostgreSQL: how they are pinned, what they are connected to, and what their errors mean."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from trueup.dialects._postgresql_sql import COLLATION
from trueup.errors import UsageError
from trueup.store import Load

#: What the text of a value depends on; digests are made of that text.
_PINS = {
    "search_path": "",
    "row_security": "off",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "xmloption": "content",
    "standard_conforming_strings": "on",
}
_READING = {
    "statement_timeout": "0",
    "default_transaction_read_only": "on",
    # a cursor is read to its end: without this it is planned for its first rows
    "cursor_tuple_fraction": "1",
    # compiling the long expressions of a scan takes longer than running them
    "jit": "off",
}
_WRITING = {
    "lock_timeout": "500ms",
    "statement_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
    "synchronous_commit": "on",
    # rows are found by key, whatever the planner thinks of journal tables that were never analysed: a hash join would
    # digest every row of the table
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
}
_ALIVE = {
    "application_name": "trueup",
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
# the cast itself is tried: jsonb refuses more than a JSON parser does (\u0000, huge exponents)
_IS_JSON = """
CREATE OR REPLACE FUNCTION pg_temp.trueup_is_json(t text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  PERFORM t::pg_catalog.jsonb;
  RETURN t IS NOT NULL;
EXCEPTION WHEN OTHERS THEN
  RETURN false;
END $$
"""
_DRIVERS = ("psycopg", "psycopg2")
_COLLATIONS = ("und-x-icu", "pg_c_utf8", "C.utf8", "C.UTF-8")

_PASSING = {"40P01", "40001", "55P03", "57014"}
# resources, system and internal errors, read-only transactions
_EXHAUSTED = ("53", "58", "XX", "25006")
_GONE = ("08", "57P")
_IDLE = {"25P03", "25P04", "57P05"}
# classes whose messages name objects and settings, and never the value of a row
_HARMLESS = ("08", "0A", "25", "28", "3D", "3F", "42", "53", "55", "57")


def engine(url: URL, *, write: bool) -> Engine:
    """An engine on whichever driver is at hand; each connection is a new session, pinned."""
    made = sa.create_engine(
        url.set(drivername=f"postgresql+{_driver(url.drivername.partition('+')[2])}"),
        poolclass=NullPool,
        isolation_level="READ COMMITTED",
        connect_args=dict(_ALIVE),
        json_deserializer=_undecoded,
    )

    def connected(connection: Any, _: Any) -> None:
        with connection.cursor() as cursor:
            _set(cursor, _PINS)
            version = _one(cursor, "SELECT current_setting('server_version_num')::int")
            if not hasattr(made.dialect, COLLATION):
                setattr(made.dialect, COLLATION, _collation(cursor))
        connection.commit()
        if version < 160000:
            _teach(connection)
        if not write:
            with connection.cursor() as cursor:
                _set(cursor, _READING)
            connection.commit()

    sa.event.listen(made, "connect", connected)
    return made


def _undecoded(text: str | bytes) -> str:
    """JSON as text: a driver that decodes it fails on deep documents and loses digits."""
    return text if isinstance(text, str) else bytes(text).decode()


def _driver(asked: str) -> str:
    if asked not in ("", *_DRIVERS):
        raise UsageError(f"trueup does not use the driver {asked!r}; write postgresql://...")
    for module in _DRIVERS:
        if asked in ("", module) and importlib.util.find_spec(module) is not None:
            return module
    if asked:
        raise UsageError(f"the driver {asked!r} is not installed; postgresql://... takes the one that is")
    raise UsageError("there is no driver for PostgreSQL; pip install 'trueup[postgresql]'")


def _set(cursor: Any, settings: Mapping[str, str]) -> None:
    calls = ", ".join(["pg_catalog.set_config(%s, %s, false)"] * len(settings))
    cursor.execute(f"SELECT {calls}", [part for setting in settings.items() for part in setting])


def _one(cursor: Any, statement: str) -> Any:
    cursor.execute(statement)
    return cursor.fetchone()[0]


def _collation(cursor: Any) -> str:
    cursor.execute(
        "SELECT collname::text FROM pg_catalog.pg_collation WHERE collname = ANY(%s) AND collencoding IN"
        " (-1, (SELECT encoding FROM pg_catalog.pg_database WHERE datname = current_database()))",
        (list(_COLLATIONS),),
    )
    there = {row[0] for row in cursor.fetchall()}
    return next((name for name in _COLLATIONS if name in there), "")


def _teach(connection: Any) -> None:
    """Make the session's own test of JSON; a replica or a role without TEMP goes without."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ WRITE")
            cursor.execute(_IS_JSON)
        connection.commit()
    except Exception as error:
        connection.rollback()
        if _state(error)[:2] not in ("25", "42", "0A"):
            raise


def begin(connection: Connection) -> None:
    """The limits of one chunk's transaction, in one round trip."""
    settings = {**_PINS, **_WRITING}
    calls = [sa.func.set_config(name, value, sa.true()) for name, value in settings.items()]
    connection.execute(sa.select(*calls))


def identity(connection: Connection) -> dict[str, str]:
    """What tells the database from others; without the system identifier where the role may not read it."""
    found = {"engine": "postgresql"}
    may = "SELECT has_function_privilege('pg_catalog.pg_control_system()', 'execute')"
    if connection.exec_driver_sql(may).scalar_one():
        statement = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"
        found["system_identifier"] = str(connection.exec_driver_sql(statement).scalar_one())
    statement = "SELECT oid::text, datname::text FROM pg_catalog.pg_database WHERE datname = current_database()"
    found["oid"], found["database"] = (str(part) for part in connection.exec_driver_sql(statement).one())
    return found


def place(connection: Connection) -> str:
    """Address, port and, where the role may know it, the data directory."""
    address, port, folder = connection.exec_driver_sql(
        "SELECT coalesce(host(inet_server_addr()), 'socket'), current_setting('port'),"
        " (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory')"
    ).one()
    return f"{address}:{port}" + (f":{folder}" if folder else "")


def read_only(connection: Connection) -> str:
    """Why nothing can be written, or an empty string."""
    recovering, usual = connection.exec_driver_sql(
        "SELECT pg_is_in_recovery(), (SELECT reset_val FROM pg_catalog.pg_settings"
        " WHERE name = 'default_transaction_read_only')"
    ).one()
    if recovering:
        return "it is a replica (pg_is_in_recovery); use the primary"
    if usual == "on":
        return "this role, database or URL is set to read-only (default_transaction_read_only)"
    return ""


def enforce_references(connection: Connection, yes: bool) -> None:
    """Foreign keys are triggers of the system, which `session_replication_role` switches off."""
    try:
        connection.execute(
            sa.select(sa.func.set_config("session_replication_role", "origin" if yes else "replica", sa.false()))
        )
        connection.commit()
    except DBAPIError as error:
        connection.rollback()
        if _state(error) != "42501":
            raise


@contextmanager
def suspended(connection: Connection) -> Iterator[None]:
    """See `Dialect.suspended`."""
    connection.exec_driver_sql("SAVEPOINT trueup_role")
    try:
        connection.execute(sa.select(sa.func.set_config("session_replication_role", "replica", sa.true())))
    except DBAPIError as error:
        if _state(error) != "42501":
            raise
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT trueup_role")
    yield


def load(connection: Connection) -> Load:
    """See `Dialect.load`."""
    # a transaction sees the activity of the moment it first asked
    connection.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
    lag, blind, busy, most, waiting = connection.exec_driver_sql(
        "SELECT (SELECT extract(epoch FROM max(replay_lag)) FROM pg_catalog.pg_stat_replication),"
        " (SELECT count(*) FROM pg_catalog.pg_stat_replication) > 0"
        " AND NOT pg_has_role('pg_read_all_stats', 'USAGE'),"
        " (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()),"
        " current_setting('max_connections')::int,"
        " (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.wait_event_type = 'Lock'"
        " AND pg_backend_pid() = ANY (pg_blocking_pids(a.pid)))"
    ).one()
    if blind:
        return Load("this role cannot read how far the replicas lag; grant it pg_read_all_stats")
    if lag is not None and lag > 1:
        return Load(f"a replica lags {float(lag):.1f} s behind")
    if busy > most * 0.8:
        return Load(f"{busy} of {most} connections are active")
    if waiting:
        return Load(f"{waiting} sessions wait for a lock of this one")
    return Load()


def _original(error: BaseException) -> BaseException:
    inner = getattr(error, "orig", None)
    return inner if isinstance(inner, BaseException) else error


def _state(error: BaseException) -> str:
    original = _original(error)
    return str(getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "")


def retryable(error: BaseException) -> bool:
    """Whether the error passes by itself."""
    return _state(error) in _PASSING or "moved to another partition" in str(_original(error))


def exhausted(error: BaseException) -> bool:
    """Whether the server has run out of something, or out of order."""
    return _state(error).startswith(_EXHAUSTED)


def disconnected(error: BaseException) -> bool:
    """Whether the session is gone. A driver has no code for a connection that broke in its hands."""
    state = _state(error)
    if state:
        return state.startswith(_GONE) or state in _IDLE
    return type(_original(error)).__name__ in ("OperationalError", "InterfaceError")


def describe(error: BaseException) -> str:
    """One line without the value of any row."""
    original = _original(error)
    state = _state(error)
    lines = str(original).strip().splitlines()
    first = lines[0] if lines else type(original).__name__
    if not state:
        return first
    if (state == "42883" and "trueup_is_json" in first) or (state == "3F000" and '"pg_temp"' in first):
        return "JSON in text cannot be tested: the role needs the TEMP privilege, or the server PostgreSQL 16"
    if state.startswith(_HARMLESS):
        return f"{first} ({state})"
    facts = getattr(original, "diag", None)
    named = [
        f"{what} {getattr(facts, attribute)!r}"
        for what, attribute in (("constraint", "constraint_name"), ("table", "table_name"), ("column", "column_name"))
        if getattr(facts, attribute, None)
    ]
    return ", ".join([f"{type(original).__name__} ({state})", *named])
