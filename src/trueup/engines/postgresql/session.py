"""Sessions of PostgreSQL: how they are configured, and which database they are connected to."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from trueup.engines.postgresql.errors import state_of
from trueup.engines.postgresql.queries import WRITERS
from trueup.engines.postgresql.sql import COLLATION
from trueup.errors import UsageError
from trueup.sql.tables import Table

#: Settings that the text of a value depends on; digests are computed from that text.
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
    # without it the NULL within the text of an array is a word like others
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    # definitions and types are read as the catalogue spells them
    "quote_all_identifiers": "off",
    # a name given when connecting would stay with the session that a pooler lends
    "application_name": "trueup",
    # what the application's sessions are limited to; while it writes ours has limits of its own
    "statement_timeout": "0",
    # the other side of a comparison may take its time
    "idle_in_transaction_session_timeout": "0",
    # compiling long expressions takes longer than running them, and so it does for what is asked of the catalogue
    "jit": "off",
}
_READING = {
    "transaction_read_only": "on",
    # a cursor is read to its end: without this it is planned for its first rows
    "cursor_tuple_fraction": "1",
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
}
_ALIVE = {
    "client_encoding": "utf8",
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
# what a connection remembers beside its session
_POOLED, _TAUGHT, _KEPT = "trueup_pooled", "trueup_taught", "trueup_kept"
_FIRST = (
    "SELECT int4in(textout(current_setting('server_version_num'))), pg_backend_pid(),"
    " has_database_privilege(current_database(), 'TEMP') AND NOT pg_is_in_recovery()"
)
_ROLE = "session_replication_role"
# seconds to wait for the transactions of others, as long as for a lock, and between two looks at them
_PATIENCE, _LOOK = 0.5, 0.01
_DRIVERS = ("psycopg", "psycopg2")
_COLLATIONS = ("und-x-icu", "pg_c_utf8", "C.utf8", "C.UTF-8")


class StillWriting(Exception):
    """Other sessions did not end their transactions in time. It has the SQLSTATE of a lock timeout."""

    sqlstate = "55P03"


def engine(url: URL, *, write: bool) -> Engine:
    """Return an engine on the installed driver. Settings are made in each transaction and for that transaction only.

    A session may belong to a pooler (pgbouncer in transaction mode), which passes it to the application afterwards and
    gives us another. So no setting of ours may remain in it, and no setting from an earlier transaction is relied upon.
    """
    driver = _driver(url.drivername.partition("+")[2])
    # a pooler does not know which session a prepared statement is in
    unprepared = {"prepare_threshold": None} if driver == "psycopg" else {}
    made = sa.create_engine(
        url.set(drivername=f"postgresql+{driver}"),
        poolclass=NullPool,
        isolation_level="READ COMMITTED",
        connect_args={**_ALIVE, **unprepared},
        json_deserializer=_undecoded,
    )

    def connected(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_local(_PINS))
            version, backend, may = _row(cursor, _FIRST)
            if not hasattr(made.dialect, COLLATION):
                setattr(made.dialect, COLLATION, _collation(cursor))
            # a pooler that answers cancel requests has to give sessions a number of its own
            record.info[_POOLED] = connection.info.backend_pid != backend
            if version >= 140000 and not record.info[_POOLED]:
                # between transactions a run rests and waits; a session that is a pooler's, that one keeps alive
                cursor.execute("SET idle_session_timeout TO '0'")
        connection.commit()
        if version >= 170000:
            record.info[_KEPT] = {"transaction_timeout": "0"}
        record.info[_TAUGHT] = version < 160000 and may
        if record.info[_TAUGHT] and not record.info[_POOLED]:
            _teach(connection)

    def begin(connection: Any) -> None:
        try:
            with connection.cursor() as cursor:
                _begin(cursor, connection.info, write=write, autocommit=connection.driver_connection.autocommit)
        except BaseException:
            # the caller knows of no transaction, so that nobody else would end it
            if not connection.driver_connection.closed:
                connection.driver_connection.rollback()
            raise

    def commit(connection: Any) -> None:
        if not write:
            connection.rollback()  # there is nothing to keep, and the test of JSON must not stay with the session
            return
        if connection.info[_POOLED] and connection.info[_TAUGHT] and not connection.driver_connection.autocommit:
            with connection.cursor() as cursor:
                cursor.execute("DROP FUNCTION IF EXISTS pg_temp.trueup_is_json(text)")
        connection.commit()

    sa.event.listen(made, "connect", connected)
    # not by an event: an error in one would come as the driver's own and leave the connection half begun
    made.dialect.do_begin = begin  # type: ignore[method-assign,assignment]
    made.dialect.do_commit = commit  # type: ignore[method-assign,assignment]
    return made


def _begin(cursor: Any, info: Mapping[str, Any], *, write: bool, autocommit: bool) -> None:
    """Set the settings of a transaction in one round trip."""
    settings = {**_PINS, **({} if write else _READING), **info.get(_KEPT, {})}
    if autocommit:  # outside of a transaction only a session of our own can be set
        if not info[_POOLED]:
            cursor.execute(_local(settings).replace("SET LOCAL", "SET"))
        return
    first = ""
    if info[_POOLED] and info[_TAUGHT]:  # the session is another one each time
        first = _IS_JSON + ";" if write else f"SET LOCAL transaction_read_only TO 'off'; {_IS_JSON};"
    cursor.execute(first + _local(settings))


def keep(connection: Connection, settings: Mapping[str, str]) -> None:
    """Make every later transaction of this connection begin with these settings too."""
    connection.info[_KEPT] = {**connection.info.get(_KEPT, {}), **settings}


def pooled(connection: Connection) -> bool:
    """Whether the connection goes through a pooler, which may give each transaction another session."""
    return bool(connection.info[_POOLED])


def _local(settings: Mapping[str, str]) -> str:
    """Return statements that set all of them until the transaction ends. None takes a snapshot, as a SELECT would."""
    return "; ".join("SET LOCAL {} TO '{}'".format(name, value.replace("'", "''")) for name, value in settings.items())


def _undecoded(text: str | bytes) -> str:
    """Return JSON as text: a driver that decodes it fails on deep documents and loses digits."""
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


def _row(cursor: Any, statement: str) -> tuple[Any, ...]:
    cursor.execute(statement)
    return tuple(cursor.fetchone())


def _collation(cursor: Any) -> str:
    cursor.execute(
        "SELECT collname::text FROM pg_catalog.pg_collation WHERE collname = ANY(%s) AND collencoding IN"
        " (-1, (SELECT encoding FROM pg_catalog.pg_database WHERE datname = current_database()))",
        (list(_COLLATIONS),),
    )
    there = {row[0] for row in cursor.fetchall()}
    return next((name for name in _COLLATIONS if name in there), "")


def _teach(connection: Any) -> None:
    """Create the session's own function that tests text for JSON."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET TRANSACTION READ WRITE; {_local(_PINS)}; {_IS_JSON}")
    connection.commit()


