"""Tables that inherit: a foreign key of PostgreSQL finds the parent's own rows, a query of the parent shows all."""

from pathlib import Path

import pytest

from tests.dialects.test_postgresql import script
from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import execute, row_hashes
from trueup.checks.orphan import Orphan
from trueup.config.config import Config
from trueup.results import RunReport
from trueup.run import apply, make_plan, scan, undo
from trueup.verbs.guard import guard

pytestmark = pytest.mark.parametrize("engine", ["postgresql", "postgresql18"], indirect=True)
KEY = "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES par (id) NOT VALID"
TABLES = (
    "CREATE TABLE par (id int PRIMARY KEY, code text UNIQUE)",
    "CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (par)",
    "INSERT INTO par VALUES (1, 'one'), (2, 'two')",
    "INSERT INTO heir VALUES (7, 'seven')",
    "CREATE TABLE c (id int PRIMARY KEY, pid int, code text, name text)",
    "INSERT INTO c SELECT i, 1 + i % 2, NULL, 'n' FROM generate_series(1, 30) i",
    "INSERT INTO c VALUES (50, 7, 'one', 'n'), (51, 9, 'seven', 'n')",
)


def orphan(repair: str = "nullify") -> Orphan:
    by = {"code": "code"} if repair == "relink" else {}
    return Orphan(table="c", column="pid", references="par.id", name="n", relink_by=by, repair=(repair,))


def applied(config: Config, tmp_path: Path) -> RunReport:
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, because="test")
    return apply(config, path, confirm="yes", because="test")


@pytest.mark.parametrize("repair", ["nullify", "quarantine"])
def test_a_declared_key_does_not_find_a_row_that_only_shows_in_the_parent(
    database: Database, repair: str, tmp_path: Path
) -> None:
    script(database, *TABLES, KEY)
    before = row_hashes(database)
    config = config_of(database, orphan(repair))

    report = applied(config, tmp_path)

    assert report.states == {"applied": 2}
    assert scan(config).results[0].findings == 0
    assert undo(config, report.run_id, confirm="yes").states == {"undone": 2}
    assert row_hashes(database) == before
    assert applied(config, tmp_path).states == {"applied": 2}
    execute(database, ["ALTER TABLE c VALIDATE CONSTRAINT fk"])


def test_a_row_is_relinked_to_what_the_declared_key_finds(database: Database, tmp_path: Path) -> None:
    script(database, *TABLES, KEY)
    report = applied(config_of(database, orphan("relink")), tmp_path)
    assert (report.planned, report.states) == (1, {"applied": 1})


def test_without_a_declared_key_all_rows_that_the_parent_shows_are_parents(database: Database) -> None:
    script(database, *TABLES)
    config = config_of(database, orphan())
    assert scan(config).results[0].findings == 1
    execute(database, ["DELETE FROM c WHERE id = 51"])
    made = guard(config, "n", act="apply")
    assert made.guard.form == "transition"
    execute(database, ["UPDATE c SET pid = 7 WHERE id = 1"])


def test_the_guard_of_a_declared_key_asks_the_parents_own_rows(database: Database) -> None:
    script(database, *TABLES, KEY)
    config = config_of(database, orphan())
    made = guard(config, "n", act="apply", transition=True)
    assert made.trial is not None
    assert made.trial.held
    assert "FROM ONLY" in made.guard.install[0].sql


def test_a_parent_without_rows_of_its_own_is_the_fault_and_not_the_references(
    database: Database, tmp_path: Path
) -> None:
    script(database, *TABLES, "DELETE FROM ONLY par", KEY)
    assert applied(config_of(database, orphan()), tmp_path).planned == 0


def test_a_partitioned_parent_has_the_rows_of_its_partitions(database: Database, tmp_path: Path) -> None:
    script(
        database,
        "CREATE TABLE par (id int PRIMARY KEY) PARTITION BY LIST (id)",
        "CREATE TABLE part PARTITION OF par DEFAULT",
        "INSERT INTO par VALUES (1), (2)",
        "CREATE TABLE c (id int PRIMARY KEY, pid int)",
        "INSERT INTO c SELECT i, 1 + i % 2 FROM generate_series(1, 30) i",
        "INSERT INTO c VALUES (50, 7)",
        *([KEY] if database.engine == "postgresql18" else []),
    )
    report = applied(config_of(database, orphan()), tmp_path)
    assert report.states == {"applied": 1}


def test_an_undo_finds_no_parent_in_a_row_that_only_shows_in_it(database: Database, tmp_path: Path) -> None:
    """The other key of a row that is given back with its keys unchecked."""
    script(
        database,
        *TABLES,
        "ALTER TABLE c ADD COLUMN other int DEFAULT 2 REFERENCES par (id)",
        KEY,
    )
    config = config_of(database, orphan("quarantine"))
    report = applied(config, tmp_path)
    assert report.states == {"applied": 2}
    execute(
        database,
        [
            "UPDATE c SET pid = 1, other = 1",
            "DELETE FROM ONLY par WHERE id = 2",
            "INSERT INTO heir VALUES (2, 'again')",
        ],
    )

    undone = undo(config, report.run_id, confirm="yes")

    assert undone.states == {"undo_conflict": 2}
    assert undone.listed[0].reason == "the row of par that it refers to is not there"
