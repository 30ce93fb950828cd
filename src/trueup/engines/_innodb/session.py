"""Sessions of MySQL and MariaDB: the installed driver, and settings pinned so that values are compared exactly."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from trueup.codec import digest
from trueup.engines._innodb import errors
from trueup.errors import StoreError, UsageError
from trueup.sql.refusals import why

DRIVERS = {"mysqldb": "MySQLdb", "pymysql": "pymysql"}

#: One mode for everything. No NO_ZERO_DATE: undo must be able to give back '0000-00-00'. Nothing that changes how a
#: statement is read (ANSI_QUOTES, PIPES_AS_CONCAT, NO_BACKSLASH_ESCAPES), whatever the server's default is.
SQL_MODE = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"

_ALWAYS = {
    "time_zone": "'+00:00'",
    "sql_mode": f"'{SQL_MODE}'",
    "autocommit": "0",
    "completion_type": "'NO_CHAIN'",  # RELEASE would end the session with every COMMIT
    "sql_auto_is_null": "0",
    "sql_big_selects": "1",
    "sql_quote_show_create": "1",
    "sql_safe_updates": "0",  # MariaDB refuses every UPDATE of two tables under it, even one by primary key
    "sql_select_limit": str(2**64 - 1),  # DEFAULT would be the server's own limit
    # digests are sorted, and must not be cut; MariaDB has no memory for much longer keys than by default
    "max_sort_length": "1024",
    "foreign_key_checks": "1",
    "unique_checks": "1",
    "group_concat_max_len": str(64 * 2**20),
}
_WRITING = {
    "innodb_lock_wait_timeout": "1",
    "lock_wait_timeout": "2",
    "wait_timeout": "60",  # a client that vanished must not hold locks for the usual eight hours
    "default_storage_engine": "InnoDB",
}
_READING = {
    "lock_wait_timeout": "30",
    "net_write_timeout": "600",  # a reader that rests between batches must not lose its stream
}
# how long a scan takes is no concern of a limit for the application's queries
_MYSQL = {"information_schema_stats_expiry": "0", "max_execution_time": "0"}
_MARIADB = {
    "max_statement_time": "0",
    "check_constraint_checks": "1",
    # it takes a result for 'ann' from that for 'Ann' when the column's collation calls them equal, whatever the
    # subquery makes of their bytes (seen on 10.11)
    "optimizer_switch": "'subquery_cache=off'",
}
#: Literals compare byte for byte, unless a column's own collation stands on the other side.
NAMES = "SET NAMES utf8mb4 COLLATE utf8mb4_bin"
#: Keys that the server makes by itself and may hide from its catalogue, from this version on.
_HIDDEN_KEYS = (8, 0, 30)
#: Indexes that statements may not name, unless the session asks for them; foreign keys use them all the same.
_INVISIBLE = (8, 0, 0)
#: Other variables that change in our sessions, but not by `SET SESSION`.
_NAMES = ("character_set_client", "character_set_results", "collation_connection")
_FOUND = "trueup_found"


def engine(url: URL, *, write: bool) -> Engine:
    """Return an engine for `url` with pinned sessions. Raises `UsageError` without a driver or a database name."""
    driver = _driver(url)
    if not url.database:
        raise UsageError(f"the URL names no database: write {url.get_backend_name()}://user@host/DATABASE")
    # mysql+... serves both: SQLAlchemy asks the server which of the two it is
    target = url.set(drivername=f"mysql+{driver}").update_query_dict({"charset": "utf8mb4"})
    options: dict[str, Any] = {}
    if "connect_timeout" not in url.query:
        options["connect_timeout"] = 10
    made = sa.create_engine(target, poolclass=NullPool, connect_args=options)

    @sa.event.listens_for(made, "do_connect")
    def _connect(dialect: Any, record: Any, arguments: Any, settings: Any) -> Any:
        try:
            raw = dialect.connect(*arguments, **settings)
        except (RuntimeError, OSError) as error:  # PyMySQL without cryptography; a certificate that is not there
            raise StoreError(f"cannot connect: {why(error)}") from None
        try:
            # from the first moment: SQLAlchemy looks at the mode to quote names
            found = _begin(raw, write=write)
        except BaseException:
            raw.close()
            raise
        if record is not None:
            record.info[_FOUND] = found
        return raw

    @sa.event.listens_for(made, "connect")
    def _name(raw: Any, _record: Any) -> None:
        with suppress_closing(raw.cursor()) as cursor:
            cursor.execute(NAMES)  # again: SQLAlchemy has set the character set in between, and with it the collation

    @sa.event.listens_for(made, "close")
    def _close(raw: Any, record: Any) -> None:
        if found := record.info.pop(_FOUND, None):
            _give_back(raw, dialect_error(made), found)

    return made


def _begin(raw: Any, *, write: bool) -> dict[str, Any]:
    """Pin a new session and return its settings from before. Raises `StoreError` where a proxy multiplexes sessions."""
    server = str(raw.get_server_info())
    names = [*settings(server, write=write), *_NAMES]
    with suppress_closing(raw.cursor()) as cursor:
        asked = ", ".join(f"@@SESSION.{name}" for name in names)
        cursor.execute(f"SELECT {asked}, @@SESSION.max_allowed_packet, CONNECTION_ID() + 0")
        *values, packet, number = cursor.fetchone()
        # the number in the server's greeting has 32 bits
        if write and int(number) % 2**32 != int(raw.thread_id()) % 2**32:
            raise StoreError(
                "this is the address of a proxy that gives one session of the server to several clients in turn "
                "(ProxySQL, RDS Proxy, MaxScale ...); to write, trueup needs the address of the server itself"
            )
        cursor.execute(pin(server, write=write))
    # the drivers put rows together up to a size of their own
    raw.cursorclass = type("Cursor", (raw.cursorclass,), {"max_stmt_length": min(1024000, int(packet) // 2)})
    return dict(zip(names, values, strict=True))


def _give_back(raw: Any, error: type[Exception], found: Mapping[str, Any]) -> None:
    """Restore a session's settings: behind a proxy another client gets the session next."""
    with suppress(error), suppress_closing(raw.cursor()) as cursor:
        cursor.execute("ROLLBACK")
        cursor.execute("SET " + ", ".join(f"SESSION {name} = {_literal(value)}" for name, value in found.items()))


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int | float | Decimal) else "'" + str(value).replace("'", "''") + "'"


