"""The world changes between plan, first chunk and undo: what does no harm is allowed, all else refused unwritten."""

import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.binaries import postgresql_folder
from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import execute, row_hashes
from trueup.check import Check
from trueup.checks.missing import Missing
from trueup.checks.orphan import Orphan
from trueup.config.config import Config
from trueup.errors import Refused
from trueup.results import RunReport
from trueup.run import apply, make_plan, undo, verify
from trueup.verbs.guard import guard
from trueup.write import pace

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20), note VARCHAR(20))"
COUNTED = "CREATE TABLE totals (n INTEGER)"
TRIGGER = {
    "sqlite": ["CREATE TRIGGER a1 AFTER UPDATE ON t BEGIN UPDATE totals SET n = n + 1; END"],
    "postgresql": [
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " UPDATE public.totals SET n = n + 1; RETURN NEW; END $$"
        ),
        "CREATE TRIGGER a1 AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
    ],
    "mysql": ["CREATE TRIGGER a1 AFTER UPDATE ON t FOR EACH ROW UPDATE totals SET n = n + 1"],
}
TRIGGER["mariadb"] = TRIGGER["mysql"]
SWAPPED = ["ALTER TABLE t RENAME TO old", TABLE, "INSERT INTO t SELECT * FROM old"]
REPLACED = ["ALTER TABLE t DROP COLUMN name", "ALTER TABLE t ADD COLUMN name VARCHAR(20)"]


def missing(repair: str) -> Check:
    return Missing(table="t", column="name", name="n", fill="zz", repair=(repair,))


@pytest.fixture
def config(database: Database) -> Config:
    rows = ", ".join(f"({n}, {'NULL' if n % 10 == 0 else repr('n')}, 'x{n}')" for n in range(1, 41))
    execute(database, [TABLE, f"INSERT INTO t VALUES {rows}", COUNTED, "INSERT INTO totals VALUES (0)"])
    return config_of(database, missing("fill"))


def applied(config: Config, tmp_path: Path) -> RunReport:
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, because="test")
    report = apply(config, path, confirm="yes")
    assert report.states == {"applied": 4}
    return report


@pytest.mark.parametrize("change", ["trigger", "swap", "column"])
def test_a_run_that_waits_before_its_first_chunk_holds_the_table_against_the_plan(
    database: Database, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    changes = {"trigger": TRIGGER[database.engine], "swap": SWAPPED, "column": REPLACED}[change]
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, because="test")

    def wait(_: Any) -> None:
        if changes:
            execute(database, changes)
            changes.clear()

    changes = list(changes)
    monkeypatch.setattr(pace.Throttle, "wait", wait)
    report = apply(config, path, confirm="yes")

    assert (report.state, report.states) == ("stopped", {})
    assert "changed its shape while the run was going on" in report.reason
    assert "zz" not in repr(read(database))


@pytest.mark.parametrize("repair", ["fill", "quarantine"])
def test_an_undo_does_not_fire_a_trigger_that_came_after_the_run(
    database: Database, config: Config, tmp_path: Path, repair: str
) -> None:
    config = config_of(database, missing(repair))
    run = applied(config, tmp_path)
    execute(database, TRIGGER[database.engine])
    before = row_hashes(database)

    for confirm in ("", "yes"):
        with pytest.raises(Refused, match="trigger 'a1'"):
            undo(config, run.run_id, confirm=confirm)

    assert row_hashes(database) == before


@pytest.mark.parametrize("changes", [SWAPPED, REPLACED], ids=["table", "column"])
def test_an_undo_gives_nothing_to_another_table_or_column_of_the_same_name(
    database: Database, config: Config, tmp_path: Path, changes: list[str]
) -> None:
    run = applied(config, tmp_path)
    execute(database, changes)
    before = row_hashes(database)

    for confirm in ("", "yes"):
        with pytest.raises(Refused, match=r"since the run|another column"):
            undo(config, run.run_id, confirm=confirm)
    with pytest.raises(Refused):
        verify(config, run.run_id)

    assert row_hashes(database) == before


@pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)
def test_a_column_made_anew_in_the_second_of_the_last_alter_is_another_one(
    database: Database, config: Config, tmp_path: Path
) -> None:
    time.sleep(1 - time.time() % 1)  # a second begins: a run may fit into the rest of it
    execute(database, ["ALTER TABLE t COMMENT = 'altered'"])
    run = applied(config, tmp_path)
    execute(database, REPLACED)

    with pytest.raises(Refused, match="since the run"):
        undo(config, run.run_id, confirm="yes")


@pytest.mark.parametrize("engine", ["postgresql", "mysql", "mariadb"], indirect=True)
def test_the_last_column_made_anew_between_two_chunks_stops_the_run(
    database: Database, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, because="test")
    waits = iter([[], ["ALTER TABLE t DROP COLUMN note", "ALTER TABLE t ADD COLUMN note VARCHAR(20)"]])
    monkeypatch.setattr(pace.Throttle, "wait", lambda _: execute(database, next(waits)))
    report = apply(config, path, confirm="yes")

    assert (report.state, report.states) == ("stopped", {"applied": 1})
    assert "changed its shape while the run was going on" in report.reason


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_column_made_anew_in_a_table_that_was_not_stays_another_one_whatever_is_said(
    database: Database, config: Config, tmp_path: Path
) -> None:
    execute(database, ["ALTER TABLE t DROP COLUMN note"])
    run = applied(config, tmp_path)
    execute(database, REPLACED)

    with pytest.raises(Refused, match="another column"):
        undo(config, run.run_id, confirm="yes", same_table=["t"])


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("repair", ["fill", "quarantine"])
@pytest.mark.parametrize("order", ["same", "other"])
def test_a_dump_that_was_restored_is_the_same_table_when_a_person_says_so(
    database: Database, tmp_path: Path, repair: str, order: str
) -> None:
    execute(
        database,
        [
            "CREATE TYPE pair AS (gone int, a int, b text)",
            "ALTER TYPE pair DROP ATTRIBUTE gone",
            "CREATE TABLE t (gone int, id int PRIMARY KEY, name text, p pair, note text)",
            "ALTER TABLE t DROP COLUMN gone",
            "INSERT INTO t SELECT n, CASE WHEN n % 10 > 0 THEN 'x' END, '(1,b)', 'y' FROM generate_series(1, 40) AS n",
        ],
    )
    before = row_hashes(database)
    config = config_of(database, missing(repair))
    run = applied(config, tmp_path)

    file, name = str(tmp_path / "dump"), database.url.rsplit("/", 1)[1]
    server = Database("postgresql", database.url.removesuffix(name) + "postgres")
    subprocess.run([postgresql_folder() / "pg_dump", "-Fc", "-f", file, database.url], check=True)
    execute(server, [f'DROP DATABASE "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"'])
    subprocess.run([postgresql_folder() / "pg_restore", "-d", database.url, file], check=True)
    if order == "other":
        execute(
            database,
            [
                "ALTER TABLE t RENAME TO old",
                "CREATE TABLE t AS SELECT name, id, note, p FROM old",
                "ALTER TABLE t ADD PRIMARY KEY (id)",
            ],
        )

    with pytest.raises(Refused, match="--same-table t"):
        undo(config, run.run_id, confirm="yes")
    if order == "other":
        with pytest.raises(Refused, match="in another order"):
            undo(config, run.run_id, confirm="yes", same_table=["t"])
    else:
        assert undo(config, run.run_id, confirm="yes", same_table=["t"]).states == {"undone": 4}
        assert row_hashes(database) == before


