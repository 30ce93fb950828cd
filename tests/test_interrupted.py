"""Ctrl-C while a run goes on: whole chunks stay, the journal says so, and the run goes on or is taken back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.engines import Database
from tests.rowhash import execute, row_hashes
from trueup.checks.out_of_range import OutOfRange
from trueup.config.config import Config
from trueup.run import apply, make_plan, status, undo, verify

ROWS = 60
CHECK = OutOfRange(table="t", column="a", minimum="0", maximum="10", name="a", repair=("clamp",))
LEFT_OFF = "interrupted; what was done is journaled"


@pytest.fixture
def config(database: Database) -> Config:
    """A table in which every second row is broken."""
    values = ", ".join(f"({i}, {99 if i % 2 else 5})" for i in range(1, 2 * ROWS + 1))
    execute(database, ["CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)", f"INSERT INTO t VALUES {values}"])
    return Config(environment="test", stores={"app": database.url}, checks=(CHECK,))


@pytest.fixture
def plan(config: Config, tmp_path: Path) -> str:
    path = str(tmp_path / "plan.jsonl")
    assert make_plan(config, path, because="test").summary.count == ROWS
    return path


@contextmanager
def interrupting(after: int) -> Iterator[None]:
    """Ctrl-C in the middle of an UPDATE, when `after` of them came to their end."""
    seen = 0

    def at(_: Any, statement: str, *__: Any) -> None:
        nonlocal seen
        if statement.startswith("UPDATE"):
            seen += 1
            if seen == after + 1:
                raise KeyboardInterrupt

    event.listen(Engine, "do_execute", at)
    try:
        yield
    finally:
        event.remove(Engine, "do_execute", at)
    assert seen > after


def test_an_interrupted_run_is_stopped_between_chunks_and_goes_on(config: Config, plan: str) -> None:
    with interrupting(after=4):
        report = apply(config, plan, confirm="yes")
    assert (report.state, report.reason) == ("stopped", LEFT_OFF)
    assert 0 < report.states["applied"] < ROWS
    assert verify(config, "last").sound
    assert apply(config, plan, confirm="yes").states == {"applied": ROWS}


def test_an_interrupted_undo_goes_on(config: Config, plan: str, database: Database) -> None:
    before = row_hashes(database)
    apply(config, plan, confirm="yes")
    with interrupting(after=4):
        report = undo(config, "last", confirm="yes")
    assert (report.state, report.reason) == ("undoing", LEFT_OFF)
    assert undo(config, "last", confirm="yes").states == {"undone": ROWS}
    assert row_hashes(database) == before


def test_a_run_that_was_stopped_and_undone_is_sound(config: Config, plan: str) -> None:
    with interrupting(after=4):
        done = apply(config, plan, confirm="yes").states["applied"]
    undo(config, "last", confirm="yes")
    found = verify(config, "last")
    assert (found.problems, found.rows, found.restored, found.changed_since) == ((), done, done, 0)


def test_verifying_an_undone_run_tells_what_the_application_wrote_since(
    config: Config, plan: str, database: Database
) -> None:
    apply(config, plan, confirm="yes")
    undo(config, "last", confirm="yes")
    execute(database, ["UPDATE t SET a = 7 WHERE id = 1"])
    found = verify(config, "last")
    assert (found.problems, found.rows, found.restored, found.changed_since) == ((), ROWS, ROWS - 1, 1)


def test_a_second_undo_changes_nothing_and_says_the_same(config: Config, plan: str) -> None:
    apply(config, plan, confirm="yes")
    undo(config, "last", confirm="yes")
    ended = status(config, "last")
    assert undo(config, "last", confirm="yes") == ended
    assert status(config, "last") == ended
