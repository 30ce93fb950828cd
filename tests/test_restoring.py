"""A plan that goes back to a backup, on every engine."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests import clients
from tests.engines import Database
from tests.proof import config_of, run_script
from tests.rowhash import changed_rows, execute, row_hashes
from trueup.config.config import Config
from trueup.errors import PlanError, Refused, UsageError
from trueup.run import apply, status, undo, verify
from trueup.verbs.backup import backup
from trueup.verbs.restore import forget, restore_plan


@pytest.fixture
def config(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    clients.offer(database.engine, tmp_path, monkeypatch)
    rows = ", ".join(f"({n}, 'name {n}', {n}.25, '{{\"n\": {n}}}')" for n in range(1, 41))
    run_script(
        database,
        [
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(50), amount DECIMAL(12,2), metadata {JSON})",
            f"INSERT INTO users VALUES {rows}",
        ],
    )
    return replace(config_of(database), path=str(tmp_path / "trueup.yaml"))


def test_the_mistake_is_taken_back_and_what_else_was_written_stays(
    config: Config, database: Database, tmp_path: Path
) -> None:
    record = backup(config, folder=str(tmp_path / "backups"))
    before = row_hashes(database)
    execute(
        database,
        [
            "UPDATE users SET name = 'oops', metadata = '{}' WHERE id <= 12",
            "UPDATE users SET amount = 99 WHERE id = 40",
            "DELETE FROM users WHERE id = 39",
            "INSERT INTO users (id, name) VALUES (41, 'new')",
        ],
    )
    damaged = row_hashes(database)
    path = str(tmp_path / "restore.jsonl")
    found = restore_plan(config, record.file, "users", path, columns=["name", "metadata"])
    assert (dict(found.differing), found.gone, found.new) == ({"name": 12, "amount": 1, "metadata": 12}, 1, 1)
    assert found.plan is not None
    assert found.plan.summary.count == 12
    assert row_hashes(database) == damaged, "making the plan wrote"
    run = apply(config, path, confirm="yes", because="a script without WHERE")
    assert (run.state, run.states) == ("applied", {"applied": 12})
    assert changed_rows(before, row_hashes(database)) == {"users": {"39", "40", "41"}}
    seen = verify(config, run.run_id)
    assert (seen.sound, seen.intact, seen.untold) == (True, 12, ())
    forget(config, "users")
    # the check asks the copy that is gone: that says nothing about the run
    seen = verify(config, run.run_id)
    assert (seen.problems, seen.intact, dict(seen.remaining)) == ((), 12, {})
    assert [one.partition(": ")[0] for one in seen.untold] == ["check users-as-in-the-backup did not run"]
    kept = status(config, run.run_id)
    assert kept.state == "applied"
    assert kept.verified.startswith("sound; check users-as-in-the-backup did not run: ")
    assert undo(config, run.run_id, confirm="yes").states == {"undone": 12}
    assert row_hashes(database) == damaged


def test_a_table_that_is_as_in_the_backup_needs_no_plan(config: Config, tmp_path: Path) -> None:
    record = backup(config, folder=str(tmp_path / "backups"))
    found = restore_plan(config, record.file, "users", str(tmp_path / "restore.jsonl"))
    assert (found.plan, found.gone, found.new) == (None, 0, 0)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_what_is_no_verified_backup_of_this_database_is_refused(config: Config, tmp_path: Path) -> None:
    unverified = backup(config, folder=str(tmp_path / "backups"), verified=False)
    with pytest.raises(Refused, match="is not verified"):
        restore_plan(config, unverified.file, "users", "x")
    other = Database("sqlite", f"sqlite:///{tmp_path}/other.db")
    Path(other.path).touch()
    run_script(other, ["CREATE TABLE users (id INTEGER PRIMARY KEY)"])
    record = backup(replace(config, stores={"app": other.url}), folder=str(tmp_path / "others"))
    with pytest.raises(PlanError, match="the backup is of another database"):
        restore_plan(config, record.file, "users", "x")
    mine = backup(config, folder=str(tmp_path / "mine"))
    with pytest.raises(UsageError, match="there is no table 'user'; did you mean 'users'"):
        restore_plan(config, mine.file, "user", "x")


#: A column of then, its values in rows 1 to 4 of which only the last fits the column of now, and how it is narrowed.
NARROWED = {
    "text": (
        "VARCHAR(34)",
        ["'GB33BUKB20201555555555'", "'longer than ten'", "'just eleven'", "'short'"],
        "VARCHAR(10)",
    ),
    "scale": ("DECIMAL(12,4)", ["1234.5678", "0.0001", "-7.5000", "12.0000"], "DECIMAL(12,0)"),
    "range": ("BIGINT", ["99999999999", "-99999999999", "2147483648", "7"], "INTEGER"),
    "kind": ("VARCHAR(20)", ["'true'", "'007'", "'1.5'", "'7'"], "INTEGER"),
    "moment": (
        "{MOMENT}(6)",
        [
            "'2026-01-02 03:04:05.678901'",
            "'2026-01-02 03:04:05.5'",
            "'2026-01-02 23:59:59.999999'",
            "'2026-01-02 03:04:05'",
        ],
        "{MOMENT}(0)",
    ),
    "float": ("DOUBLE PRECISION", ["0.1", "16777217", "1.0000000001", "0.5"], "{FLOAT}"),
}


@pytest.mark.parametrize("engine", ["postgresql", "mysql", "mariadb"], indirect=True)
@pytest.mark.parametrize("narrowed", NARROWED)
def test_what_the_column_of_now_would_bend_is_left(
    config: Config, database: Database, tmp_path: Path, narrowed: str
) -> None:
    then, values, now = (
        NARROWED[narrowed][0].replace("{MOMENT}", "TIMESTAMP" if database.engine == "postgresql" else "DATETIME"),
        NARROWED[narrowed][1],
        NARROWED[narrowed][2]
        .replace("{MOMENT}", "TIMESTAMP" if database.engine == "postgresql" else "DATETIME")
        .replace("{FLOAT}", "REAL" if database.engine == "postgresql" else "FLOAT"),
    )
    rows = ", ".join(f"({n}, {value}, 'a')" for n, value in enumerate(values, 1))
    execute(
        database,
        [f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {then}, w VARCHAR(5))", f"INSERT INTO t (id, v, w) VALUES {rows}"],
    )
    record = backup(config, folder=str(tmp_path / "backups"))
    assert record.problems == ()
    narrow = (
        f"ALTER TABLE t ALTER v TYPE {now} USING v::{now}"
        if database.engine == "postgresql"
        else f"ALTER TABLE t MODIFY v {now}"
    )
    execute(database, ["UPDATE t SET v = NULL, w = 'b'", narrow])
    damaged = row_hashes(database)
    path = str(tmp_path / "restore.jsonl")
    found = restore_plan(config, record.file, "t", path)
    assert dict(found.unfit) == {"v": 3}
    assert (found.gone, found.new) == (0, 0)
    assert found.plan is not None
    assert found.plan.summary.count == 1
    assert row_hashes(database) == damaged
    run = apply(config, path, confirm="yes", because="a migration that narrowed a column")
    assert (run.state, run.states) == ("applied", {"applied": 1}), [one.reason for one in run.listed]
    assert changed_rows(damaged, row_hashes(database)) == {"t": {"4"}}
    # of the column that fits, all rows
    found = restore_plan(config, record.file, "t", path, columns=["w"])
    assert (dict(found.unfit), found.differing["w"]) == ({}, 3)
    forget(config, "t")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_what_a_column_of_another_type_would_take_for_something_else_is_left(
    config: Config, database: Database, tmp_path: Path
) -> None:
    execute(
        database,
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY, flag TEXT, number TEXT, same BOOLEAN)",
            "INSERT INTO t VALUES (1, 'true', '7', 'true'), (2, '1', 'seven', 1), (3, NULL, NULL, 'false')",
        ],
    )
    record = backup(config, folder=str(tmp_path / "backups"))
    execute(
        database,
        [
            "DROP TABLE t",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, flag BOOLEAN, number INTEGER, same BOOLEAN)",
            "INSERT INTO t VALUES (1, 0, 0, 0), (2, 0, 0, 0), (3, 0, 0, 0)",
        ],
    )
    path = str(tmp_path / "restore.jsonl")
    found = restore_plan(config, record.file, "t", path)
    # '7' would come back as 7, 'seven' as text in a column of numbers, 'true' as text in a boolean one
    assert dict(found.unfit) == {"flag": 2, "number": 2}
    assert (found.gone, found.new) == (0, 0)
    assert found.plan is not None
    assert found.plan.summary.count == 1
    found = restore_plan(config, record.file, "t", path, columns=["same"])
    assert dict(found.unfit) == {}
    assert apply(config, path, confirm="yes", because="a test").states == {"applied": 3}


def test_columns_and_keys_that_came_or_went_are_named(config: Config, database: Database, tmp_path: Path) -> None:
    record = backup(config, folder=str(tmp_path / "backups"))
    execute(database, ["ALTER TABLE users ADD COLUMN fresh INTEGER", "UPDATE users SET name = 'oops'"])
    path = str(tmp_path / "restore.jsonl")
    with pytest.raises(UsageError, match="the backup has no column 'fresh' in users"):
        restore_plan(config, record.file, "users", path, columns=["fresh"])
    found = restore_plan(config, record.file, "users", path)
    assert found.differing["name"] == 40
    assert "fresh" not in found.differing