#: Columns that name objects of the catalogue, by the types beneath.
NAMING = "a regclass, b regclass[], c named, d regprocedure, e regnamespace, f regtype, g regrole"


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("repair", ["fill", "quarantine", "naming"])
def test_what_a_row_names_may_get_another_name_and_another_object_that_name(
    database: Database, tmp_path: Path, repair: str
) -> None:
    role = database.url.rsplit("/", 1)[1]
    values = f"'one', '{{one}}', 'one', 'f()', 'place', 'kind', '\"{role}\"'"
    execute(
        database,
        [
            "CREATE TABLE one (id int)",
            "CREATE DOMAIN named AS regclass",
            "CREATE SCHEMA place",
            "CREATE TYPE kind AS ENUM ()",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            f'CREATE ROLE "{role}"',
            f"CREATE TABLE t (id int PRIMARY KEY, name text, n regclass, {NAMING})",
            *(f"INSERT INTO t VALUES ({n}0, NULL, NULL, {values}), ({n}, 'x', 'one', {values})" for n in range(1, 5)),
        ],
    )
    check = missing(repair)
    if repair == "naming":
        check = Missing(table="t", column="n", name="n", fill="public.one", repair=("fill",))
    numbers = "SELECT id, name, n::oid, a::oid, b::oid[], c::oid, d::oid, e::oid, f::oid, g::oid FROM t ORDER BY id"
    with psycopg.connect(database.url, autocommit=True) as connection:
        before = connection.execute(numbers).fetchall()
        run = applied(config_of(database, check), tmp_path)
        for statement in (
            "ALTER TABLE one RENAME TO two",
            "ALTER SCHEMA place RENAME TO places",
            "ALTER TYPE kind RENAME TO kinds",
            "ALTER FUNCTION f() RENAME TO g",
            f'ALTER ROLE "{role}" RENAME TO "{role}_"',
            "CREATE TABLE one (id int)",
            # a row of the run that names the new one: an edit, though its text is what it was
            "UPDATE t SET a = 'one' WHERE id = 10",
        ):
            connection.execute(statement)
        config = config_of(database, check)
        seen = verify(config, run.run_id)
        assert seen.sound, seen.problems
        states = undo(config, run.run_id, confirm="yes").states
        after = connection.execute(numbers).fetchall()
        connection.execute("DROP TABLE t")
        connection.execute(f'DROP ROLE "{role}_"')
    if repair == "quarantine":
        assert (states, after) == ({"undone": 4}, before)
    else:
        assert states == {"undone": 3, "undo_conflict": 1}
        assert [row for row in after if row[0] != 10] == [row for row in before if row[0] != 10]


@pytest.mark.parametrize("repair", ["fill", "quarantine"])
@pytest.mark.parametrize(
    "change",
    [
        "CREATE INDEX by_note ON t (note)",
        "ALTER TABLE t ADD COLUMN extra INTEGER",
        "CREATE TABLE child (id INTEGER PRIMARY KEY, t_id INTEGER, FOREIGN KEY (t_id) REFERENCES t (id))",
    ],
)
def test_what_does_no_harm_lets_an_undo_give_everything_back(
    database: Database, config: Config, tmp_path: Path, repair: str, change: str
) -> None:
    before = read(database)
    config = config_of(database, missing(repair))
    run = applied(config, tmp_path)
    execute(database, [change])

    report = undo(config, run.run_id, confirm="yes")

    assert report.states == {"undone": 4}
    assert report.since or "INDEX" in change
    assert [row[:3] for row in read(database)] == before


def test_a_column_of_the_row_that_was_dropped_leaves_it_to_a_person(
    database: Database, config: Config, tmp_path: Path
) -> None:
    run = applied(config, tmp_path)
    execute(database, ["ALTER TABLE t DROP COLUMN note"])

    report = undo(config, run.run_id, confirm="yes", same_table=["t"])

    assert report.states == {"undo_conflict": 4}
    assert {one.reason for one in report.listed} == {
        "a column that it had is gone, so it cannot be told from another row under its key"
    }
    assert undo(config, run.run_id, confirm="yes", edited=True, same_table=["t"]).states == {"undone": 4}


NOT_VALID = {
    "postgresql": ["ALTER TABLE t ADD CHECK (name IS NOT NULL) NOT VALID"],
    "mariadb": [
        "SET SESSION check_constraint_checks = 0",
        "ALTER TABLE t ADD CONSTRAINT named CHECK (name IS NOT NULL)",
    ],
    "sqlite": [
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, ', note', ' CHECK (name IS NOT NULL), note') WHERE name = 't'",
        "PRAGMA writable_schema = RESET",
    ],
}