def settings(server: str, *, write: bool) -> dict[str, str]:
    """Return the variables that a session sets, with their values as SQL, except the character set (SET NAMES)."""
    theirs = dict(_MYSQL)
    prefix = "transaction"
    if is_mariadb(server):
        theirs, prefix = dict(_MARIADB), "tx"
    else:
        version = tuple(int(part) for part in re.findall(r"\d+", server)[:3])
        if version >= _INVISIBLE:
            theirs["optimizer_switch"] = "'use_invisible_indexes=on'"
        if version >= _HIDDEN_KEYS:
            theirs["show_gipk_in_create_table_and_information_schema"] = "1"
    # READ COMMITTED: a second look must see what was written since the first
    kind = {f"{prefix}_isolation": "'READ-COMMITTED'", f"{prefix}_read_only": str(int(not write))}
    return _ALWAYS | (_WRITING if write else _READING) | theirs | kind


def pin(server: str, *, write: bool) -> str:
    """Return the statement that a new session begins with."""
    assignments = ", ".join(f"SESSION {name} = {value}" for name, value in settings(server, write=write).items())
    return f"{NAMES}, {assignments}"


def is_mariadb(server: str) -> bool:
    """Whether a version text is MariaDB's."""
    return "mariadb" in server.lower()


def _driver(url: URL) -> str:
    asked = url.drivername.partition("+")[2]
    if asked and asked not in DRIVERS:
        raise UsageError(f"trueup does not use the driver {asked!r}; write {url.get_backend_name()}://...")
    for driver, module in DRIVERS.items():
        if asked in ("", driver) and find_spec(module) is not None:
            return driver
    raise UsageError("there is no driver for MySQL and MariaDB; pip install 'trueup[mysql]'")


@contextmanager
def suppress_closing(cursor: Any) -> Iterator[Any]:
    """Yield a cursor and close it at the end, even when the server is gone."""
    try:
        yield cursor
    finally:
        with suppress(Exception):
            cursor.close()


def run_verbatim(connection: Connection, statement: str) -> None:
    """Run a SET outside of SQLAlchemy's bookkeeping: it neither begins nor needs a transaction.

    A closed session is skipped. A lost connection raises no error here; the next statement will.
    """
    if connection.closed or connection.invalidated:
        return
    raw: Any = connection.connection.driver_connection
    with suppress(raw_error(connection)), suppress_closing(raw.cursor()) as cursor:
        cursor.execute(statement)


