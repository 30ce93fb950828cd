"""The index that is advised is one that the engine takes, and uses."""

from pathlib import Path

import pytest

from tests import clients
from tests.engines import Database
from tests.proof import config_of, run_script
from trueup.checks.orphan import Orphan
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.verbs.advise import advise
from trueup.verbs.backup import backup

JSON = WrongJsonType(table="events", column="metadata", expected=("object",), name="metadata")
USERS = Orphan(table="events", column="user_id", references="users.id", name="users")


def test_the_advised_index_is_used_on_a_copy_and_not_made_here(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients.offer(database.engine, tmp_path, monkeypatch)
    rows = ", ".join(f"({n}, {n % 5 + 1}, '{'42' if n % 500 == 0 else '{}'}')" for n in range(1, 3001))
    run_script(
        database,
        [
            "CREATE TABLE users (id INTEGER PRIMARY KEY)",
            "INSERT INTO users VALUES (1), (2), (3), (4), (5)",
            "CREATE TABLE events (id INTEGER PRIMARY KEY, user_id INTEGER, metadata {JSON})",
            f"INSERT INTO events VALUES {rows}",
        ],
    )
    config = config_of(database, JSON, USERS)
    record = backup(config, folder=str(tmp_path / "backups"))
    json_index, user_index = advise(config, backup=record.file)
    assert "trueup_index_metadata" in json_index.index
    assert not any("trueup_index" in line for line in json_index.before)
    assert any("trueup_index_metadata" in line for line in json_index.after), json_index.after
    assert user_index.why == "rows are compared by these columns, and no index begins with them"
    assert user_index.after
    again, _ = advise(config)
    assert (again.before, again.after) == (json_index.before, ())


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_column_with_an_index_needs_no_other(database: Database) -> None:
    run_script(
        database,
        [
            "CREATE TABLE users (id INTEGER PRIMARY KEY)",
            "CREATE TABLE events (id INTEGER PRIMARY KEY, user_id INTEGER, metadata TEXT)",
            "CREATE INDEX by_user ON events (user_id, id)",
        ],
    )
    (found,) = advise(config_of(database, USERS))
    assert (found.why, found.index) == ("(user_id) has an index already", "")
