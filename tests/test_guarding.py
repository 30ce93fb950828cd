"""Guards: refused while broken rows remain, tried, kept out of the repair's way, noticed when they have gone."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from tests.engines import Database
from tests.proof import config_of, run_script
from tests.rowhash import execute
from trueup.check import Check
from trueup.checks.duplicate import Duplicate
from trueup.checks.missing import Missing
from trueup.checks.orphan import Orphan
from trueup.checks.out_of_range import OutOfRange
from trueup.checks.stale_total import StaleTotal
from trueup.checks.torn_write import TornWrite
from trueup.checks.unknown_value import UnknownValue
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.config.config import Config
from trueup.errors import Refused, UsageError
from trueup.run import apply, make_plan, scan, undo
from trueup.verbs.guard import GuardReport, guard

pytestmark = pytest.mark.each_engine

TABLES = [
    "CREATE TABLE users (id INTEGER PRIMARY KEY)",
    "INSERT INTO users VALUES (1), (2), (3)",
    """CREATE TABLE events (id INTEGER PRIMARY KEY, user_id INTEGER, email VARCHAR(100), score DOUBLE PRECISION,
    happened {TIMESTAMP}, metadata {JSON})""",
]
GOOD = """INSERT INTO events VALUES
    (1, 1, 'a@x.org', 0.5, '2025-11-03 03:00:00', '{"user": 1, "lang": "en"}'),
    (2, 2, 'b@x.org', 1.0, '2025-11-03 03:00:00', '{"user": 2, "lang": "de"}'),
    (3, NULL, 'c@x.org', NULL, '2025-11-03 03:00:00', '{}')"""

CHECKS: list[tuple[Check, str, str]] = [
    (WrongJsonType(table="events", column="metadata", expected=("object",), name="guarded"), "metadata", "'42'"),
    (
        WrongJsonType(table="events", column="metadata.lang", expected=("string",), name="guarded"),
        "metadata",
        "'{\"lang\": 7}'",
    ),
    (Missing(table="events", column="email", name="guarded"), "email", "NULL"),
    (Missing(table="events", column="email", blank=True, name="guarded"), "email", "'  '"),
    (OutOfRange(table="events", column="score", minimum="0", maximum="1", name="guarded"), "score", "1.5"),
    (OutOfRange(table="events", column="happened", minimum="2020-01-01", name="guarded"), "happened", "'1999-01-01'"),
    (Orphan(table="events", column="user_id", references="users.id", name="guarded"), "user_id", "99"),
    (
        Orphan(table="events", column="metadata.user", references="users.id", name="guarded"),
        "metadata",
        "'{\"user\": 99}'",
    ),
    (Duplicate(table="events", column="email", name="guarded"), "email", "'b@x.org'"),
    (
        StaleTotal(table="events", column="metadata.user", equals="user_id", name="guarded"),
        "metadata",
        "'{\"user\": 99}'",
    ),
    (StaleTotal(table="events", column="user_id", equals="metadata.user", name="guarded"), "user_id", "99"),
]
NAMES = [
    "json",
    "json path",
    "missing",
    "blank",
    "range",
    "time",
    "reference",
    "reference in json",
    "duplicate",
    "twin in json",
    "twin",
]


def ready(database: Database, check: Check) -> Config:
    run_script(database, [*TABLES, GOOD])
    return config_of(database, check)


def refused(database: Database, statement: str) -> bool:
    """Whether the application, on a session of its own, is refused a write."""
    try:
        execute(database, [statement])
    except (sqlite3.Error, psycopg.Error, pymysql.Error) as error:
        said = str(error)
    else:
        return False
    assert "guard" in said or "UNIQUE" in said
    return True


@pytest.mark.parametrize(("check", "column", "bad"), CHECKS, ids=NAMES)
def test_a_guard_refuses_what_the_check_would_find_and_nothing_else(
    database: Database, check: Check, column: str, bad: str
) -> None:
    if database.engine == "postgresql" and "range" in check.kind and column == "happened":
        bad = f"TIMESTAMP {bad}"
    config = ready(database, check)
    if _has_no_words(database, check):
        with pytest.raises(Refused, match="no function of its own"):
            guard(config, "guarded", act="apply")
        return
    report = guard(config, "guarded", act="apply")
    assert report.act == "applied"
    assert report.trial is not None
    assert report.trial.held, report.trial.said
    assert report.trial.said[:2] == ("a good update passed", "a bad update was refused")
    assert scan(config).exit_code == 0
    assert refused(database, f"UPDATE events SET {column} = {bad} WHERE id = 1")
    assert refused(database, f"INSERT INTO events (id, {_others(column)}) VALUES (4, {_value(column, bad)})")
    assert not refused(database, "UPDATE events SET score = 0.25 WHERE id = 3")
    assert not refused(database, f"UPDATE events SET {column} = {column}")
    gone = guard(config, "guarded", act="remove")
    assert (gone.standing, gone.act) == (None, "removed")
    assert not refused(database, f"UPDATE events SET {column} = {bad} WHERE id = 1")
    assert scan(config).results[0].findings == 1


RENAMED = [CHECKS[2][0], CHECKS[6][0], CHECKS[8][0]]


@pytest.mark.parametrize("check", RENAMED, ids=lambda check: check.kind)
def test_a_guard_of_a_check_that_has_another_name_now_is_taken_off_by_the_old_one(
    database: Database, check: Check
) -> None:
    config = ready(database, check)
    guard(config, "guarded", act="apply")
    renamed = config_of(database, replace(check, name="renamed"))
    assert guard(renamed, "guarded", act="remove").broken is None
    assert scan(renamed).notices == ()
    assert not refused(database, "UPDATE events SET email = NULL, user_id = 99 WHERE id = 1")
    assert not refused(database, "UPDATE events SET email = 'b@x.org' WHERE id = 1")
    with pytest.raises(UsageError, match="there is no check 'guarded'; there is renamed"):
        guard(renamed, "guarded", act="remove")


def test_a_guard_that_lets_broken_rows_be_is_taken_off_by_its_old_name(database: Database, tmp_path: Path) -> None:
    check = Missing(table="events", column="email", name="guarded", fill="x@x.org", repair=("fill",))
    config = ready(database, check)
    execute(database, ["UPDATE events SET email = NULL WHERE id = 1"])
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, accept_rate=["guarded"])
    run = apply(config, path, confirm="yes").run_id
    guard(config, "guarded", act="apply", transition=True)
    renamed = config_of(database, replace(check, name="renamed"))
    with pytest.raises(Refused, match="take it off first: 'trueup guard guarded --remove'"):
        undo(renamed, run, confirm="yes")
    guard(renamed, "guarded", act="remove")
    assert undo(renamed, run, confirm="yes").states == {"undone": 1}


def test_a_guard_asks_again_when_what_decides_about_a_row_changes(database: Database) -> None:
    torn = TornWrite(table="events", expects=("metadata.lang",), when={"email": ("c@x.org", "d@x.org")}, name="guarded")
    config = ready(database, torn)
    execute(database, ['UPDATE events SET metadata = \'{"lang": "fr"}\' WHERE id = 3'])
    guard(config, "guarded", act="apply")
    assert not refused(database, "UPDATE events SET email = 'd@x.org' WHERE id = 1")
    assert refused(database, "UPDATE events SET metadata = '{}' WHERE id = 3")
    execute(database, ["UPDATE events SET metadata = '{}' WHERE id = 2"])
    assert refused(database, "UPDATE events SET email = 'd@x.org' WHERE id = 2")


def test_a_number_and_its_twin_cannot_part(database: Database) -> None:
    twins = StaleTotal(table="events", column="metadata.user", equals="user_id", name="guarded")
    config = ready(database, twins)
    guard(config, "guarded", act="apply")
    assert refused(database, "UPDATE events SET user_id = 3 WHERE id = 1")
    assert not refused(database, "UPDATE events SET user_id = 3, metadata = '{\"user\": 3}' WHERE id = 1")


def _others(column: str) -> str:
    return column if column == "email" else f"email, {column}"


def _value(column: str, bad: str) -> str:
    return bad if column == "email" else f"'d@x.org', {bad}"


def _has_no_words(database: Database, check: Check) -> bool:
    # folding white space is a function of trueup's own there
    return database.engine == "sqlite" and isinstance(check, Missing) and check.blank


JSON = WrongJsonType(
    table="events", column="metadata", expected=("object",), name="metadata", repair=("decode", "nullify")
)
BROKEN = """INSERT INTO events (id, email, metadata) VALUES (4, 'd', '42'), (5, 'e', '"text"'), (6, 'f', '[1]')"""


def broken(database: Database) -> Config:
    run_script(database, [*TABLES, GOOD, BROKEN])
    return config_of(database, JSON)


def repaired(config: Config, folder: Path) -> str:
    path = str(folder / "plan.jsonl")
    make_plan(config, path, accept_rate=["metadata"], because="a test")
    run = apply(config, path, confirm="yes", because="a test")
    assert (run.state, run.states) == ("applied", {"applied": 3}), run.reason
    return run.run_id


def test_it_is_refused_while_broken_rows_remain(database: Database) -> None:
    config = broken(database)
    with pytest.raises(Refused) as caught:
        guard(config, "metadata", act="apply")
    assert str(caught.value) == (
        "3 rows break metadata; mend them first ('trueup plan --check metadata'), or add --transition, "
        "which lets them be and refuses new ones"
    )
    assert not refused(database, "UPDATE events SET metadata = '43' WHERE id = 1")


def test_the_transition_form_lets_broken_rows_be_and_the_repair_through(database: Database, tmp_path: Path) -> None:
    config = broken(database)
    report = guard(config, "metadata", act="apply", transition=True)
    assert report.trial is not None
    assert report.trial.held
    assert (report.guard.form, report.broken) == ("transition", 3)
    assert refused(database, "UPDATE events SET metadata = '43' WHERE id = 1")
    assert not refused(database, "UPDATE events SET score = 0.1 WHERE id = 4")
    run_id = repaired(config, tmp_path)
    assert scan(config).exit_code == 0
    with pytest.raises(Refused) as caught:
        undo(config, run_id, confirm="yes")
    assert str(caught.value) == (
        "the guard of metadata would refuse the values that this gives back; take it off first: "
        "'trueup guard metadata --remove'"
    )
    guard(config, "metadata", act="remove")
    assert undo(config, run_id, confirm="yes").states == {"undone": 3}
    assert scan(config).results[0].findings == 3


def test_a_guarded_table_can_still_be_repaired_for_another_check(database: Database, tmp_path: Path) -> None:
    run_script(database, [*TABLES, GOOD, "UPDATE events SET score = 7 WHERE id < 3"])
    scores = OutOfRange(table="events", column="score", maximum="1", name="scores")
    config = config_of(database, JSON, scores)
    assert guard(config, "metadata", act="apply").standing is not None
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, only=["scores"], accept_rate=["scores"])
    run = apply(config, path, confirm="yes")
    assert (run.state, run.states) == ("applied", {"applied": 2})
    assert undo(config, run.run_id, confirm="yes").states == {"undone": 2}


def drop(report: GuardReport, database: Database) -> None:
    execute(database, [step.sql for step in report.guard.remove])


def test_a_guard_that_has_gone_is_noticed_and_can_be_installed_again(database: Database) -> None:
    config = ready(database, JSON)
    report = guard(config, "metadata", act="apply")
    assert scan(config).notices == ()
    with pytest.raises(Refused, match="guarded already"):
        guard(config, "metadata", act="apply")
    drop(report, database)
    seen = scan(config)
    names = ", ".join(report.guard.objects)
    (notice,) = seen.notices
    assert notice == (
        f"the guard of metadata does not stand: {names} is not in the database, or switched off; "
        "install it again with 'trueup guard metadata --apply'"
    )
    assert seen.exit_code == 1
    assert guard(config, "metadata", act="apply").standing is not None
    assert scan(config).exit_code == 0


def test_a_guard_that_was_changed_is_noticed(database: Database) -> None:
    config = ready(database, JSON)
    report = guard(config, "metadata", act="apply")
    drop(report, database)
    swap = (
        ("CHECK (NOT ", "CHECK (TRUE OR NOT ") if database.engine == "postgresql" else ("BEFORE INSERT", "AFTER INSERT")
    )
    execute(database, [step.sql.replace(*swap) for step in report.guard.install])
    assert "is not as it was installed" in scan(config).notices[0]


def test_an_empty_table_is_guarded_and_says_that_nothing_was_tried(database: Database) -> None:
    run_script(database, TABLES)
    report = guard(config_of(database, JSON), "metadata", act="apply")
    assert report.trial is not None
    assert (report.trial.held, report.trial.said) == (None, ("not tried: the table has no row that is good",))
    assert refused(database, "INSERT INTO events (id, metadata) VALUES (1, '42')")


def test_production_asks_for_its_name(database: Database) -> None:
    from dataclasses import replace

    config = replace(ready(database, JSON), environment="production")
    with pytest.raises(Refused) as caught:
        guard(config, "metadata", act="apply")
    assert str(caught.value) == "this changes the schema of production; add --confirm production"
    assert guard(config, "metadata", act="apply", confirm="production").standing is not None


@pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)
def test_a_window_allows_a_check_constraint(database: Database) -> None:
    config = ready(database, JSON)
    report = guard(config, "metadata", act="apply", window=True)
    assert (report.guard.form, report.trial and report.trial.held) == ("constraint", True)
    assert refused(database, "UPDATE events SET metadata = '42' WHERE id = 1")
    guard(config, "metadata", act="remove")
    assert not refused(database, "UPDATE events SET metadata = '42' WHERE id = 1")


@pytest.mark.parametrize("engine", ["mysql", "sqlite", "mariadb"], indirect=True)
def test_a_trigger_that_only_has_the_name_of_a_guard_is_an_obstacle(database: Database) -> None:
    body = {
        "sqlite": "BEGIN UPDATE users SET id = id; END",
        "mysql": "UPDATE users SET id = id",
        "mariadb": "UPDATE users SET id = id",
    }[database.engine]
    config = broken(database)
    execute(database, [f"CREATE TRIGGER trueup_guard_x BEFORE UPDATE ON events FOR EACH ROW {body}"])
    left: Any = scan(config)
    assert left.results[0].findings == 3
    from trueup.stores.sql import SqlDatabase, SqlStore

    store = SqlStore("app", database.url)
    with store.connect() as connection:
        assert "trueup_guard_x" in SqlDatabase(store, connection).table("events").obstacles[0]
    store.close()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_guard_compares_bytes_where_the_column_folds_case(database: Database) -> None:
    """As the checks do: a new value of another case was refused, and a change of case to a bad value let through."""
    execute(
        database,
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, state TEXT COLLATE NOCASE)",
            "INSERT INTO t VALUES (1, 'a', 'on'), (2, 'A', 'on'), (3, 'b', 'off')",
        ],
    )
    twin = config_of(database, Duplicate(table="t", column="name", name="guarded"))
    guard(twin, "guarded", act="apply")
    assert refused(database, "INSERT INTO t VALUES (4, 'A', 'on')")
    assert not refused(database, "INSERT INTO t VALUES (4, 'B', 'on')")
    guard(twin, "guarded", act="remove")
    word = config_of(database, UnknownValue(table="t", column="state", allowed=("on", "off"), name="guarded"))
    guard(word, "guarded", act="apply")
    assert refused(database, "UPDATE t SET state = 'ON' WHERE id = 1")
    assert not refused(database, "UPDATE t SET state = state")
    assert (scan(twin).exit_code, scan(word).exit_code) == (0, 0)
