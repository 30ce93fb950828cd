"""The statements for an SQL console run as they are printed, by plain drivers, and find what a scan finds."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import psycopg
import pymysql
import pytest

from tests.engines import ENGINES, Database
from tests.proof import config_of, run_script
from tests.rowhash import _connect_mysql
from trueup.check import Check
from trueup.checks.duplicate import Duplicate
from trueup.checks.missing import Missing
from trueup.checks.orphan import Orphan
from trueup.checks.out_of_range import OutOfRange
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.run import scan, statements

CHECKS: Sequence[Check] = (
    WrongJsonType(table="events", column="body", expected=("object",), group_by="kind", context=("at",)),
    Orphan(table="events", column="body.user", references="users.id"),
    Orphan(table="events", column="user_id", references="users.id"),
    Missing(table="events", column="kind", blank=True),
    OutOfRange(table="events", column="points", minimum="0", maximum="100"),
    Duplicate(table="users", column="email", ignore=("case", "space", "unicode")),
)
SCRIPT = [
    "CREATE TABLE users (id INTEGER PRIMARY KEY, email {TEXT_KEY})",
    "INSERT INTO users VALUES (1, 'ann@x.org'), (2, ' ANN@x.org'), (3, '100%@x.org'), (4, 'e\u0301'), (5, '\xe9')",
    """CREATE TABLE events (id INTEGER PRIMARY KEY, kind VARCHAR(20), points INTEGER, user_id INTEGER,
       at TIMESTAMP NULL, body {JSON})""",
    """INSERT INTO events VALUES
       (1, 'seen', 5, 1, '2024-01-31 08:30:00', '{"user": 1}'), (2, '  ', -1, 9, '2024-01-31 09:30:00', '[]'),
       (3, '%s 100%', 101, NULL, NULL, '{"user": 9}'), (4, NULL, 7, 2, NULL, '"{}"')""",
]


def asked(database: Database, sql: str) -> list[Any]:
    connection: Any
    if database.engine == "sqlite":
        connection = sqlite3.connect(database.path)
    elif database.engine == "postgresql":
        connection = psycopg.connect(database.url)
    else:
        connection = _connect_mysql(database)
    assert isinstance(connection, sqlite3.Connection | psycopg.Connection | pymysql.Connection)
    try:
        cursor: Any = connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall())
    finally:
        connection.close()


@pytest.mark.each_engine
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.title)
def test_printed_statements_run_and_agree_with_the_scan(database: Database, check: Check) -> None:
    run_script(database, SCRIPT)
    config = config_of(database, check)
    (result,) = scan(config).results
    assert result.findings
    printed = {statement.purpose: statement.sql for statement in statements(config)}
    if database.engine == "sqlite" and check.kind in ("missing", "duplicate"):
        # white space and case in Unicode are beyond SQLite's own functions
        assert all("only trueup's own sessions have" in purpose for purpose in printed)
        return
    answers = {purpose: asked(database, sql) for purpose, sql in printed.items()}
    assert {"broken rows", "overall"} <= set(answers)
    for purpose, rows in answers.items():
        if purpose == "broken rows":
            assert len(rows) == result.findings
        elif purpose == "overall":
            assert int(rows[0][-2 if len(rows[0]) > 1 else 0]) == result.findings
        elif purpose.startswith("broken rows by"):
            assert sum(int(row[-1]) for row in rows) == result.findings


@pytest.mark.any_server
@pytest.mark.parametrize("wording", ENGINES)
def test_statements_are_worded_for_any_engine(database: Database, wording: str) -> None:
    run_script(database, SCRIPT)
    for statement in statements(config_of(database, *CHECKS), dialect=wording):
        if statement.sql:
            assert statement.sql.startswith("SELECT ")
        else:
            # NFC is beyond these engines: what to replace is read from the data, by a session of theirs
            assert database.engine != wording
            assert wording in ("mysql", "mariadb")
            assert statement.purpose.startswith("no statement: its wording for")
            assert statement.check == "duplicate-users-email"
