"""Statements that change the rows they name, and no others: conflict clauses, references, and deletes by key."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from tests.dialects.opened import Opened, opened
from tests.engines import Database
from tests.proof import config_of
from trueup.checks.missing import Missing
from trueup.run import apply, make_plan

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

ROWS = [(1, "ann", "a", 1), (2, "bob", "b", 2), (3, "cid", "c", 3)]
CLAUSES = ["REPLACE", "IGNORE", "FAIL", "ROLLBACK", "ABORT"]


def script(database: Database, *statements: str) -> None:
    with closing(sqlite3.connect(database.path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def rows(session: Opened, table: str = "t") -> list[tuple[Any, ...]]:
    return [tuple(row) for row in session.connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1")]


# -- conflict clauses -----------------------------------------------------------------------------
def conflicting(session: Opened) -> Sequence[sa.Executable]:
    """The writes of an apply and of an undo that meet another row's value, or a constraint of their own row."""
    t, exact = session.table("t").sql, session.dialect.exact
    image = sa.select(sa.literal(9), sa.literal("new"), sa.literal("a"), sa.literal(9))
    return [
        exact(sa.update(t).values(name="ann").where(t.c.id == 2)),
        exact(sa.update(t).values(pair="a", n=1).where(t.c.id == 2)),
        exact(sa.update(t).values(note=None).where(t.c.id == 2)),
        exact(sa.update(t).values(n=-1).where(t.c.id == 2)),
        exact(sa.insert(t).from_select(["id", "name", "pair", "n"], image.where(sa.literal(1) == 1))),
        exact(sa.insert(t).values(id=1, name="new", pair="z", n=9)),
        exact(sa.insert(t).values(id=9, name="ann", pair="z", n=9)),
    ]


@pytest.mark.parametrize("recursive", ["ON", "OFF"])
@pytest.mark.parametrize("clause", CLAUSES)
def test_an_exact_write_that_meets_a_conflict_fails_and_changes_nothing(
    database: Database, clause: str, recursive: str
) -> None:
    on = f"ON CONFLICT {clause}"
    script(
        database,
        f"CREATE TABLE t (id INTEGER PRIMARY KEY {on}, name TEXT UNIQUE {on}, pair TEXT, n INT CHECK (n > 0),"
        f" note TEXT NOT NULL {on} DEFAULT 'x', UNIQUE (pair) {on}, UNIQUE (pair, n) {on})",
        *(f"INSERT INTO t (id, name, pair, n) VALUES {row}" for row in ROWS),
    )
    with opened(database, write=True) as session:
        session.connection.exec_driver_sql(f"PRAGMA recursive_triggers={recursive}")
        before = rows(session)
        # a write of ours that came before in the same transaction must outlive the failure
        mine = session.table("t").sql
        session.connection.execute(session.dialect.exact(sa.update(mine).values(n=30).where(mine.c.id == 3)))
        for statement in conflicting(session):
            with pytest.raises(DBAPIError) as error:
                session.connection.execute(statement)
            assert "constraint failed" in session.dialect.describe(error.value)
        driver = session.connection.connection.driver_connection
        assert driver is not None
        assert driver.in_transaction
        assert rows(session) == [*before[:2], (3, "cid", "c", 30, "x")]


def test_without_it_a_schema_would_have_deleted_another_row(database: Database) -> None:
    """What `exact` is for: the statement as SQLAlchemy words it, on the same table."""
    script(
        database,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE ON CONFLICT REPLACE)",
        "INSERT INTO t VALUES (1, 'ann'), (2, 'bob')",
    )
    with opened(database, write=True) as session:
        t = session.table("t").sql
        assert session.connection.execute(sa.update(t).values(name="ann").where(t.c.id == 2)).rowcount == 1
        assert rows(session) == [(2, "ann")]


