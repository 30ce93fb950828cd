"""What the application wrote is the application's: before apply, and between apply and undo."""

import json
from pathlib import Path

import pytest

from tests.engines import Database
from tests.rowhash import changed_rows, execute, row_hashes
from trueup import run
from trueup.config.config import Config, load_config
from trueup.write.verdict import EDITED

JSON_COLUMN = {"sqlite": "TEXT", "postgresql": "jsonb", "mysql": "JSON", "mariadb": "JSON"}
BROKEN = {1: '"{}"', 2: "42.5", 3: "[1, 2]", 4: "null", 5: "true"}
ROWS = 20
REPAIRS = {"repair": ["decode", "wrap", "nullify"]}


@pytest.fixture
def config(database: Database, tmp_path: Path) -> Config:
    """Events of which five are broken, one in each way, and the check that finds them."""
    column = JSON_COLUMN[database.engine]
    rows = dict.fromkeys(range(1, ROWS + 1), '{"fine": 1}') | BROKEN
    execute(
        database,
        [
            f"CREATE TABLE events (id INTEGER PRIMARY KEY, metadata {column}, points INTEGER NOT NULL, ratio FLOAT)",
            *(f"INSERT INTO events VALUES ({n}, '{rows[n]}', {n}, {n} / 3.0)" for n in rows),
        ],
    )
    file = tmp_path / "trueup.yaml"
    check = {"kind": "wrong-json-type", "table": "events", "column": "metadata", "expected": "object"}
    file.write_text(json.dumps({"environment": "test", "stores": {"app": database.url}, "checks": [check | REPAIRS]}))
    return load_config(file)


@pytest.fixture
def plan(config: Config, tmp_path: Path) -> str:
    path = str(tmp_path / "plan.jsonl")
    assert run.make_plan(config, path, because="test").summary.count == len(BROKEN)
    return path


def test_a_row_changed_since_the_plan_is_left_alone_and_listed(database: Database, config: Config, plan: str) -> None:
    write(database, 2, '{"newer": true}')
    write(database, 3, '"broken again"')
    before = row_hashes(database)

    report = run.apply(config, plan, confirm="yes", because="test")

    assert report.state == "applied"
    assert report.states == {"applied": 3, "conflict": 2}
    assert {(op.key, op.state) for op in report.listed} == {("2", "conflict"), ("3", "conflict")}
    assert {op.reason for op in report.listed} == {
        "the application changed the row after the plan was made; its value is kept"
    }
    assert changed_rows(before, row_hashes(database)) == {"events": {"1", "4", "5"}}


def test_a_row_deleted_since_the_plan_is_listed_as_missing(database: Database, config: Config, plan: str) -> None:
    execute(database, ["DELETE FROM events WHERE id = 5"])

    report = run.apply(config, plan, confirm="yes", because="test")

    assert report.states == {"applied": 4, "missing": 1}
    assert [(op.key, op.state, op.reason) for op in report.listed] == [("5", "missing", "the row is gone")]


def test_a_row_that_the_application_mended_itself_is_already_good(
    database: Database, config: Config, plan: str
) -> None:
    write(database, 1, "{}")

    report = run.apply(config, plan, confirm="yes", because="test")

    assert report.states == {"applied": 4, "already_good": 1}
    assert report.listed == ()


def test_another_column_may_change_between_plan_and_apply_and_undo(
    database: Database, config: Config, plan: str
) -> None:
    execute(database, ["UPDATE events SET points = points + 100"])
    before = row_hashes(database)
    applied = run.apply(config, plan, confirm="yes", because="test")
    assert applied.states == {"applied": 5}
    execute(database, ["UPDATE events SET points = points + 1"])

    doubted = run.undo(config, applied.run_id, confirm="yes")
    assert doubted.states == {"undo_conflict": 5}
    assert {op.reason for op in doubted.listed} == {EDITED}

    # a person vouches that they are the same rows
    undone = run.undo(config, applied.run_id, confirm="yes", edited=True)
    assert undone.states == {"undone": 5}
    execute(database, ["UPDATE events SET points = points - 1"])
    assert changed_rows(before, row_hashes(database)) == {}


def test_a_key_given_to_another_row_since_the_run_is_left_to_it(database: Database, config: Config, plan: str) -> None:
    applied = run.apply(config, plan, confirm="yes", because="test")
    execute(database, ["CREATE TABLE kept AS SELECT id, points, metadata FROM events WHERE id = 1"])
    execute(database, ["DELETE FROM events WHERE id = 1"])
    execute(database, ["INSERT INTO events (id, points, metadata) SELECT id, points + 7, metadata FROM kept"])

    preview = run.undo(config, applied.run_id)
    undone = run.undo(config, applied.run_id, confirm="yes")

    assert preview.states == undone.states == {"undone": 4, "undo_conflict": 1}
    assert [(op.key, op.reason) for op in preview.listed] == [(op.key, op.reason) for op in undone.listed]
    assert [(op.key, op.reason) for op in undone.listed] == [("1", EDITED)]


def test_a_row_changed_since_the_run_keeps_its_newer_value_and_is_listed(
    database: Database, config: Config, plan: str
) -> None:
    start = row_hashes(database)
    applied = run.apply(config, plan, confirm="yes", because="test")
    write(database, 1, '{"newer": true}')
    execute(database, ["DELETE FROM events WHERE id = 4"])
    newer = row_hashes(database)["events"]["1"]

    report = run.undo(config, applied.run_id, confirm="yes")

    assert report.state == "undone"
    assert report.states == {"undone": 3, "undo_conflict": 2}
    assert {(op.key, op.reason) for op in report.listed} == {
        ("1", "the application changed the row after the run; its value is kept"),
        ("4", "the row is gone"),
    }
    assert changed_rows(start, row_hashes(database)) == {"events": {"1", "4"}}
    assert row_hashes(database)["events"]["1"] == newer


def test_undo_of_untouched_rows_gives_back_every_byte(database: Database, config: Config, plan: str) -> None:
    start = row_hashes(database)
    applied = run.apply(config, plan, confirm="yes", because="test")
    assert changed_rows(start, row_hashes(database)) == {"events": {str(n) for n in BROKEN}}

    report = run.undo(config, applied.run_id, confirm="yes")

    assert report.states == {"undone": 5}
    assert row_hashes(database) == start


def test_an_undo_may_be_asked_for_twice(database: Database, config: Config, plan: str) -> None:
    applied = run.apply(config, plan, confirm="yes", because="test")
    write(database, 1, '{"newer": true}')
    first = run.undo(config, applied.run_id, confirm="yes")
    after = row_hashes(database)

    second = run.undo(config, applied.run_id, confirm="yes")

    assert (second.state, second.states) == (first.state, first.states)
    assert row_hashes(database) == after


def write(database: Database, row: int, value: str) -> None:
    """A write of the application."""
    execute(database, [f"UPDATE events SET metadata = '{value}' WHERE id = {row}"])
