"""A writer that was killed in the middle of a commit must not lock trueup out."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.dialects.opened import opened
from tests.engines import Database

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

# a cache too small for the change makes SQLite write pages, and the journal to undo them, before the commit
KILLED_WRITER = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, metadata TEXT)")
connection.execute("BEGIN")
connection.executemany("INSERT INTO events (metadata) VALUES (?)", [("{}" * 200,)] * 2000)
connection.execute("COMMIT")
connection.execute("PRAGMA cache_size = 5")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE events SET metadata = NULL")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("write", [False, True], ids=["reading", "writing"])
def test_a_session_takes_back_what_a_killed_writer_left_half_done(database: Database, *, write: bool) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED_WRITER, database.path], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert Path(f"{database.path}-journal").stat().st_size > 0

    with opened(database, write=write) as session:
        lost = session.connection.scalar(sa.text("SELECT count(*) - count(metadata) FROM events"))

    assert lost == 0
