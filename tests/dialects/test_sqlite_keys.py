"""Keys as SQLite lets them be: of any class, hostile text, NULL; each row is found again by its key, or counted."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.opened import opened
from tests.engines import Database
from tests.proof import config_of
from trueup.checks.missing import Missing
from trueup.run import apply, make_plan, scan, undo

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

ENCODINGS = ["UTF-8", "UTF-16le", "UTF-16be"]
MARK = "\0trueup:6100"
#: Of each class, and text that is hostile in one encoding or another.
KEYS = [
    "1",
    "-9223372036854775808",
    "9223372036854775807",
    "0.5",
    "-1e-300",
    "9e999",
    "-9e999",
    "'abc'",
    "'7,8:9.'",
    "''",
    "'it''s'",
    "'a' || char(0) || 'b'",
    "char(65534)",
    "char(65533)",
    "'\U0001f600'",
    "x''",
    "x'616263'",
    "trueup_raw(x'00d8')",
    "trueup_raw(x'd800')",
    "trueup_raw(x'61dc00d8')",
    "trueup_raw(x'6100ffdf')",
    # what a marked key looks like, in each encoding
    *(f"trueup_raw(x'{MARK.encode(encoding).hex()}')" for encoding in ("utf-8", "utf-16-le", "utf-16-be")),
]


def filled(database: Database, encoding: str, declared: str, keys: Sequence[str]) -> list[tuple[object, ...]]:
    """A table in which every row lacks its `v`; `trueup_raw` stands for bytes that are stored as text unseen."""
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        # a function hands its bytes on as they are, where a parameter would be taken for UTF-8
        connection.create_function("raw", 1, lambda data: data)
        connection.execute(f"PRAGMA encoding='{encoding}'")
        connection.execute(f"CREATE TABLE t (k {declared}, v TEXT, note TEXT)")
        for key in keys:
            value = f"CAST({key.replace('trueup_raw', 'raw')} AS TEXT)" if "trueup_raw" in key else key
            connection.execute(f"INSERT OR IGNORE INTO t VALUES ({value}, NULL, 'x')")
    return stored(database)


def stored(database: Database) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database.path)) as connection:
        return connection.execute("SELECT typeof(k), CAST(k AS BLOB), v, note FROM t ORDER BY 1, 2").fetchall()


@pytest.mark.parametrize(
    ("encoding", "declared", "repair"),
    [
        *((encoding, "PRIMARY KEY", repair) for encoding in ENCODINGS for repair in ("fill", "quarantine")),
        ("UTF-8", "INT PRIMARY KEY", "fill"),
        ("UTF-8", "INTEGER PRIMARY KEY DESC", "quarantine"),
        ("UTF-16le", "TEXT PRIMARY KEY", "fill"),
    ],
)
def test_a_row_with_any_key_is_found_repaired_and_given_back(
    database: Database, tmp_path: Path, encoding: str, declared: str, repair: str
) -> None:
    before = filled(database, encoding, declared, KEYS)
    broken = len(before)
    assert broken >= len(KEYS) - 3  # some are one key in an encoding that bends them when they are stored
    config = config_of(database, Missing(table="t", column="v", fill="filled", repair=(repair,), name="m"))
    assert scan(config).results[0].findings == broken
    plan = str(tmp_path / "plan.jsonl")
    assert make_plan(config, plan, accept_rate=["m"]).summary.count == broken

    report = apply(config, plan, confirm="yes")

    assert report.states == {"applied": broken}
    assert scan(config).results[0].findings == 0
    assert undo(config, report.run_id, confirm="yes").states == {"undone": broken}
    assert stored(database) == before


@pytest.mark.parametrize("declared", ["k TEXT PRIMARY KEY", "k INT, b INT, PRIMARY KEY (k, b)"])
def test_a_broken_row_whose_key_holds_null_is_counted_and_left_to_a_person(
    database: Database, tmp_path: Path, declared: str
) -> None:
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute(f"CREATE TABLE t (v TEXT, {declared})")
        connection.executemany("INSERT INTO t (k, v) VALUES (?, ?)", [(None, None), (None, None), (1, "v"), (2, "v")])
        whole = "INSERT INTO t VALUES (NULL, 9, 9)" if "b INT" in declared else "INSERT INTO t VALUES (NULL, 9)"
        connection.execute(whole)
        connection.commit()
    config = config_of(database, Missing(table="t", column="v", fill="filled", repair=("fill",), name="m"))
    result = scan(config).results[0]
    assert (result.status, result.findings) == ("findings", 3)
    planned = make_plan(config, str(tmp_path / "plan.jsonl"), accept_rate=["m"])
    assert planned.summary.count == 1
    assert [(left.count, left.reason) for left in planned.summary.left] == [
        (2, "their key holds NULL, so no row can be addressed")
    ]


@given(st.lists(st.integers(0, 0xFFFF), max_size=5))
@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_any_units_of_utf_16_are_a_key_that_finds_its_row(database: Database, encoding: str, units: list[int]) -> None:
    data = struct.pack(f"{'<' if encoding.endswith('le') else '>'}{len(units)}H", *units)
    Path(database.path).unlink()
    filled(database, encoding, "TEXT PRIMARY KEY", [f"trueup_raw(x'{data.hex()}')", "'other'"])
    with opened(database, write=True) as session:
        table, dialect = session.table("t"), session.dialect
        keys = session.ask(*dialect.key(table, table.sql))
        tokens = [[dialect.token(key)] for key in keys]
        stage = dialect.stage(session.connection, table, [(n, "", "", token) for n, token in enumerate(tokens)])
        joined = stage.relation.join(table.sql, table.sql.c.k == stage.relation.c.k0)
        found = session.connection.execute(sa.select(stage.relation.c.seq).select_from(joined)).scalars()
        assert sorted(found) == list(range(len(keys)))
