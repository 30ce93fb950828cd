"""Sessions of SQLite: opening, limits, durability, and the meaning of their errors."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from trueup.engines.sqlite import functions
from trueup.errors import StoreError, UsageError

_INNOCUOUS = 0x200000  # SQLITE_INNOCUOUS of sqlite3.h
EXHAUSTED = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PROTOCOL,
}
_SWITCHES = {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}


class Session(sqlite3.Connection):
    """A connection that remembers which file it has open, by path, device and inode."""

    path = ""
    file = (0, 0)


def original(error: BaseException) -> BaseException:
    """Return the original `sqlite3` error."""
    inner = getattr(error, "orig", None)
    return inner if isinstance(inner, BaseException) else error


def place(url: URL) -> tuple[Path, bool]:
    """Return the file of a URL, and whether foreign keys are to be enforced. Raises `UsageError`."""
    database = url.database or ""
    if database in ("", ":memory:") or database.startswith("file:"):
        raise UsageError("a SQLite database must be a file: sqlite:///relative.db or sqlite:////absolute.db")
    options = dict(url.query)
    switch = str(options.pop("foreign_keys", "on")).lower()
    if options or switch not in _SWITCHES:
        raise UsageError("a SQLite URL takes one option: foreign_keys=on or foreign_keys=off")
    return Path(database).absolute(), _SWITCHES[switch]


def connect(path: Path, *, write: bool, foreign_keys: bool) -> sqlite3.Connection:
    """Open a session with trueup's settings, read-only without `write`.

    Raises `StoreError` where the file is missing.
    """
    if sqlite3.sqlite_version_info < (3, 38):
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old; trueup needs 3.38, with its JSON operators")
    if not path.is_file():
        raise StoreError(f"there is no database file {str(path)!r}")
    file = _file(path)
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={'rw' if write else 'ro'}",
        uri=True,
        timeout=3.0,
        isolation_level=None,  # the driver's own BEGIN would come too late
        check_same_thread=False,
        factory=Session,
    )
    try:
        connection.path, connection.file = str(path), file
        _same_file(connection)
        if _knows_json_is_harmless():
            connection.execute("PRAGMA trusted_schema=OFF")
        for pragma in ("cell_size_check=ON", "busy_timeout=3000", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        if not write:
            _roll_back(connection, path)
        functions.register(connection)
        functions.make_stages(connection)
        if write:
            _make_durable(connection, foreign_keys)
    except BaseException:
        connection.close()
        raise
    return connection


@cache
def _knows_json_is_harmless() -> bool:
    """Whether json_valid() is allowed in an untrusted schema: older libraries do not declare it harmless.

    On those, a table with `CHECK (json_valid(...))`, as Django writes it, could not be written. A trusted schema
    carries little risk here: trueup's functions only compute, and extensions cannot be loaded.
    """
    # tested in a database of its own: the application's may have to roll back before it can be read
    with closing(sqlite3.connect(":memory:")) as connection:
        row = connection.execute("SELECT flags FROM pragma_function_list WHERE name = 'json_valid' LIMIT 1").fetchone()
    return row is not None and bool(row[0] & _INNOCUOUS)


def commit(connection: Any) -> None:
    """COMMIT or roll back.

    A COMMIT that fails on a lock leaves a transaction open, which SQLAlchemy believes to be over. Raises `StoreError`
    where another file has replaced the open one: the commit would go to a file that has no name any more.
    """
    try:
        if not connection.in_transaction:
            raise StoreError("the transaction had ended before it could be committed; nothing of it was kept")
        _same_file(connection)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _file(path: str | Path) -> tuple[int, int]:
    about = Path(path).stat()
    return about.st_dev, about.st_ino


def _same_file(connection: Session) -> None:
    with suppress(FileNotFoundError):
        if _file(connection.path) == connection.file:
            return
    raise StoreError(f"the file {connection.path!r} was replaced or moved while trueup had it open; try again")


def _roll_back(connection: sqlite3.Connection, path: Path) -> None:
    """Let SQLite roll back what a killed writer left unfinished.

    Otherwise a read-only session could not even read.
    """
    glance = "SELECT 1 FROM sqlite_master LIMIT 1"
    try:
        connection.execute(glance).fetchall()
    except sqlite3.Error as error:
        # any other error will be raised by the statement that follows
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_ROLLBACK:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=3.0)) as other:
                other.execute(glance).fetchall()


def _make_durable(connection: sqlite3.Connection, foreign_keys: bool) -> None:
    connection.execute("PRAGMA foreign_keys=ON" if foreign_keys else "PRAGMA foreign_keys=OFF")
    connection.execute("PRAGMA fullfsync=ON")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    # with a rollback journal FULL can lose the last commit to a power cut: its deletion is not synced; in WAL mode,
    # which the application may leave while a run goes on, both are the same
    connection.execute("PRAGMA synchronous=EXTRA")
    if mode == "wal" and wal_reset_bug():
        connection.execute("PRAGMA wal_autocheckpoint=0")
        with suppress(AttributeError):  # missing in Python 3.11
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE)  # type: ignore[attr-defined]  # from 3.12 on


def wal_reset_bug() -> bool:
    """Whether two processes that write and checkpoint in WAL mode can lose commits; see sqlite.org/wal.html."""
    version = sqlite3.sqlite_version_info
    return version < (3, 51, 3) and not (3, 50, 7) <= version < (3, 51) and not (3, 44, 6) <= version < (3, 45)


def file_of(connection: Connection) -> str:
    """Return the real path of a session's file."""
    rows = connection.exec_driver_sql("PRAGMA database_list").all()
    return os.path.realpath(next(str(row[2]) for row in rows if row[1] == "main"))