# -- references -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("parent", "child", "key", "refers"),
    [
        ("TEXT COLLATE NOCASE", "TEXT", "'ann'", "'ANN'"),
        ("TEXT", "TEXT COLLATE NOCASE", "'ann'", "'ann'"),
        ("TEXT COLLATE RTRIM", "TEXT", "'ann'", "'ann  '"),
        ("TEXT", "INTEGER", "'7'", "7"),
        ("INTEGER", "TEXT", "7", "'7'"),
        ("NUMERIC", "", "7", "7.0"),
        ("", "", "7", "7"),
    ],
)
def test_a_child_that_sqlite_would_delete_along_is_seen(
    database: Database, parent: str, child: str, key: str, refers: str
) -> None:
    script(
        database,
        f"CREATE TABLE p (k {parent} PRIMARY KEY)",
        f"CREATE TABLE c (id INTEGER PRIMARY KEY, p {child} REFERENCES P (K) ON DELETE CASCADE ON UPDATE CASCADE)",
        f"INSERT INTO p VALUES ({key})",
        f"INSERT INTO c VALUES (1, {refers})",
    )
    with opened(database, write=True) as session:
        (reference,) = session.table("p").referenced_by
        p, c = session.table("p").sql, session.table(reference.table).sql
        told = session.dialect.refers(c.c[reference.columns[0]], p.c[reference.parent_columns[0]])
        seen = session.connection.execute(sa.select(sa.func.count()).select_from(c.join(p, told))).scalar_one()
        session.connection.execute(sa.delete(p))
        assert rows(session, "c") == []
        assert seen == 1


@pytest.mark.parametrize(
    ("parent", "child", "key", "other"),
    [
        ("TEXT", "TEXT COLLATE NOCASE", "'ann'", "'ANN'"),
        ("TEXT", "TEXT COLLATE RTRIM", "'ann'", "'ann  '"),
        ("", "", "7", "'7'"),
        ("BLOB", "BLOB", "'a'", "x'61'"),
    ],
)
def test_a_child_that_only_its_own_collation_finds_equal_does_not_refer(
    database: Database, parent: str, child: str, key: str, other: str
) -> None:
    script(
        database,
        f"CREATE TABLE p (k {parent} PRIMARY KEY)",
        f"CREATE TABLE c (id INTEGER PRIMARY KEY, p {child} REFERENCES p ON DELETE CASCADE)",
        f"INSERT INTO p VALUES ({key})",
        f"INSERT INTO c VALUES (1, {other})",
    )
    with opened(database, write=True) as session:
        p, c = session.table("p").sql, session.table("c").sql
        told = session.dialect.refers(c.c.p, p.c.k)
        assert session.connection.execute(sa.select(sa.func.count()).select_from(c.join(p, told))).scalar_one() == 0
        session.connection.execute(sa.delete(p))
        assert len(rows(session, "c")) == 1


def test_a_reference_is_told_as_the_catalogue_spells_its_tables_and_columns(database: Database) -> None:
    script(
        database,
        'CREATE TABLE "Par" ("Code" TEXT, b INT, PRIMARY KEY ("Code", b)) WITHOUT ROWID',
        'CREATE TABLE c (x TEXT, "Y" INT, FOREIGN KEY (X, y) REFERENCES PAR (cODE, B) ON UPDATE SET NULL)',
        "CREATE TABLE self (id INTEGER PRIMARY KEY, up INT REFERENCES SELF (ID) DEFERRABLE INITIALLY DEFERRED)",
    )
    with opened(database) as session:
        (reference,) = session.table("Par").referenced_by
        assert (reference.table, reference.columns) == ("c", ("x", "Y"))
        assert (reference.parent, reference.parent_columns) == ("Par", ("Code", "b"))
        assert reference.on_update == "SET NULL"
        (up,) = session.table("self").references
        assert session.table("self").referenced_by == (up,)
        assert (up.parent, up.parent_columns) == ("self", ("id",))


# -- deletes by key -------------------------------------------------------------------------------
KEYS = {
    "TEXT": ["'k1'", "'K1'", "'k2'"],
    "TEXT COLLATE NOCASE": ["'k1'", "'k2'", "'k3'"],
    "INTEGER": ["1", "2", "9223372036854775807"],
    "": ["7", "'7'", "x'37'"],
    "REAL": ["0.5", "9e999", "-1e-300"],
    "BLOB": ["x'00'", "'7'", "7"],
}


def deleting(session: Opened) -> sa.Delete:
    """The DELETE of a quarantine whose images are in `i`; those of run 'r' up to 2 are the chunk."""
    table, image = session.table("t"), session.table("i").sql
    keys = [(table.sql.c[name], image.c[f"k{i}"]) for i, name in enumerate(table.key)]
    where = sa.and_(image.c.run_id == sa.bindparam("run"), image.c.seq.between(1, sa.bindparam("last")))
    return sa.delete(table.sql).where(session.dialect.chosen(keys, image, where))


