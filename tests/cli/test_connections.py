"""Databases that cannot be reached: one line with the store and its place, exit 3, no password, nothing made."""

import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.cli import shop
from tests.cli.conftest import Told, Trueup
from tests.engines import Database
from trueup import discovery

DRIVERS = {
    "postgresql": ("psycopg", "psycopg2", "pg8000", "asyncpg"),
    "mysql": ("pymysql", "MySQLdb", "mysql", "mariadb"),
    "mariadb": ("pymysql", "MySQLdb", "mysql", "mariadb"),
}


def is_one_line_without_the_password(told: Told, code: int = 3) -> bool:
    return told.code == code and told.out == "" and told.err.count("\n") == 1 and "hunter2" not in told.err


def known(engine: str) -> None:
    if engine not in discovery.names("engines"):
        pytest.skip(f"there is no dialect for {engine} yet")


@pytest.mark.parametrize("engine", DRIVERS)
def test_a_server_that_is_not_there_is_named(trueup: Trueup, engine: str) -> None:
    known(engine)
    told = trueup("scan", f"{engine}://me:hunter2@127.0.0.1:1/app")
    assert is_one_line_without_the_password(told), told
    assert told.err.startswith(f"trueup: store 'app' ({engine}://127.0.0.1:1/app): cannot connect: ")


@pytest.mark.parametrize("engine", DRIVERS)
def test_a_missing_driver_names_the_extra(trueup: Trueup, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    known(engine)
    for name in DRIVERS[engine]:
        monkeypatch.setitem(sys.modules, name, None)
    told = trueup("scan", f"{engine}://me:hunter2@127.0.0.1:1/app")
    assert is_one_line_without_the_password(told, told.code), told
    assert told.code in (2, 3)
    assert "pip install 'trueup[" in told.err


def test_a_user_who_may_not_enter_is_told_so(trueup: Trueup, database: Database) -> None:
    if database.engine == "sqlite":
        pytest.skip("SQLite has no users")
    known(database.engine)
    url = make_url(database.url).set(username="nobody_here", password="hunter2")
    told = trueup("scan", url.render_as_string(hide_password=False))
    assert is_one_line_without_the_password(told), told
    assert told.err.startswith(f"trueup: store 'app' ({database.engine}://127.0.0.1:")


def test_a_database_that_is_not_there_is_named(trueup: Trueup, database: Database) -> None:
    if database.engine == "sqlite":
        pytest.skip("a file: see below")
    known(database.engine)
    url = make_url(database.url).set(database="no_such_database")
    told = trueup("scan", url.render_as_string(hide_password=False))
    assert is_one_line_without_the_password(told), told


def test_a_file_that_is_not_there_is_not_made(trueup: Trueup) -> None:
    told = trueup("scan", "sqlite:///nowhere.db")
    assert is_one_line_without_the_password(told), told
    assert told.err == f"trueup: there is no database file '{Path.cwd() / 'nowhere.db'}'\n"
    assert not Path("nowhere.db").exists()


def test_a_file_that_is_no_database_is_refused(trueup: Trueup) -> None:
    Path("notes.db").write_text("dear diary, " * 100)
    told = trueup("scan", "sqlite:///notes.db")
    assert is_one_line_without_the_password(told), told
    assert "dear diary" not in told.err


def test_a_database_that_cannot_be_written_is_left_alone(trueup: Trueup) -> None:
    trueup("plan", "-o", "plan.jsonl")
    before = shop.contents()
    text = Path("trueup.yaml").read_text().replace("sqlite:///shop.db", "sqlite:///file:shop.db?mode=ro&uri=true")
    Path("trueup.yaml").write_text(text)
    told = trueup("apply", "plan.jsonl", "--yes")
    assert told.code in (2, 3)
    assert told.err.count("\n") == 1
    assert shop.contents() == before
