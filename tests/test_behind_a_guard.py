"""What a guard refuses first in the rehearsal of an undo: the rules behind it that are not valid are asked, too."""

from pathlib import Path

import pytest

from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import execute, row_hashes
from trueup.check import Check
from trueup.checks.missing import Missing
from trueup.checks.out_of_range import OutOfRange
from trueup.run import apply, make_plan, undo
from trueup.verbs.guard import guard

POSTGRESQL = pytest.mark.parametrize("engine", ["postgresql", "postgresql18"], indirect=True)
TABLES = (
    "CREATE TABLE par (a int, b int, PRIMARY KEY (a, b))",
    "INSERT INTO par VALUES (0, 1), (-5, 1)",
    'CREATE TABLE t (id int PRIMARY KEY, n int, b int, "odd %s:x" text, name text)',
    "INSERT INTO t SELECT i, 0, 1, 'x', 'n' FROM generate_series(1, 30) i",
    "INSERT INTO t VALUES (40, -5, 1, 'y'), (50, -50, 1, 'y')",
    "CREATE FUNCTION tells(t) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
)
#: A rule that is not valid, and how many of the two rows it would take again.
RULES = {
    "CHECK (n > -10)": 1,
    "CHECK (n > 0 OR n > -10 AND \"odd %s:x\" <> 'a:b %s')": 1,
    "CHECK (n IS NULL OR b = 1)": 2,
    "CHECK (b = 1)": 2,
    "CHECK (tells(t))": 0,
    "FOREIGN KEY (n, b) REFERENCES par": 1,
    "FOREIGN KEY (n, b) REFERENCES par MATCH FULL": 1,
}


@POSTGRESQL
@pytest.mark.parametrize("repair", ["clamp", "quarantine"])
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_behind_a_guard_is_asked_before_an_undo_is_promised(
    database: Database, rule: str, repair: str, tmp_path: Path
) -> None:
    execute(database, [*TABLES, f"ALTER TABLE t ADD CONSTRAINT late {rule} NOT VALID"])
    before = row_hashes(database)
    check: Check = OutOfRange(table="t", column="n", name="n", minimum="0", repair=(repair,))
    if repair == "quarantine":
        check = Missing(table="t", column="name", name="n", repair=(repair,))
    config, path = config_of(database, check), str(tmp_path / "plan.jsonl")
    guard(config, "n", act="apply", transition=True)
    make_plan(config, path, because="test")

    report = apply(config, path, confirm="yes", because="test")

    good = RULES[rule]
    assert report.states == {state: n for state, n in {"applied": good, "blocked": 2 - good}.items() if n}
    assert all("late, which is not valid" in one.reason for one in report.listed)
    guard(config, "n", act="remove")
    assert undo(config, report.run_id, confirm="yes").states.get("undone", 0) == good
    assert row_hashes(database) == before


@pytest.mark.parametrize("engine", ["postgresql18"], indirect=True)
def test_a_column_that_must_not_be_null_any_more_is_a_rule_behind_a_guard(database: Database, tmp_path: Path) -> None:
    execute(database, [*TABLES, "UPDATE t SET n = NULL WHERE id = 1", "ALTER TABLE t ADD NOT NULL n NOT VALID"])
    check = Missing(table="t", column="n", name="n", fill="0", repair=("fill",))
    config, path = config_of(database, check), str(tmp_path / "plan.jsonl")
    guard(config, "n", act="apply", transition=True)
    make_plan(config, path, because="test")
    assert apply(config, path, confirm="yes", because="test").states == {"blocked": 1}