@pytest.mark.parametrize("declared", KEYS)
@pytest.mark.parametrize("composite", [False, True])
def test_a_quarantine_deletes_the_rows_of_its_chunk_and_no_others(
    database: Database, declared: str, composite: bool
) -> None:
    parts, own = ("k, b", ", 1") if composite else ("k", "")
    script(
        database,
        f"CREATE TABLE t (k {declared}, b INT, PRIMARY KEY ({parts}))",
        "CREATE TABLE i (run_id TEXT, seq INT, k0, k1, PRIMARY KEY (run_id, seq))",
        *(f"INSERT INTO t VALUES ({key}, 1)" for key in KEYS[declared]),
        # copied as a chunk copies, so that classes are as the table stores them
        f"INSERT INTO i SELECT 'r', row_number() OVER (ORDER BY rowid), k{own or ', NULL'} FROM t",
        "INSERT INTO i SELECT 'other', seq, k0, k1 FROM i",
    )
    with opened(database, write=True) as session:
        before = rows(session)
        last = session.connection.exec_driver_sql("SELECT k FROM t ORDER BY rowid DESC LIMIT 1").scalar_one()
        done = session.connection.execute(deleting(session), {"run": "r", "last": 2})
        assert done.rowcount == 2
        assert rows(session) == [row for row in before if row[0] == last and type(row[0]) is type(last)]


@pytest.mark.parametrize("analysed", [False, True])
@pytest.mark.parametrize(
    "key",
    [
        "k TEXT PRIMARY KEY",
        "k TEXT COLLATE NOCASE PRIMARY KEY",
        "k INTEGER PRIMARY KEY",
        "k INT, b INT, PRIMARY KEY (k, b)",
        "k INT, b INT, PRIMARY KEY (k, b)) WITHOUT ROWID",
    ],
)
def test_a_quarantine_finds_its_rows_by_key(database: Database, key: str, analysed: bool) -> None:
    script(
        database,
        f"CREATE TABLE t ({key}{'' if key.endswith('ROWID') else ')'}",
        "CREATE TABLE i (run_id TEXT, seq INT, k0, k1, PRIMARY KEY (run_id, seq))",
    )
    two = "b INT" in key
    numbers = "WITH n AS (VALUES (1) UNION ALL SELECT column1 + 1 FROM n WHERE column1 < 5000) "
    script(
        database,
        numbers.replace("WITH", "WITH RECURSIVE") + f"INSERT INTO t SELECT column1{', 1' if two else ''} FROM n",
        f"INSERT INTO i SELECT 'r', row_number() OVER (), k, {'b' if two else 'NULL'} FROM t LIMIT 200",
        *(["ANALYZE"] if analysed else []),
    )
    with opened(database, write=True) as session:
        text = str(deleting(session).compile(session.connection, compile_kwargs={"render_postcompile": True}))
        plan = session.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ("r", 1, 2)).all()
        steps = [str(row[3]) for row in plan]
        assert any(step.startswith("SEARCH t ") for step in steps), steps
        assert any(step.startswith("SEARCH i ") for step in steps), steps
        assert not any(step.startswith("SCAN") for step in steps), steps


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION"])
def test_a_row_that_a_child_refers_to_in_another_spelling_stays(
    database: Database, tmp_path: Path, action: str
) -> None:
    script(
        database,
        "CREATE TABLE p (code TEXT PRIMARY KEY COLLATE NOCASE, name TEXT)",
        f"CREATE TABLE c (id INTEGER PRIMARY KEY, code TEXT DEFAULT 'bob' REFERENCES P (CODE) ON DELETE {action})",
        "INSERT INTO p VALUES ('ann', NULL), ('cid', NULL), ('bob', 'b')",
        "INSERT INTO c VALUES (1, 'ANN')",
    )
    config = config_of(database, Missing(table="p", column="name", repair=("quarantine",), name="m"))
    plan = str(tmp_path / "plan.jsonl")
    assert make_plan(config, plan).summary.count == 1
    # and one that comes after the plan
    script(database, "INSERT INTO c VALUES (2, 'CID')")
    assert apply(config, plan, confirm="yes").states == {"blocked": 1}
    with opened(database) as session:
        assert rows(session, "p") == [("ann", None), ("bob", "b"), ("cid", None)]
        assert rows(session, "c") == [(1, "ANN"), (2, "CID")]
