"""A store that is out of room is no fault of the row that was being written: it is not blamed, and the run goes on."""

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.engines import Database
from tests.rowhash import execute, row_hashes
from trueup.checks.out_of_range import OutOfRange
from trueup.config.config import Config
from trueup.errors import StoreError
from trueup.run import apply, make_plan, undo
from trueup.stores.sql import SqlStore

CHECK = OutOfRange(table="t", column="a", maximum="10", name="a", repair=("clamp",))
FULL = {
    # what an application raises with such a code is its own: the server itself has to run out of something
    "postgresql": (
        "SET LOCAL work_mem = '64kB'; SET LOCAL temp_file_limit = '64kB';"
        " SELECT count(*) FROM (SELECT i FROM generate_series(1, 200000) AS i ORDER BY -i) AS sorted"
    ),
    "mysql": "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1021, MESSAGE_TEXT = 'no room'",
    "mariadb": "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1021, MESSAGE_TEXT = 'no room'",
}


@pytest.mark.parametrize("engine", list(FULL), indirect=True)
def test_a_full_disk_is_told_from_a_bad_row(database: Database) -> None:
    store = SqlStore("app", database.url)
    connection = store.open(write=True)
    with pytest.raises(DBAPIError) as full:
        connection.execute(text(FULL[database.engine]))
    connection.rollback()
    with pytest.raises(DBAPIError) as wrong:
        connection.execute(text("SELECT 1 FROM there_is_no_such_table"))
    assert store.dialect.exhausted(full.value)
    assert not store.dialect.exhausted(wrong.value)
    connection.close()
    store.close()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_run_on_a_full_disk_ends_and_goes_on_when_there_is_room(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = ", ".join(f"({i}, {99 if i % 2 else 5})" for i in range(1, 2001))
    execute(database, ["CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)", f"INSERT INTO t VALUES {values}"])
    config, plan = (
        Config(environment="test", stores={"app": database.url}, checks=(CHECK,)),
        str(tmp_path / "plan.jsonl"),
    )
    make_plan(config, plan, because="test")
    before = row_hashes(database)
    whole = SqlStore.open

    def small(self: SqlStore, *, write: bool = False) -> object:
        connection = whole(self, write=write)
        if write:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 20}")
            connection.rollback()
        return connection

    with monkeypatch.context() as here:
        here.setattr(SqlStore, "open", small)
        with pytest.raises(StoreError, match=r"full .*what was written is journaled"):
            apply(config, plan, confirm="yes", because="test")
    assert apply(config, plan, confirm="yes", because="test").states == {"applied": 1000}
    assert undo(config, "last", confirm="yes").states == {"undone": 1000}
    assert row_hashes(database) == before