def begin(connection: Connection) -> None:
    """Set the limits of one chunk's transaction in one round trip."""
    connection.exec_driver_sql(_local(_WRITING), execution_options={"no_parameters": True})


def await_writers(connection: Connection, tables: Sequence[Table]) -> None:
    """See `Dialect.await_writers`. Raises `StillWriting`, which is treated as a lock timeout."""
    oids = {int(table.identity): table.name for table in tables}
    if not oids:
        return
    first: set[str] | None = None
    deadline = time.monotonic() + _PATIENCE
    while True:
        found = connection.execute(WRITERS, {"oids": list(oids)}).all()
        if first is None:
            first = {row.id for row in found}
        # one that was prepared meanwhile goes on under another number
        left = [row for row in found if row.id in first or row.prepared]
        if not left:
            return
        # a session that waits for us would wait for ever
        if time.monotonic() > deadline or all(row.behind for row in left):
            named = oids.get(left[0].oid, "a partition")
            raise OperationalError("await writers", {}, StillWriting(f"waited for a lock: {named} is being written"))
        time.sleep(_LOOK)


def identity(connection: Connection) -> dict[str, str]:
    """Return what identifies the database; without the system identifier where the role may not read it."""
    found = {"engine": "postgresql"}
    may = "SELECT has_function_privilege('pg_catalog.pg_control_system()', 'execute')"
    if connection.exec_driver_sql(may).scalar_one():
        statement = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"
        found["system_identifier"] = str(connection.exec_driver_sql(statement).scalar_one())
    statement = "SELECT oid::text, datname::text FROM pg_catalog.pg_database WHERE datname = current_database()"
    found["oid"], found["database"] = (str(part) for part in connection.exec_driver_sql(statement).one())
    return found


