"""A trigger is taken for a guard of ours by its whole text: neither by its name nor by what it looks like."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests.dialects.opened import opened
from tests.engines import Database
from tests.test_guarding import CHECKS, NAMES, ready
from trueup.check import Check
from trueup.checks.orphan import Orphan
from trueup.checks.stale_total import StaleTotal
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.engines._innodb.own_triggers import is_guard
from trueup.engines.sqlite.guard import SqliteGuards
from trueup.errors import Refused
from trueup.verbs.guard import guard

pytestmark = pytest.mark.each_engine

SQLITE_GUARDS = [
    """CREATE TRIGGER "trueup_guard_x_ins" BEFORE INSERT ON "t" WHEN new."v" < 0
    BEGIN SELECT RAISE(ABORT, 'no'); END""",
    """CREATE TRIGGER trueup_guard_x_upd BEFORE UPDATE OF "v", "a b" ON "t" WHEN (new."v" IS NOT old."v") AND
    (new."v" = 'it''s; BEGIN RAISE') BEGIN SELECT RAISE(ABORT, 'x: t.v would; break'); END""",
]
# each of these is one that SQLite takes
SQLITE_DISGUISES = {
    "does more": "BEFORE INSERT ON t WHEN new.v < 0 BEGIN UPDATE n SET x = 1; SELECT RAISE(ABORT, 'no'); END",
    "comes after": "AFTER INSERT ON t WHEN new.v < 0 BEGIN SELECT RAISE(ABORT, 'no'); END",
    "leaves the row out": "BEFORE INSERT ON t WHEN new.v < 0 BEGIN SELECT RAISE(IGNORE); END",
    "rolls back": "BEFORE INSERT ON t WHEN new.v < 0 BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
    "leaves it out in its condition": (
        "BEFORE INSERT ON t WHEN (SELECT RAISE(IGNORE)) BEGIN SELECT RAISE(ABORT, 'no'); END"
    ),
    "rolls back in its condition": "BEFORE INSERT ON t WHEN raise(ROLLBACK, 'x') BEGIN SELECT RAISE(ABORT, 'no'); END",
    "a backslash that escapes nothing": (
        r"BEFORE INSERT ON t WHEN '\' < 'a' BEGIN UPDATE n SET x = '; BEGIN SELECT RAISE(ABORT, ';"
        " SELECT RAISE(ABORT, 'no'); END"
    ),
    "a quote in a comment": (
        "BEFORE INSERT ON t WHEN new.v < 0 /* ' */ BEGIN UPDATE n SET x = 1; SELECT 1 AS [']; "
        "SELECT RAISE(ABORT, 'no'); END"
    ),
    "a quote in a comment of a line": (
        "BEFORE INSERT ON t WHEN new.v < 0 -- '\n BEGIN UPDATE n SET x = 1; SELECT 1; --'\n "
        "SELECT RAISE(ABORT, 'no'); END"
    ),
    "a quote in brackets": (
        "BEFORE INSERT ON t WHEN 1 = (SELECT 1 AS [']) BEGIN UPDATE n SET x = 1; SELECT 1 AS ['];"
        " SELECT RAISE(ABORT, 'no'); END"
    ),
    "a quote in backticks": (
        "BEFORE INSERT ON t WHEN 1 = (SELECT 1 AS `'`) BEGIN UPDATE n SET x = 1; SELECT 1 AS `'`;"
        " SELECT RAISE(ABORT, 'no'); END"
    ),
}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("text", SQLITE_GUARDS, ids=["insert", "update"])
def test_a_guard_of_sqlite_is_known(database: Database, text: str) -> None:
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute('CREATE TABLE t (v, "a b")')
        connection.execute(text)
        connection.execute("ALTER TABLE t RENAME TO u")
        connection.execute("ALTER TABLE u RENAME COLUMN v TO w")
    with opened(database) as session:
        assert session.table("u").obstacles == ()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("disguise", SQLITE_DISGUISES)
def test_a_trigger_of_sqlite_that_only_looks_like_a_guard_is_not_taken_for_one(
    database: Database, disguise: str
) -> None:
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        connection.execute("CREATE TABLE n (x)")
        connection.execute(f"CREATE TRIGGER trueup_guard_x {SQLITE_DISGUISES[disguise]}")
    with opened(database) as session:
        (obstacle,) = session.table("t").obstacles
    assert obstacle == "it has the trigger 'trueup_guard_x', whose effects would not be journaled"


REFUSE = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF"


@pytest.mark.parametrize(
    "text",
    [
        f"IF NEW.`v` < 0 THEN {REFUSE}",
        f"IF (NOT (NEW.`v` <=> OLD.`v`)) AND (coalesce(json_type(NEW.`v`), 'it''s; \\\\') IN ('A')) THEN {REFUSE}",
        f"IF NOT (EXISTS (SELECT 1 FROM `t` AS p WHERE p.`id` = NEW.`v`)) THEN {REFUSE}",
    ],
)
def test_a_guard_of_innodb_is_known(text: str) -> None:
    assert is_guard("trueup_guard_x_ins", text)


@pytest.mark.parametrize(
    "text",
    [
        f"IF log_it(NEW.v) THEN {REFUSE}",
        f"IF log_it (NEW.v) THEN {REFUSE}",
        f"IF `log_it`(NEW.v) THEN {REFUSE}",
        f"IF audit.lower(NEW.v) THEN {REFUSE}",
        f"IF sleep(9) THEN {REFUSE}",
        f"IF (SELECT @x := NEW.v) THEN {REFUSE}",
        f"BEGIN INSERT INTO log VALUES (1); IF NEW.v THEN {REFUSE}; END",
        f"IF NEW.v THEN INSERT INTO log VALUES (1); {REFUSE}",
        # a server that takes the backslash for a letter runs what another takes for a literal
        f"IF NEW.v = '\\' OR log_it(1) OR ' ' THEN {REFUSE}",
        f"IF NEW.v /* ' */ THEN INSERT INTO log VALUES (1); -- '\n {REFUSE}",
        f"IF NEW.v /*! OR log_it(1) */ THEN {REFUSE}",
        f"IF NEW.v # ' \n THEN INSERT INTO log VALUES ('1'); {REFUSE}",
    ],
)
def test_a_trigger_of_innodb_that_only_looks_like_a_guard_is_not_taken_for_one(text: str) -> None:
    assert not is_guard("trueup_guard_x_ins", text)
    assert not is_guard("_trueup_guard", text)


@pytest.mark.parametrize("engine", ["sqlite", "mysql", "mariadb"], indirect=True)
@pytest.mark.parametrize(("check", "column", "bad"), CHECKS, ids=NAMES)
def test_every_guard_that_is_installed_is_known_for_one(
    database: Database, check: Check, column: str, bad: str
) -> None:
    config = ready(database, check)
    try:
        guard(config, "guarded", act="apply")
    except Refused:
        return  # the engine has no words for it
    with opened(database) as session:
        assert session.table("events").obstacles == ()


JSON_CHECKS = [
    WrongJsonType(table="events", column="metadata.lang", expected=("string",), name="guarded"),
    Orphan(table="events", column="metadata.user", references="users.id", name="guarded"),
    StaleTotal(table="events", column="metadata.user", equals="user_id", name="guarded"),
    StaleTotal(table="events", column="user_id", equals="metadata.user", name="guarded"),
]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("check", JSON_CHECKS)
def test_a_guard_of_json_is_made_of_functions_that_old_libraries_know(database: Database, check: Check) -> None:
    """A library that cannot parse a trigger cannot open the database: operators are newer than functions."""
    report = guard(ready(database, check), "guarded")
    text = " ".join(step.sql for step in report.guard.install)
    assert "json_" in text
    assert "->" not in text
    assert any("trusted_schema=OFF" in note for note in report.guard.notes)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_part_of_a_document_reads_as_it_does_by_the_operator(database: Database) -> None:
    values = ["1", "-0", "1.5", "1e2", '"x"', '"\\u00e9\\n"', "true", "false", "null", "[1, {}]", '{"b": ""}']
    documents = [f'{{"a": {value}}}' for value in values] + ["{}", "[]", "no json", None]
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("CREATE TABLE t (v TEXT)")
        connection.executemany(
            "INSERT INTO t VALUES (?)", [(one,) for one in [*documents, "{}", "[]", "no json", None]]
        )
        connection.commit()
    with opened(database) as session:
        value = session.table("t").sql.c.v
        native = SqliteGuards().native(None)  # type: ignore[arg-type]  # the row is not asked
        told = session.ask(native.json_get(value, "text", ["a"]))
        same = session.ask(sa.case((sa.func.json_valid(value) == 1, value.op("->")("$.a")), else_=sa.null()))
    assert [None if one is None else json.loads(one) for one in told] == [
        None if one is None else json.loads(one) for one in same
    ]
    assert [one is None for one in told] == [one is None for one in same]
