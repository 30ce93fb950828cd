"""Where a question is asked: an engine on a throw-away server with production's durability, and plain drivers."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql

from benchmarks._data import USERS, Events, tsv
from tests.servers import SERVERS, Server
from trueup import Config
from trueup.check import Check

ENGINES = ("sqlite", "postgresql", "mysql", "mariadb")

#: A server of a size that one would give to a table of some hundred megabytes.
OPTIONS: dict[str, Sequence[str]] = {
    "postgresql": ["-c", "shared_buffers=1GB", "-c", "max_wal_size=4GB"],
    "mysql": ["--innodb-buffer-pool-size=1G", "--innodb-redo-log-capacity=1G"],
    "mariadb": ["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M"],
}

_EVENTS = {
    "sqlite": (
        "CREATE TABLE events (id INTEGER PRIMARY KEY, user_id INTEGER, event_type VARCHAR(50), created DATETIME, "
        "metadata TEXT, amount INTEGER, score DOUBLE, duration INTEGER)"
    ),
    "postgresql": (
        "CREATE TABLE events (id bigint PRIMARY KEY, user_id integer, event_type varchar(50), created timestamp, "
        "metadata jsonb, amount integer, score double precision, duration integer)"
    ),
    "mysql": (
        "CREATE TABLE events (id bigint PRIMARY KEY, user_id integer, event_type varchar(50), created datetime, "
        "metadata json, amount integer, score double, duration integer)"
    ),
}
_EVENTS["mariadb"] = _EVENTS["mysql"]


@dataclass
class Place:
    """One engine, and the databases that were made on it."""

    engine: str
    rows: int
    rounds: int
    quick: bool
    folder: Path
    server: Server | None = None
    version: str = ""
    made: dict[str, Events] = field(default_factory=dict)

    def url(self, name: str) -> str:
        """The plain URL of a database."""
        return self.server.url(name) if self.server else f"sqlite:///{self.folder / name}.db"

    def connect(self, name: str) -> Any:
        """A session of the engine's own driver, each statement committed by itself."""
        if self.engine == "sqlite":
            return sqlite3.connect(self.folder / f"{name}.db", isolation_level=None)
        if self.engine == "postgresql":
            return psycopg.connect(self.url(name), autocommit=True)
        port = urlsplit(self.url(name)).port or 0
        return pymysql.connect(
            host="127.0.0.1",
            port=port,
            user="root",
            database=name,
            autocommit=True,
            local_infile=True,
            charset="utf8mb4",
        )

    def ask(self, name: str, sql: str) -> list[tuple[Any, ...]]:
        """All rows of one statement, on a session of its own, as a script would do it."""
        with closing(self.connect(name)) as connection:
            cursor = connection.cursor()
            if isinstance(connection, pymysql.Connection):
                cursor.execute("SET SESSION group_concat_max_len = 4294967295")
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def do(self, name: str, *statements: str) -> None:
        """Statements, each committed."""
        with closing(self.connect(name)) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)

    def config(self, name: str, *checks: Check) -> Config:
        """trueup's configuration for a database."""
        return Config("bench", {"app": self.url(name)}, checks)

    # -- databases ------------------------------------------------------------------------------------------------
    def events(self, rows: int, broken: int, *, orphans: int = 0) -> Events:
        """A database with those events; made once."""
        wanted = Events.make(rows, broken, orphans=orphans)
        if wanted.name not in self.made:
            self.create(wanted.name)
            self.do(wanted.name, _EVENTS[self.engine])
            self.load(wanted)
            self.made[wanted.name] = wanted
        return self.made[wanted.name]

    def create(self, name: str) -> None:
        """An empty database."""
        if self.server:
            self.server.create_database(name)
        else:
            self.do(name, "PRAGMA page_size = 4096", "VACUUM")

    def drop(self, name: str) -> None:
        """Remove a database."""
        self.made.pop(name, None)
        if self.server:
            self.server.drop_database(name)
        else:
            for path in self.folder.glob(f"{name}.db*"):
                path.unlink()

    def load(self, events: Events) -> None:
        """Fill `events` the engine's quickest way."""
        with closing(self.connect(events.name)) as connection:
            cursor = connection.cursor()
            if self.engine == "sqlite":
                connection.execute("PRAGMA journal_mode = OFF")
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute("BEGIN")
                connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", events.all())
                connection.execute("COMMIT")
                connection.execute("PRAGMA journal_mode = DELETE")
                connection.execute("ANALYZE")
            elif self.engine == "postgresql":
                with cursor.copy("COPY events FROM STDIN") as copy:
                    for block in tsv(events.all()):
                        copy.write(block)
                cursor.execute("VACUUM (ANALYZE, FREEZE) events")
                cursor.execute("CHECKPOINT")
            else:
                # the load itself is no part of what a binary log is for
                cursor.execute("SET SESSION sql_log_bin = 0, unique_checks = 0")
                with _piped(events, self.folder) as path:
                    cursor.execute(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE events CHARACTER SET utf8mb4")
                cursor.execute("ANALYZE TABLE events")

    def add_users(self, name: str) -> None:
        """The parents of the events, 200,000, and an index on the children's side."""
        self.do(name, "CREATE TABLE users (id integer PRIMARY KEY, name varchar(40))")
        first = ", ".join(f"({n}, 'user')" for n in range(1, 1001))
        more = "INSERT INTO users SELECT id + {0}, name FROM users WHERE id <= {1}"
        steps = []
        have = 1000
        while have < USERS:
            steps.append(more.format(have, min(have, USERS - have)))
            have += min(have, USERS - have)
        analyse = {"sqlite": "ANALYZE", "postgresql": "VACUUM ANALYZE"}.get(self.engine, "ANALYZE TABLE events, users")
        self.do(
            name,
            f"INSERT INTO users VALUES {first}",
            *steps,
            "CREATE INDEX events_user ON events (user_id)",
            analyse,
        )


@contextmanager
def _piped(events: Events, folder: Path) -> Iterator[str]:
    """A named pipe that the driver reads as a file, so that no second copy of the data lies on the disk."""
    path = folder / "load.tsv"
    os.mkfifo(path)

    def fill() -> None:
        with path.open("wb") as pipe:
            for block in tsv(events.all()):
                pipe.write(block)

    writer = threading.Thread(target=fill, daemon=True)
    writer.start()
    try:
        yield str(path)
        writer.join()
    finally:
        path.unlink()


@contextmanager
def opened(engine: str, rows: int, rounds: int, *, quick: bool) -> Iterator[Place]:
    """A place for questions; everything it made is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="trueup-bench-") as name:
        place = Place(engine, rows, rounds, quick, Path(name))
        if engine == "sqlite":
            place.version = sqlite3.sqlite_version
            yield place
            return
        with SERVERS[engine](durable=True, options=OPTIONS[engine]) as server:
            place.server, place.version = server, server.version()
            yield place
