"""What is in quotes in a guard stays there: whatever a value holds, it is that value, and nothing else happens."""

import sqlite3
import string
from typing import Any

import psycopg
import pymysql
import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.engines import Database
from tests.proof import config_of, run_script
from trueup.checks.unknown_value import UnknownValue
from trueup.errors import Refused
from trueup.guard.contract import GuardDialect, guard_dialect
from trueup.reports.documents.migration import bound, migration
from trueup.verbs.guard import guard

pytestmark = pytest.mark.each_engine

NASTY = ["'", "''", '"', "`", "\\", "\\'", "\\\\'", "$$", "$trueup$", "$1", "%", "%s", "%(a)s", ":name", "\n", "\r\n",
         "--", "/*", "*/", ";", "//", "?", "{x}", "E'", "\t", "é", "😀", "'; DROP TABLE canary; --"]  # fmt: skip
VALUES = st.lists(
    st.one_of(st.sampled_from(NASTY), st.text(alphabet=string.printable, max_size=3), st.characters(codec="utf-8")),
    max_size=8,
).map(lambda parts: "".join(parts).replace("\0", ""))
EXAMPLES = (
    "\\'; DROP TABLE canary; --",
    "' || (SELECT 1) || '",
    "$trueup$; DROP TABLE canary; $trueup$",
    "a\n-- b\n c",
)


def connected(database: Database) -> Any:
    if database.engine == "sqlite":
        return sqlite3.connect(database.path, isolation_level=None)
    if database.engine == "postgresql":
        return psycopg.connect(database.url, autocommit=True)
    url = sa.make_url(database.url)
    return pymysql.connect(
        host=url.host,
        port=url.port or 0,
        user=url.username or "",
        database=url.database,
        autocommit=True,
        charset="utf8mb4",
    )


def modes(engine: str) -> list[str]:
    """The settings of a session of the application that decide how a text is read, beside the usual ones."""
    if engine == "postgresql":
        return ["SET standard_conforming_strings = on", "SET standard_conforming_strings = off"]
    if engine in ("mysql", "mariadb"):
        return ["SET SESSION sql_mode = 'STRICT_ALL_TABLES'", "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ANSI_QUOTES'"]
    return ["SELECT 1"]


def test_a_text_is_itself_and_nothing_more(database: Database) -> None:
    run_script(database, ["CREATE TABLE canary (id INTEGER PRIMARY KEY)"])
    words: GuardDialect = guard_dialect(database.engine)
    connection = connected(database)
    cursor = connection.cursor()

    @given(VALUES)
    @settings(max_examples=60)
    @example(EXAMPLES[0])
    @example(EXAMPLES[1])
    @example(EXAMPLES[2])
    def told(value: str) -> None:
        for mode in modes(database.engine):
            cursor.execute(mode)
            statement = f"SELECT {words.text(value)}"
            cursor.execute(statement.encode() if database.engine == "postgresql" else statement)
            assert cursor.fetchall()[0][0] == value
        cursor.execute("SELECT COUNT(*) FROM canary")
        assert cursor.fetchall()[0][0] == 0

    told()
    connection.close()


@pytest.mark.parametrize("value", EXAMPLES)
def test_a_guard_lets_the_value_through_and_no_other(database: Database, value: str) -> None:
    run_script(
        database,
        ["CREATE TABLE canary (id INTEGER PRIMARY KEY)", "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(100))"],
    )
    title = f"odd '\" {value}"
    check = UnknownValue(table="t", column="v", allowed=(value, "plain"), name=title)
    connection = connected(database)
    cursor = connection.cursor()
    cursor.execute("INSERT INTO t VALUES (1, 'plain')")
    report = guard(config_of(database, check), title, act="apply", transition=True)
    assert report.trial is not None
    assert report.trial.held is not False
    mark = "?" if database.engine == "sqlite" else "%s"
    for mode in modes(database.engine):
        cursor.execute(mode)
        cursor.execute(f"UPDATE t SET v = {mark} WHERE id = 1", ("plain",))
        cursor.execute(f"UPDATE t SET v = {mark} WHERE id = 1", (value,))
        with pytest.raises((sqlite3.Error, psycopg.Error, pymysql.Error), match="would break the check"):
            cursor.execute(f"UPDATE t SET v = {mark} WHERE id = 1", (value + "x",))
    guard(config_of(database, check), title, act="remove")
    cursor.execute(f"UPDATE t SET v = {mark} WHERE id = 1", (value + "x",))
    cursor.execute("SELECT COUNT(*) FROM canary")
    assert cursor.fetchall()[0][0] == 0
    connection.close()


def test_a_printed_guard_is_one_whatever_its_check_is_called(database: Database) -> None:
    run_script(
        database,
        ["CREATE TABLE canary (id INTEGER PRIMARY KEY)", "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(100))"],
    )
    title = 'odd\nDROP TABLE canary; """ \\'
    check = UnknownValue(table="t", column="v", allowed=("it's\\", "a:b", "\\:c"), name=title)
    made = guard(config_of(database, check), title, transition=True).guard
    printed = migration(made, "sql", database.engine)
    for line in printed.splitlines():
        assert not line.startswith("DROP TABLE canary")
    for form in ("django", "alembic"):
        compile(migration(made, form, database.engine), form, "exec")


@given(VALUES)
@example("\\:c")
@example("a:b::c \\:d")
def test_a_statement_in_an_alembic_migration_is_the_same_statement(value: str) -> None:
    try:
        escaped = bound(value)
    except Refused:
        return
    assert str(sa.text(escaped).compile(dialect=sa.dialects.registry.load("mysql")(paramstyle="named"))) == value
