"""Rows that a repair rests on, while the application is still writing them: nothing of it is lost."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.plain import Session
from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import execute
from trueup.check import Check
from trueup.checks.duplicate import Duplicate
from trueup.checks.missing import Missing
from trueup.checks.orphan import Orphan
from trueup.config.config import Config
from trueup.results import RunReport
from trueup.run import apply, make_plan, undo
from trueup.write import runner

# SQLite's writers wait for one another, so none is open while trueup writes
pytestmark = pytest.mark.parametrize("engine", ["postgresql", "mysql", "mariadb"], indirect=True)
#: Long enough for trueup to come from its first lock to the statement that must wait.
AHEAD = 0.3

PARENTS = [
    "CREATE TABLE parents (id INTEGER PRIMARY KEY, name VARCHAR(20))",
    *(f"INSERT INTO parents VALUES ({n}, {'NULL' if n == 3 else repr('n')})" for n in range(1, 61)),
]
KEY = "FOREIGN KEY (parent_id) REFERENCES parents (id)"


@contextmanager
def open_transaction(database: Database, *statements: str) -> Iterator[Session]:
    """The application in the middle of a transaction."""
    session = Session(database.engine, database.url)
    session.begin()
    for statement in statements:
        session.run(statement)
    try:
        yield session
    finally:
        session.rollback()
        session.close()


def while_open(session: Session, work: Callable[[], RunReport], monkeypatch: pytest.MonkeyPatch) -> RunReport:
    """Do `work` while the application's transaction is open; it commits once trueup is at its rows."""
    inside = threading.Event()
    monkeypatch.setattr(runner, "failpoint", lambda name: inside.set() if name == "held" else None)
    done: list[RunReport] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 - handed on below
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert inside.wait(60)
    time.sleep(AHEAD)
    session.commit()
    thread.join(120)
    if failed:
        raise failed[0]
    assert done, "trueup came to no end"
    return done[0]


def planned(config: Config, tmp_path: Path) -> str:
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, because="test")
    return path


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    session = Session(database.engine, database.url)
    try:
        return [tuple(row) for row in session.rows(statement)]
    finally:
        session.close()


@pytest.mark.parametrize("rule", ["CASCADE", "SET NULL", "NO ACTION"])
def test_a_child_that_is_being_inserted_keeps_its_parent(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    execute(
        database,
        [*PARENTS, f"CREATE TABLE children (id INTEGER PRIMARY KEY, parent_id INTEGER, {KEY} ON DELETE {rule})"],
    )
    config = config_of(database, missing("quarantine"))
    plan = planned(config, tmp_path)

    with open_transaction(database, "INSERT INTO children VALUES (1, 3)") as session:
        report = while_open(session, lambda: apply(config, plan, confirm="yes"), monkeypatch)

    assert report.states == {"blocked": 1}
    assert [one.reason for one in report.listed] == ["other rows refer to it"]
    assert rows(database, "SELECT id, parent_id FROM children") == [(1, 3)]
    assert rows(database, "SELECT count(*) FROM parents") == [(60,)]


@pytest.mark.parametrize("index", ["", "CREATE INDEX by_email ON users (email)"])
def test_the_kept_one_of_a_pair_that_is_being_deleted_leaves_the_other(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    values = ", ".join(f"({n}, 'e{n}')" for n in range(1, 31))
    made = ["CREATE TABLE users (id INTEGER PRIMARY KEY, email VARCHAR(20))"]
    execute(database, [*made, f"INSERT INTO users VALUES {values}, (100, 'e5')", *([index] if index else [])])
    config = config_of(database, Duplicate(table="users", column="email", name="twice", repair=("quarantine",)))
    plan = planned(config, tmp_path)

    with open_transaction(database, "DELETE FROM users WHERE id = 5") as session:
        report = while_open(session, lambda: apply(config, plan, confirm="yes"), monkeypatch)

    assert report.states == {"premise_gone": 1}
    assert rows(database, "SELECT id FROM users WHERE email = 'e5'") == [(100,)]


@pytest.mark.parametrize("repair", ["nullify", "quarantine"])
def test_a_parent_that_is_being_inserted_is_waited_for(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repair: str
) -> None:
    made = ["CREATE TABLE children (id INTEGER PRIMARY KEY, parent_id INTEGER)"]
    values = ", ".join(f"({n}, {n})" for n in range(1, 62))
    execute(database, [*PARENTS, *made, f"INSERT INTO children VALUES {values}"])
    config = config_of(database, orphans(repair))
    plan = planned(config, tmp_path)

    with open_transaction(database, "INSERT INTO parents VALUES (61, 'late')") as session:
        report = while_open(session, lambda: apply(config, plan, confirm="yes"), monkeypatch)

    assert report.states == {"premise_gone": 1}
    assert rows(database, "SELECT parent_id FROM children WHERE id = 61") == [(61,)]


def test_a_parent_by_another_key_that_is_being_deleted_ends_the_undo_of_its_child(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = "CONSTRAINT by_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id)"
    execute(
        database,
        [
            *PARENTS,
            "CREATE TABLE tenants (id INTEGER PRIMARY KEY)",
            "INSERT INTO tenants VALUES (1), (2)",
            f"CREATE TABLE children (id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, parent_id INTEGER, {tenant})",
            *(f"INSERT INTO children VALUES ({n}, 1, {n})" for n in range(1, 31)),
            "INSERT INTO children VALUES (99, 2, 777)",
        ],
    )
    config = config_of(database, orphans("quarantine"))
    run = apply(config, planned(config, tmp_path), confirm="yes")
    assert run.states == {"applied": 1}

    with open_transaction(database, "DELETE FROM tenants WHERE id = 2") as session:
        report = while_open(session, lambda: undo(config, run.run_id, confirm="yes"), monkeypatch)

    assert report.states == {"undo_conflict": 1}
    lost = "SELECT id FROM children WHERE tenant_id NOT IN (SELECT id FROM tenants)"
    assert rows(database, lost) == []


@pytest.mark.slow
def test_an_undo_with_half_of_its_rows_locked_comes_to_an_end(database: Database, tmp_path: Path) -> None:
    values = ", ".join(f"({n}, NULL)" if n <= 200 else f"({n}, 'n')" for n in range(1, 601))
    execute(database, ["CREATE TABLE parents (id INTEGER PRIMARY KEY, name VARCHAR(20))"])
    execute(database, [f"INSERT INTO parents VALUES {values}"])
    config = config_of(database, missing("fill"))
    run = apply(config, planned(config, tmp_path), confirm="yes", because="test", root_cause="r", approved_by="a")
    assert run.states == {"applied": 200}

    # one by one: an UPDATE of many may read, and lock, the whole table
    with open_transaction(database, *(f"UPDATE parents SET name = name WHERE id = {n}" for n in range(2, 201, 2))):
        report = undo(config, run.run_id, confirm="yes")

    assert report.states == {"undone": 100, "applied": 100}
    assert report.reason == "100 rows stayed locked by the application; undo again to retry them"
    assert undo(config, run.run_id, confirm="yes").states == {"undone": 200}


def missing(repair: str) -> Check:
    return Missing(table="parents", column="name", name="n", fill="zz", repair=(repair,))


def orphans(repair: str) -> Check:
    return Orphan(table="children", column="parent_id", references="parents.id", name="n", repair=(repair,))
