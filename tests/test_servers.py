import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest

from tests.binaries import Unavailable
from tests.conftest import ClosingLines
from tests.engines import ENGINES, Database, EnginePool, chosen_engines
from tests.servers import SERVERS, Server

Connection = Any  # three drivers, one DB-API

START_AND_WAIT = """
import sys, time
from tests.servers import SERVERS
server = SERVERS[sys.argv[1]]().start()
print(server.pid, server.folder, flush=True)
time.sleep(600)
"""


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        connection: Connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    elif parts.scheme == "postgresql":
        connection = psycopg.connect(url)
    else:
        connection = pymysql.connect(
            host=parts.hostname, port=parts.port or 0, user=parts.username, database=parts.path[1:]
        )
    with closing(connection):
        yield connection


def write_one_row(connection: Connection, value: str) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body VARCHAR(40))")
    cursor.execute(f"INSERT INTO notes VALUES (1, '{value}')")
    connection.commit()


def notes(connection: Connection) -> list[tuple[int, str]]:
    cursor = connection.cursor()
    cursor.execute("SELECT id, body FROM notes")
    return list(cursor.fetchall())


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_row_written_is_read_back(database: Database) -> None:
    with connected(database.url) as connection:
        write_one_row(connection, "grüße")
    with connected(database.url) as connection:
        assert notes(connection) == [(1, "grüße")]


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_an_empty_database(database: Database, turn: int) -> None:
    with connected(database.url) as connection:
        write_one_row(connection, "only mine")


def test_the_url_is_the_plain_one(database: Database) -> None:
    assert database.url.startswith(f"{database.engine}://")
    assert urlsplit(database.url).scheme == database.engine


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_only_sqlite_has_a_file(database: Database) -> None:
    assert Path(database.path).is_file()
    with pytest.raises(ValueError, match="mysql has no file"):
        _ = Database("mysql", "mysql://").path


def test_a_shared_server_says_its_version_and_is_not_to_be_killed(server: Server) -> None:
    assert [part.isdigit() for part in server.version().split(".")][:2] == [True, True]
    with pytest.raises(RuntimeError, match="another process started it"):
        server.kill()


def test_a_database_is_dropped_under_an_open_transaction(server: Server) -> None:
    server.create_database("left_open")
    with connected(server.url("left_open")) as connection:
        write_one_row(connection, "still here")
        assert notes(connection)
        server.drop_database("left_open")


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVERS)
def test_an_acknowledged_commit_outlives_the_death_of_a_durable_server(
    name: str, own_server: Callable[..., Server]
) -> None:
    server = own_server(name, durable=True)
    server.create_database("ledger")
    url = server.url("ledger")
    with connected(url) as connection:
        write_one_row(connection, "paid")
        connection.cursor().execute("INSERT INTO notes VALUES (2, 'not committed')")
        server.kill()
    server.start()
    assert server.url("ledger") == url
    with connected(url) as connection:
        assert notes(connection) == [(1, "paid")]


@pytest.mark.slow
def test_no_server_and_no_folder_outlive_a_killed_test_run(server: Server) -> None:
    command = [sys.executable, "-c", START_AND_WAIT, server.engine]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        pid, folder = run.stdout.readline().split()
        assert alive(int(pid))
        run.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while (alive(int(pid)) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(int(pid))
    assert not Path(folder).exists()


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_a_server_that_does_not_start_says_why_and_leaves_nothing(server: Server) -> None:
    broken = SERVERS[server.engine](options=["--no-such-option"])
    with pytest.raises(Unavailable, match=r"mariadb ended at its start: .*no-such-option"):
        broken.start()
    assert not broken.folder.exists()


def test_an_engine_left_out_is_named_with_the_reason() -> None:
    pool = EnginePool(chosen_engines("sqlite, mariadb"))
    state = pool.known("mysql")
    assert state
    assert state.reason == "left out of this run"
    assert pool.state("sqlite").version == sqlite3.sqlite_version
    pool.stop()


def test_an_engine_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no engine 'oracle'; there are sqlite, postgresql, mysql, mariadb"):
        chosen_engines("sqlite,oracle")


def test_the_closing_lines_name_what_was_used_and_what_was_not() -> None:
    lines: list[str] = []

    class Terminal:
        def write_line(self, line: str) -> None:
            lines.append(line)

    pool = EnginePool(["sqlite"])
    pool.state("sqlite")
    closing_lines = ClosingLines(pool)
    report = pytest.TestReport("t", ("t", 0, "t"), {}, "passed", None, "call", user_properties=[("engine", "sqlite")])
    closing_lines.pytest_runtest_logreport(report)
    closing_lines.pytest_terminal_summary(Terminal())  # type: ignore[arg-type]  # only write_line is called
    pool.stop()
    assert lines == [
        f"engines tested: sqlite {sqlite3.sqlite_version}",
        *(f"not tested: {engine} (left out of this run)" for engine in ENGINES[1:]),
    ]
