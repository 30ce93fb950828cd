"""The line to the server is lost several times in a row, at any statement of a run: it still comes to its end."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine

from tests.chaos.plain import Session
from tests.engines import Database
from tests.rowhash import execute, row_hashes
from trueup.checks.out_of_range import OutOfRange
from trueup.config.config import Config
from trueup.errors import Fenced
from trueup.run import apply, make_plan, undo, verify

ROWS = 14
CHECK = OutOfRange(table="t", column="a", minimum="0", maximum="10", name="a", repair=("clamp",))
#: Statements in a row that find their line dead.
DEAD = 4

SERVERS = pytest.mark.parametrize("engine", ["postgresql", "mysql", "mariadb"], indirect=True)
#: psycopg sends no COMMIT where it knows of no transaction.
SECOND_COMMIT = pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)


@pytest.fixture
def config(database: Database) -> Config:
    """A table in which every second row is broken."""
    values = ", ".join(f"({i}, {99 if i % 2 else 5})" for i in range(1, 2 * ROWS + 1))
    execute(database, ["CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)", f"INSERT INTO t VALUES {values}"])
    return Config(environment="test", stores={"app": database.url}, checks=(CHECK,))


@contextmanager
def before_statements(seen: Callable[[str], None]) -> Iterator[None]:
    """Call `seen` with the text of every statement before it is sent."""

    def at(_: Any, statement: str, *__: Any) -> None:
        seen(statement)

    event.listen(Engine, "do_execute", at)
    try:
        yield
    finally:
        event.remove(Engine, "do_execute", at)


def cut_off(session: Session) -> None:
    """The server ends every session of the database but this one."""
    for number in session.others():
        session.run("SELECT pg_terminate_backend(?)" if session.engine == "postgresql" else "KILL ?", number)
    session.wait_until_alone()


@contextmanager
def losing(database: Database, first: int) -> Iterator[None]:
    """The server ends trueup's session before the statements `first` ... `first + DEAD - 1` once the run is owned.

    A run is owned by the first statement that names its fence.
    """
    seen = -1

    def at(statement: str) -> None:
        nonlocal seen
        if seen >= 0 or (statement.startswith("UPDATE") and "fence" in statement):
            seen += 1
        if first < seen <= first + DEAD:
            cut_off(session)

    with closing(Session(database.engine, database.url)) as session, before_statements(at):
        yield
    assert seen > first


@SERVERS
# psycopg's cursor for streams can only warn of a line that died under it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("first", range(0, 4 * DEAD, DEAD))
def test_a_run_survives_lines_that_are_lost_in_a_row(
    first: int, config: Config, database: Database, tmp_path: Path
) -> None:
    before, plan = row_hashes(database), str(tmp_path / "plan.jsonl")
    make_plan(config, plan, because="test")
    with losing(database, first):
        assert apply(config, plan, confirm="yes").states == {"applied": ROWS}
    assert verify(config, "last").sound
    with losing(database, first):
        assert undo(config, "last", confirm="yes").states == {"undone": ROWS}
    assert row_hashes(database) == before


@SERVERS
def test_a_run_that_another_operator_has_by_now_is_left_to_them(
    config: Config, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, others = str(tmp_path / "plan.jsonl"), list[str]()
    make_plan(config, plan)

    def at(statement: str) -> None:
        if not others and statement.startswith("UPDATE") and " fence" not in statement:
            cut_off(session)
            with monkeypatch.context() as colleague:
                colleague.setenv("USER", "colleague")
                others.append("at work")
                others.append(apply(config, plan, confirm="yes").state)

    with (
        closing(Session(database.engine, database.url)) as session,
        before_statements(at),
        pytest.raises(Fenced, match=r"colleague@.* took it over; this process stops"),
    ):
        apply(config, plan, confirm="yes")
    assert others == ["at work", "applied"]


@SECOND_COMMIT
def test_a_run_whose_last_commit_is_not_answered_has_ended(config: Config, database: Database, tmp_path: Path) -> None:
    plan, lost = str(tmp_path / "plan.jsonl"), list[str]()
    make_plan(config, plan)
    ending = False

    def at(statement: str) -> None:
        nonlocal ending
        ending = statement.startswith("UPDATE") and " ended=" in statement

    def committing(connection: Connection) -> None:
        if ending and not lost:
            lost.append("the answer")
            connection.connection.commit()
            cut_off(session)

    event.listen(Engine, "commit", committing)
    try:
        with closing(Session(database.engine, database.url)) as session, before_statements(at):
            assert apply(config, plan, confirm="yes").state == "applied"
    finally:
        event.remove(Engine, "commit", committing)
    assert lost == ["the answer"]
