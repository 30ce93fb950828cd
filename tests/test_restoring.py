"""A plan that goes back to a backup, on every engine."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests import clients
from tests.engines import Database
from tests.proof import config_of, run_script
from tests.rowhash import changed_rows, execute, row_hashes
from trueup.config import Config
from trueup.errors import PlanError, Refused, UsageError
from trueup.run import apply, undo
from trueup.runbook.backup import backup
from trueup.runbook.restore import forget, restore_plan


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
    assert undo(config, run.run_id, confirm="yes").states == {"undone": 12}
    assert row_hashes(database) == damaged
    forget(config, "users")


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