def place(connection: Connection) -> str:
    """Return the address, the port and, where the role may read it, the data directory."""
    address, port, folder = connection.exec_driver_sql(
        "SELECT coalesce(host(inet_server_addr()), 'socket'), current_setting('port'),"
        " (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory')"
    ).one()
    return f"{address}:{port}" + (f":{folder}" if folder else "")


def read_only(connection: Connection) -> str:
    """Return why nothing can be written, or ''."""
    recovering, usual, role = connection.exec_driver_sql(
        "SELECT pg_is_in_recovery(), (SELECT reset_val FROM pg_catalog.pg_settings"
        " WHERE name = 'default_transaction_read_only'), (SELECT reset_val FROM pg_catalog.pg_settings"
        " WHERE name = 'session_replication_role')"
    ).one()
    if recovering:
        return "it is a replica (pg_is_in_recovery); use the primary"
    if usual == "on":
        return "this role, database or URL is set to read-only (default_transaction_read_only)"
    if role != "origin":
        return f"this role, database or URL sets {_ROLE} to {role!r}, so that foreign keys would not be checked"
    return ""


def enforce_references(connection: Connection, yes: bool) -> None:
    """Switch foreign keys on or off for a transaction.

    They are system triggers, which `session_replication_role` disables.
    """
    keep(connection, {_ROLE: "origin" if yes else "replica"})
    try:
        connection.exec_driver_sql("SELECT 1")
    except DBAPIError as error:
        if state_of(error) != "42501":
            raise
        connection.info[_KEPT].pop(_ROLE)
    connection.rollback()


@contextmanager
def suspended(connection: Connection) -> Iterator[None]:
    """See `Dialect.suspended`."""
    connection.exec_driver_sql("SAVEPOINT trueup_role")
    try:
        connection.execute(sa.select(sa.func.set_config("session_replication_role", "replica", sa.true())))
    except DBAPIError as error:
        if state_of(error) != "42501":
            raise
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT trueup_role")
    yield


def load(connection: Connection) -> str:
    """See `Dialect.load`."""
    # a transaction sees the activity of the moment it first asked
    connection.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
    lag, blind, busy, most, waiting = connection.exec_driver_sql(
        "SELECT (SELECT extract(epoch FROM max(replay_lag)) FROM pg_catalog.pg_stat_replication),"
        " (SELECT count(*) FROM pg_catalog.pg_stat_replication) > 0"
        " AND NOT pg_has_role('pg_read_all_stats', 'USAGE'),"
        " (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()),"
        " int4in(textout(current_setting('max_connections'))),"
        " (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.wait_event_type = 'Lock'"
        " AND pg_backend_pid() = ANY (pg_blocking_pids(a.pid)))"
    ).one()
    if blind:
        return "this role cannot read how far the replicas lag; grant it pg_read_all_stats"
    if lag is not None and lag > 1:
        return f"a replica lags {float(lag):.1f} s behind"
    if busy > most * 0.8:
        return f"{busy} of {most} connections are active"
    if waiting:
        return f"{waiting} sessions wait for a lock of this one"
    return ""
