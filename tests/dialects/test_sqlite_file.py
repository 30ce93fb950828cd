"""The file that is open is the file that has the name: before each commit, and never one with two names."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from tests.dialects.opened import Opened, opened
from tests.engines import Database
from tests.proof import config_of
from trueup.checks.missing import Missing
from trueup.config.config import Config
from trueup.errors import Refused, StoreError
from trueup.journal.failpoints import failpoint
from trueup.run import apply, make_plan, undo

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def made(path: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(n, None if n % 10 == 0 else "n") for n in range(1, 41)])
        connection.commit()


def rows(path: str) -> list[tuple[int, str | None]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM t ORDER BY id").fetchall()


def replaced(path: str) -> None:
    """What a deployment or a restore does: another file of the same content is moved over it."""
    shutil.copyfile(path, f"{path}.new")
    Path(f"{path}.new").replace(path)


def pointed_elsewhere(path: str) -> None:
    """A link that is made to name another file."""
    shutil.copyfile(path, f"{path}.new")
    Path(f"{path}.link").symlink_to(f"{path}.new")
    Path(f"{path}.link").replace(path)


def moved(path: str) -> None:
    Path(path).rename(f"{path}.old")


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize("change", [replaced, pointed_elsewhere, moved])
def test_nothing_is_committed_to_a_file_that_lost_its_name(
    database: Database, change: Callable[[str], None], journal: str
) -> None:
    made(database.path)
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute(f"PRAGMA journal_mode={journal}")
    with opened(database, write=True) as session:
        t = session.table("t").sql
        session.connection.rollback()
        change(database.path)
        # with a rollback journal SQLite looks at the file's name itself, when it writes
        with pytest.raises((StoreError, DBAPIError)) as error:
            lose(session, t)
        told = str(error.value) + session.dialect.describe(error.value)
        assert "was replaced or moved while trueup had it open" in told or "SQLITE_READONLY_DBMOVED" in told
        session.connection.rollback()
        assert set(session.ask(t.c.name)) == {"n", None}


def lose(session: Opened, t: sa.Table) -> None:
    session.connection.execute(sa.update(t).values(name="lost"))
    session.connection.commit()


def test_a_transaction_that_ended_by_itself_is_not_taken_for_committed(database: Database) -> None:
    made(database.path)
    with opened(database, write=True) as session:
        session.connection.execute(sa.update(session.table("t").sql).values(name="x"))
        session.connection.exec_driver_sql("ROLLBACK")
        with pytest.raises(StoreError, match="the transaction had ended before it could be committed"):
            session.connection.commit()
    assert "x" not in dict(rows(database.path)).values()


def test_keys_are_not_switched_within_a_transaction(database: Database) -> None:
    with opened(database, write=True) as session:
        session.connection.exec_driver_sql("SELECT 1")
        with pytest.raises(StoreError, match="foreign keys cannot be switched within a transaction"):
            session.dialect.enforce_references(session.connection, False)


def planned(database: Database, tmp_path: Path) -> tuple[Config, str]:
    made(database.path)
    config = config_of(database, Missing(table="t", column="name", fill="zz", repair=("fill",), name="m"))
    plan = str(tmp_path / "plan.jsonl")
    assert make_plan(config, plan).summary.count == 4
    return config, plan


def test_a_file_with_two_names_is_not_written(database: Database, tmp_path: Path) -> None:
    config, plan = planned(database, tmp_path)
    other = tmp_path / "other.db"
    other.hardlink_to(database.path)
    before = rows(database.path)
    with pytest.raises((StoreError, Refused), match="has 2 hard links, and SQLite's journal belongs to one name only"):
        apply(config, plan, confirm="yes")
    assert rows(database.path) == before
    other.unlink()
    assert apply(config, plan, confirm="yes").states == {"applied": 4}


@pytest.mark.parametrize("change", [replaced, moved])
def test_an_apply_stops_when_its_file_is_replaced_under_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[str], None]
) -> None:
    config, plan = planned(database, tmp_path)
    before = rows(database.path)

    def meanwhile(name: str) -> None:
        if name == "written":
            change(database.path)
        failpoint(name)

    monkeypatch.setattr("trueup.write.apply_chunk.failpoint", meanwhile)
    with pytest.raises(StoreError, match="was replaced or moved while trueup had it open"):
        apply(config, plan, confirm="yes")
    if change is moved:
        Path(f"{database.path}.old").rename(database.path)
    assert rows(database.path) == before


# -- numbers that SQLite gives out itself ---------------------------------------------------------
def test_undoing_a_quarantine_leaves_the_number_that_comes_next(database: Database, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)")
        connection.executemany("INSERT INTO t (name) VALUES (?)", [(None if n > 17 else "n",) for n in range(20)])
        connection.execute("DELETE FROM t WHERE id = 20")
        connection.commit()

    def following() -> int:
        with closing(sqlite3.connect(database.path)) as connection:
            return int(connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 't'").fetchone()[0])

    config = config_of(database, Missing(table="t", column="name", repair=("quarantine",), name="m"))
    plan = str(tmp_path / "plan.jsonl")
    make_plan(config, plan)
    before = rows(database.path)
    run = apply(config, plan, confirm="yes").run_id
    assert (following(), len(rows(database.path))) == (20, 18)
    assert undo(config, run, confirm="yes").states == {"undone": 1}
    assert (following(), rows(database.path)) == (20, before)


def test_a_number_that_sqlite_gave_out_again_keeps_its_new_row(database: Database, tmp_path: Path) -> None:
    made(database.path)
    config = config_of(database, Missing(table="t", column="name", repair=("quarantine",), name="m"))
    plan = str(tmp_path / "plan.jsonl")
    make_plan(config, plan)
    run = apply(config, plan, confirm="yes").run_id
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("INSERT INTO t (name) VALUES ('dave')")
        connection.commit()
    report = undo(config, run, confirm="yes")
    assert report.states == {"undone": 3, "undo_conflict": 1}
    assert dict(rows(database.path))[40] == "dave"