def raw_error(connection: Connection) -> type[Exception]:
    """Return the driver's error class."""
    return dialect_error(connection.engine)


def dialect_error(engine: Engine) -> type[Exception]:
    """Return the error class of an engine's driver."""
    found = engine.dialect.loaded_dbapi.Error
    assert issubclass(found, Exception)
    return found


@contextmanager
def watchdog(connection: Connection, seconds: float) -> Iterator[None]:
    """Run KILL QUERY from a second session on a statement of `connection` that still runs after `seconds`.

    A lock makes sure that nothing is killed once the block was left. The server's uptime and uuid prove that the
    connection number is still this session's, and not one of a restarted or another server behind the same address.
    """
    info = connection.info
    if "trueup_thread" not in info:
        row = connection.exec_driver_sql("SELECT CONNECTION_ID(), @@GLOBAL.server_uuid").one()
        info["trueup_thread"], info["trueup_server"] = int(row[0]), str(row[1])
    thread, server = info["trueup_thread"], info["trueup_server"]
    lock = threading.Lock()
    left = False
    killed = False

    def bite() -> None:
        nonlocal killed
        with suppress(SQLAlchemyError, StoreError), connection.engine.connect() as second:
            uptime = int(second.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Uptime'").one()[1])
            same = str(second.exec_driver_sql("SELECT @@GLOBAL.server_uuid").scalar_one()) == server
            if not same or uptime + 1 < seconds:
                return
            with lock:
                if not left:
                    killed = True
                    second.exec_driver_sql(f"KILL QUERY {thread:d}")

    timer = threading.Timer(seconds, bite)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            left = True
        if killed:
            run_verbatim(connection, "DO 0")  # takes the kill if it came between two statements


ALONE_SECONDS = 10


@contextmanager
def alone(connection: Connection, what: str) -> Iterator[None]:
    """Take GET_LOCK on a digest of the database's name and `what`: lock names are global to the server and short."""
    database = str(connection.exec_driver_sql("SELECT LOWER(DATABASE())").scalar_one())
    name = digest(f"{database}\0{what}".encode())
    if connection.exec_driver_sql(f"SELECT GET_LOCK('{name}', {ALONE_SECONDS})").scalar_one() != 1:
        raise errors.refused(connection, 1205)
    try:
        yield
    finally:
        run_verbatim(connection, f"DO RELEASE_LOCK('{name}')")


_PACKET = "trueup_packet"


def packet(connection: Connection) -> int:
    """Return the size limit of a statement of this session in bytes."""
    if _PACKET not in connection.info:
        connection.info[_PACKET] = int(connection.exec_driver_sql("SELECT @@SESSION.max_allowed_packet").scalar_one())
    found: int = connection.info[_PACKET]
    return found


class Settings:
    """The server's settings that `writable` reads. A setting that the server does not know counts as off."""

    def __init__(self, connection: Connection) -> None:
        names = (
            "read_only", "super_read_only", "innodb_read_only", "log_bin",
            "binlog_format", "wsrep_on", "group_replication_single_primary_mode", "group_replication_group_name",
        )  # fmt: skip
        wanted: sa.BindParameter[Any] = sa.bindparam("names", names, expanding=True)
        rows = connection.execute(sa.text("SHOW GLOBAL VARIABLES WHERE Variable_name IN :names").bindparams(wanted))
        self._values = {str(name): str(value) for name, value in rows}

    def on(self, name: str) -> bool:
        """Whether a setting is on."""
        return self.text(name) in ("ON", "1")

    def text(self, name: str) -> str:
        """Return a setting in the server's words."""
        return self._values.get(name, "")


def copied_from(connection: Connection, asked: str, host: str) -> str:
    """Return why a server that replicates another must not be written to; `asked` is the statement that shows it.

    `host` is the column of its result with the other server's name.
    """
    try:
        row = connection.exec_driver_sql(asked).mappings().first()
    except DBAPIError as error:
        if errors.code_of(error) == 1227:  # not allowed to ask: replicas are read-only as a rule
            return ""
        raise
    return f"it is a replica of {row[host]}; write to that server" if row else ""
