"""The four engines by their own drivers: what the application and the oracle stand on."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql

ERRORS = (sqlite3.Error, psycopg.Error, pymysql.MySQLError, OSError)

COLUMNS = {
    "sqlite": "metadata TEXT, bal INTEGER NOT NULL, note TEXT, ratio REAL, price NUMERIC",
    "postgresql": "metadata jsonb, bal bigint NOT NULL, note text, ratio real, price numeric",
    "mysql": "metadata JSON, bal BIGINT NOT NULL, note TEXT, ratio FLOAT, price DECIMAL(30, 8)",
    "mariadb": "metadata JSON, bal BIGINT NOT NULL, note TEXT, ratio FLOAT, price DECIMAL(30, 8)",
}
# every value as text or as something that loses no bit: FLOAT has six digits as text on MySQL and MariaDB
EXACT = {
    "sqlite": "id, metadata, bal, typeof(note), note, typeof(ratio), ratio, typeof(price), price",
    "postgresql": "id, metadata::text, bal, note, ratio::text, price::text",
    "mysql": "id, CAST(metadata AS CHAR), bal, HEX(note), CAST(ratio AS DOUBLE), CAST(price AS CHAR)",
    "mariadb": "id, CAST(metadata AS CHAR), bal, HEX(note), CAST(ratio AS DOUBLE), CAST(price AS CHAR)",
}


class Session:
    """One connection, in autocommit until `begin`; parameters are written `?` on every engine."""

    _numbers: ClassVar[set[int]] = set()
    _guard = threading.Lock()

    def __init__(self, engine: str, url: str) -> None:
        self.engine, self._url = engine, url
        #: Whether a stranger's session counts that is in no transaction; not behind a pooler, which keeps them.
        self.idle_counts = True
        self._mark = "?" if engine == "sqlite" else "%s"
        self._connection: Any = self._connect()

    def _connect(self) -> Any:
        if self.engine == "sqlite":
            path = self._url.removeprefix("sqlite:///")
            return sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
        if self.engine == "postgresql":
            # tables change their shape under the same queries
            connection = psycopg.connect(self._url, autocommit=True, prepare_threshold=None)
            self._enter(connection.info.backend_pid)
            return connection
        url = urlsplit(self._url)
        other = pymysql.connect(
            host=url.hostname,
            port=url.port or 3306,
            user=unquote(url.username or ""),
            autocommit=True,
            password=unquote(url.password or ""),
            database=url.path.lstrip("/"),
            charset="utf8mb4",
            client_flag=pymysql.constants.CLIENT.FOUND_ROWS,
        )
        cursor = other.cursor()
        cursor.execute("SELECT CONNECTION_ID()")
        for (number,) in cursor.fetchall():
            self._enter(number)
        return other

    def _enter(self, number: int) -> None:
        with self._guard:
            self._numbers.add(number)

    def run(self, sql: str, *parameters: Any) -> int:
        """Run a statement and return how many rows it wrote."""
        return int(self._execute(sql, parameters).rowcount)

    def many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        """Run a statement for many rows."""
        self._connection.cursor().executemany(sql.replace("?", self._mark), rows)

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return [tuple(row) for row in self._execute(sql, parameters).fetchall()]

    def _execute(self, sql: str, parameters: tuple[Any, ...]) -> Any:
        cursor = self._connection.cursor()
        if parameters:
            cursor.execute(sql.replace("?", self._mark), parameters)
        else:
            cursor.execute(sql)  # taken as it is, `?` and `%` too
        return cursor

    def begin(self) -> None:
        """Begin a transaction; on SQLite one that may write."""
        self.run("BEGIN IMMEDIATE" if self.engine == "sqlite" else "BEGIN")

    def commit(self) -> None:
        """Commit."""
        self.run("COMMIT")

    def rollback(self) -> None:
        """Roll back; on a new connection where the old one is lost."""
        try:
            self.run("ROLLBACK")
        except ERRORS as error:
            if self.engine == "sqlite" and "no transaction" in str(error):
                return
            self.close()
            self._connection = self._reconnect()

    def _reconnect(self, seconds: float = 90.0) -> Any:
        """A new connection, as soon as the server takes one."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self._connect()
            except ERRORS:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        """Close."""
        with suppress(*ERRORS):
            self._connection.close()

    def strangers(self) -> int:
        """How many sessions of this database are not the application's or the oracle's."""
        return len(self.others())

    def others(self) -> set[int]:
        """The sessions of this database that are not the application's or the oracle's."""
        if self.engine == "sqlite":
            return set()
        asked = {
            "postgresql": "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend'" + ("" if self.idle_counts else " AND state <> 'idle'"),
        }.get(self.engine, "SELECT id FROM information_schema.processlist WHERE db = DATABASE()")
        return {int(number) for (number,) in self.rows(asked)} - self._numbers

    def wait_until_alone(self, seconds: float = 30.0) -> bool:
        """Wait until the server has noticed that a killed client is gone and has ended its transaction."""
        deadline = time.monotonic() + seconds
        while self.strangers():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True


def journal_table(engine: str, name: str) -> str:
    """A table of trueup's journal."""
    return f"trueup.{name}" if engine == "postgresql" else f"_trueup_{name}"


def as_text(engine: str, column: str) -> str:
    """A JSON column as text."""
    return {"sqlite": column, "postgresql": f"{column}::text"}.get(engine, f"CAST({column} AS CHAR)")
