"""Two checks that would change the same place of a row: one of them waits for the next plan, and the plan says so."""

from pathlib import Path

import pytest

from tests.engines import Database
from tests.rowhash import execute, row_hashes
from trueup.check import Check
from trueup.checks.orphan import Orphan
from trueup.checks.out_of_range import OutOfRange
from trueup.config.config import Config
from trueup.run import apply, make_plan, runs, undo

pytestmark = pytest.mark.any_server

TEN = OutOfRange(table="t", column="a", minimum="0", maximum="10", name="ten", repair=("clamp",))
EIGHT = OutOfRange(table="t", column="a", minimum="0", maximum="8", name="eight", repair=("clamp",))
OTHER = OutOfRange(table="t", column="b", minimum="0", maximum="10", name="other", repair=("clamp",))
LOST = Orphan(table="t", column="p", references="parents.id", name="lost", repair=("quarantine",))
ROWS = """INSERT INTO t VALUES (1, 99, 99, 1), (2, 9, 5, 1), (3, 99, 5, 7), (4, 5, 99, 7), (5, 5, 5, 7), (6, 5, 5, 1),
(7, 5, 5, 1), (8, 5, 5, 1)"""


@pytest.fixture
def plan(tmp_path: Path) -> str:
    return str(tmp_path / "plan.jsonl")


@pytest.fixture(autouse=True)
def table(database: Database) -> None:
    execute(
        database,
        [
            "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
            "INSERT INTO parents VALUES (1)",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, p INTEGER)",
            ROWS,
        ],
    )


def config(database: Database, *checks: Check) -> Config:
    return Config(environment="test", stores={"app": database.url}, checks=checks)


def test_of_two_changes_to_one_place_the_second_waits(database: Database, plan: str) -> None:
    before = row_hashes(database)
    both = config(database, TEN, EIGHT, OTHER)
    made = make_plan(both, plan).summary
    assert (made.by_group, made.findings) == ((2, 1, 2), 7)
    assert [(one.check, one.count, one.reason) for one in made.left] == [
        ("eight", 2, "ten changes them first; plan again when this plan is applied")
    ]
    assert apply(both, plan, confirm="yes").states == {"applied": 5}
    assert make_plan(both, plan).summary.by_group == (2,)
    assert apply(both, plan, confirm="yes").states == {"applied": 2}
    assert make_plan(both, plan).summary.findings == 0
    newest, first = runs(both)
    for one in (newest, first):
        undo(both, one.run_id, confirm="yes")
    assert row_hashes(database) == before


def test_a_row_that_is_moved_out_is_not_mended_first(database: Database, plan: str) -> None:
    both = config(database, LOST, TEN, OTHER)
    made = make_plan(both, plan).summary
    assert made.by_group == (3, 1, 1)
    assert {one.check: one.count for one in made.left} == {"ten": 1, "other": 1}
    assert apply(both, plan, confirm="yes").states == {"applied": 5}


def test_a_check_whose_repair_is_refused_takes_nothing_from_others(database: Database, plan: str) -> None:
    doubtful = OutOfRange(table="t", column="a", minimum="6", maximum="8", name="doubtful", repair=("clamp",))
    values = ", ".join(f"({i}, 5, 5, 1)" for i in range(9, 40))
    execute(database, [f"INSERT INTO t VALUES {values}"])
    made = make_plan(config(database, doubtful, TEN), plan).summary
    assert made.by_group == (2,)
    assert [one.check for one in made.left] == ["doubtful"]


def test_the_preview_of_an_undo_foresees_what_two_checks_did_to_one_row(database: Database, plan: str) -> None:
    before = row_hashes(database)
    both = config(database, TEN, OTHER)
    make_plan(both, plan)
    run = apply(both, plan, confirm="yes").run_id
    seen = undo(both, run)
    assert (seen.states, seen.listed) == ({"undone": 4}, ())
    # of row 1 the newer operation is in conflict, so that the older one meets another row than it left
    execute(database, ["UPDATE t SET b = 7 WHERE id = 1"])
    seen = undo(both, run)
    assert {(one.key, one.state) for one in seen.listed} == {("1", "undo_conflict")}
    done = undo(both, run, confirm="yes")
    assert (done.states, done.listed) == (seen.states, seen.listed)
    execute(database, ["UPDATE t SET b = 10 WHERE id = 1"])
    assert undo(both, run).states == {"undone": 2}
    assert undo(both, run, confirm="yes").states == {"undone": 4}
    assert row_hashes(database) == before


def test_the_preview_looks_again_as_the_undo_does(database: Database, plan: str) -> None:
    # the application changes what the older operation wrote, and then what neither of them did
    both = config(database, TEN, OTHER)
    make_plan(both, plan)
    run = apply(both, plan, confirm="yes").run_id
    execute(
        database, ["UPDATE t SET a = 3 WHERE id = 1", "UPDATE t SET p = 2 WHERE id = 3", "DELETE FROM t WHERE id = 4"]
    )
    seen = undo(both, run)
    assert len(seen.listed) == 4
    done = undo(both, run, confirm="yes")
    assert (done.states, done.listed) == (seen.states, seen.listed)
