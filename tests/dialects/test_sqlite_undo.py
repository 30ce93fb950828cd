"""Rows moved out and brought back: in tables with everything that SQLite lets a column be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.engines import Database
from tests.proof import config_of
from trueup.checks.missing import Missing
from trueup.run import apply, make_plan, undo, verify

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

TABLES = {
    "generated": (
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INT, v INT AS (n * 2),"
            " s TEXT AS (id || typeof(n)) STORED UNIQUE)"
        ),
        "INSERT INTO t (id, name, n) VALUES (?, ?, ?)",
    ),
    "strict": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n ANY, r REAL NOT NULL DEFAULT 1, b BLOB) STRICT",
        "INSERT INTO t (id, name, n) VALUES (?, ?, ?)",
    ),
    "without rowid": (
        "CREATE TABLE t (k TEXT COLLATE NOCASE, name TEXT, n, PRIMARY KEY (k, n)) WITHOUT ROWID",
        "INSERT INTO t (k, name, n) VALUES (?, ?, ?)",
    ),
    "expressions as defaults": (
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, n, at TEXT DEFAULT (datetime('now')),"
            " r NOT NULL DEFAULT (abs(random())))"
        ),
        "INSERT INTO t (id, name, n) VALUES (?, ?, ?)",
    ),
    "conflict clauses": (
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, name TEXT, n UNIQUE ON CONFLICT REPLACE,"
            " m NOT NULL ON CONFLICT REPLACE DEFAULT 'd', CHECK (length(m) > 0) ON CONFLICT IGNORE)"
        ),
        "INSERT INTO t (id, name, n) VALUES (?, ?, ?)",
    ),
    "a name of rowid's": (
        'CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n, rowid, oid, _rowid_, "we""ird*" DEFAULT 1.0)',
        "INSERT INTO t (id, name, n, rowid, oid, _rowid_) VALUES (?1, ?2, ?3, 'r', ?3, NULL)",
    ),
}


def stored(database: Database) -> list[tuple[object, ...]]:
    """Every value with its class, hidden columns too."""
    with closing(sqlite3.connect(database.path)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM pragma_table_xinfo('t')")]
        parts = ", ".join(f'typeof("{n}"), "{n}"'.replace('we"ird', 'we""ird') for n in names)
        return sorted(connection.execute(f"SELECT {parts} FROM t").fetchall(), key=repr)


@pytest.mark.parametrize("repair", ["fill", "quarantine"])
@pytest.mark.parametrize("kind", TABLES)
def test_undo_gives_back_every_value_in_its_class(database: Database, tmp_path: Path, kind: str, repair: str) -> None:
    create, insert = TABLES[kind]
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute(create)
        odd = [7, "7", 7.5, b"7", "x", 2**62, -0.0, float("inf"), "é\0", b""]
        connection.executemany(insert, [(i + 1, None if i < 5 else "n", value) for i, value in enumerate(odd)])
        connection.commit()
    before = stored(database)
    config = config_of(database, Missing(table="t", column="name", fill="zz", repair=(repair,), name="m"))
    plan = str(tmp_path / "plan.jsonl")
    assert make_plan(config, plan, accept_rate=["m"]).summary.count == 5
    run = apply(config, plan, confirm="yes")
    assert run.states == {"applied": 5}
    assert not verify(config, run.run_id).problems
    assert undo(config, run.run_id, confirm="yes").states == {"undone": 5}
    assert stored(database) == before