@pytest.mark.parametrize("engine", sorted(NOT_VALID), indirect=True)
@pytest.mark.parametrize("repair", ["fill", "quarantine"])
def test_what_could_not_be_taken_back_is_not_applied(
    database: Database, config: Config, tmp_path: Path, repair: str
) -> None:
    # the engine may tell the whole row, which says what a guard of ours says
    execute(database, ["UPDATE t SET note = 'trueup_guard_x: no'", *NOT_VALID[database.engine]])
    before = row_hashes(database)
    config = config_of(database, missing(repair))
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, because="test")

    report = apply(config, path, confirm="yes")

    assert set(report.states) == {"blocked"}
    assert all(one.reason.startswith("it could not be taken back: ") for one in report.listed)
    assert row_hashes(database) == before


def test_a_guard_that_is_there_already_lets_a_run_promise_its_way_back(
    database: Database, config: Config, tmp_path: Path
) -> None:
    assert guard(config, "n", act="apply", transition=True).guard.form == "transition"
    before = row_hashes(database)

    run = applied(config, tmp_path)
    with pytest.raises(Refused, match="take it off first"):
        undo(config, run.run_id, confirm="yes")
    guard(config, "n", act="remove")

    assert undo(config, run.run_id, confirm="yes").states == {"undone": 4}
    assert row_hashes(database) == before


BROKEN_TWICE = {
    "sqlite": ["PRAGMA foreign_keys = OFF"],
    "mysql": ["SET SESSION foreign_key_checks = 0"],
    "mariadb": ["SET SESSION foreign_key_checks = 0"],
    "postgresql": ["SET session_replication_role = replica"],
}


def test_a_row_that_breaks_another_key_too_is_not_moved_out(database: Database, tmp_path: Path) -> None:
    keys = "FOREIGN KEY (a) REFERENCES parents (id), FOREIGN KEY (b) REFERENCES parents (id)"
    rows = ", ".join(f"({n}, {n}, {n})" for n in range(1, 31))
    execute(
        database,
        [
            *BROKEN_TWICE[database.engine],
            "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
            *(f"INSERT INTO parents VALUES ({n})" for n in range(1, 31)),
            f"CREATE TABLE trueup_children (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, {keys})",
            f"INSERT INTO trueup_children VALUES {rows}, (98, 777, 1), (99, 777, 777)",
        ],
    )
    check = Orphan(table="trueup_children", column="a", references="parents.id", name="n", repair=("quarantine",))
    config = config_of(database, check)
    before = row_hashes(database)
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, because="test")

    report = apply(config, path, confirm="yes")

    assert report.states == {"applied": 1, "blocked": 1}
    assert [one.key for one in report.listed] == ["99"]
    assert "it could not be taken back" in report.listed[0].reason
    assert undo(config, report.run_id, confirm="yes").states == {"undone": 1, "blocked": 1}
    assert row_hashes(database) == before


def read(database: Database) -> list[tuple[Any, ...]]:
    from tests.chaos.plain import Session

    session = Session(database.engine, database.url)
    try:
        return sorted(tuple(row) for row in session.rows("SELECT * FROM t"))
    finally:
        session.close()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_every_verb_reads_the_tables_that_the_plan_was_made_for(
    database: Database, config: Config, tmp_path: Path
) -> None:
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, because="test")
    name = database.url.rsplit("/", 1)[1]
    other = [TABLE.replace("t (", "other.t ("), "INSERT INTO other.t VALUES (10, NULL, 'theirs')"]
    execute(database, ["CREATE SCHEMA other", *other, f'ALTER DATABASE "{name}" SET search_path = other, public'])
    assert apply(config, path).states == {"applied": 4}
    report = apply(config, path, confirm="yes")
    assert report.states == {"applied": 4}
    seen = verify(config, report.run_id)
    assert (seen.sound, seen.intact, seen.remaining) == (True, 4, {"n": 0})
    assert undo(config, report.run_id).states == {"undone": 4}
    assert undo(config, report.run_id, confirm="yes").states == {"undone": 4}
    assert verify(config, report.run_id).remaining == {"n": 4}
