"""What an attack from outside found, on paths that no other test covers: each lost, changed or leaked a row once."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.dialects.opened import opened
from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import changed_rows, execute, row_hashes
from trueup.checks.missing import Missing
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.errors import StoreError
from trueup.run import apply, make_plan, undo

ROWS = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 30)"
FOLDED = [
    ["CREATE TABLE t (k TEXT COLLATE NOCASE NOT NULL, name TEXT)", "CREATE UNIQUE INDEX u ON t (k COLLATE BINARY)"],
    ["CREATE TABLE t (k TEXT COLLATE RTRIM NOT NULL, name TEXT)", "CREATE UNIQUE INDEX u ON t (k COLLATE NOCASE)"],
    ["CREATE TABLE t (k TEXT COLLATE NOCASE NOT NULL, name TEXT, PRIMARY KEY (k COLLATE BINARY))"],
    ["CREATE TABLE t (k TEXT COLLATE NOCASE, name TEXT, PRIMARY KEY (k COLLATE BINARY)) WITHOUT ROWID"],
]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("script", FOLDED)
@pytest.mark.parametrize("repair", ["fill", "quarantine"])
def test_rows_that_the_columns_own_collation_calls_equal_have_no_key(
    database: Database, script: list[str], repair: str, tmp_path: Path
) -> None:
    """Of 'b' and 'B', both broken, one was deleted twice and given back once."""
    twins = (
        "('a  ', NULL), ('a', NULL)" if "RTRIM" in script[0] else "('a', NULL), ('A', 'x'), ('b', NULL), ('B', NULL)"
    )
    filled = f"{ROWS} INSERT INTO t SELECT 'k' || i, 'x' FROM s"
    execute(database, [*script, filled, f"INSERT INTO t VALUES {twins}"])
    before = row_hashes(database)
    path = str(tmp_path / "plan.jsonl")
    check = Missing(table="t", column="name", name="n", fill="zz", repair=(repair,))
    preview = make_plan(config_of(database, check), path)
    assert preview.summary.count == 0
    assert "no primary key and no unique key" in preview.summary.left[0].reason
    assert not changed_rows(before, row_hashes(database))


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("repair", ["fill", "quarantine"])
def test_a_unique_index_of_another_collation_is_no_key_of_a_column_that_folds(
    database: Database, repair: str, tmp_path: Path
) -> None:
    """The same on PostgreSQL: one row was lost, and the run was called sound."""
    execute(
        database,
        [
            "CREATE COLLATION folds (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
            "CREATE TABLE t (k text COLLATE folds NOT NULL, name text)",
            'CREATE UNIQUE INDEX ON t (k COLLATE "C")',
            "INSERT INTO t SELECT 'k' || i, 'x' FROM generate_series(1, 30) i",
            "INSERT INTO t VALUES ('a', NULL), ('A', 'x'), ('b', NULL), ('B', NULL)",
        ],
    )
    before = row_hashes(database)
    path = str(tmp_path / "plan.jsonl")
    check = Missing(table="t", column="name", name="n", fill="zz", repair=(repair,))
    preview = make_plan(config_of(database, check), path)
    assert preview.summary.count == 0
    assert "no primary key and no unique key" in preview.summary.left[0].reason
    assert not changed_rows(before, row_hashes(database))


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_unique_index_of_another_collation_is_a_key_where_nothing_is_folded(database: Database) -> None:
    execute(database, ["CREATE TABLE t (k text NOT NULL, name text)", 'CREATE UNIQUE INDEX ON t (k COLLATE "C")'])
    with opened(database) as session:
        assert session.dialect.table(session.connection, "t").key == ("k",)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "columns",
    [
        "k TEXT COLLATE NOCASE PRIMARY KEY, name TEXT",
        "k TEXT COLLATE RTRIM PRIMARY KEY, name TEXT",
        "k TEXT COLLATE NOCASE NOT NULL UNIQUE, name TEXT",
        # the column tells more apart than the index does
        "k TEXT, name TEXT, PRIMARY KEY (k COLLATE NOCASE)",
        "k REAL COLLATE NOCASE PRIMARY KEY, name TEXT",
        "k INTEGER PRIMARY KEY, name TEXT",
    ],
)
def test_a_key_under_its_columns_own_collation_is_one(database: Database, columns: str) -> None:
    execute(database, [f"CREATE TABLE t ({columns})"])
    with opened(database) as session:
        assert session.dialect.table(session.connection, "t").key == ("k",)


@pytest.mark.parametrize("engine", ["postgresql", "postgresql18"], indirect=True)
def test_an_undo_where_foreign_keys_are_off_for_the_whole_database_is_refused(
    database: Database, tmp_path: Path
) -> None:
    """It gave a row back whose parent was gone, as `session_replication_role` came from the database."""
    name = database.url.rpartition("/")[2].partition("?")[0]
    execute(
        database,
        [
            "CREATE TABLE parent (id int PRIMARY KEY)",
            "CREATE TABLE t (id int PRIMARY KEY, parent int REFERENCES parent, name text)",
            "INSERT INTO parent VALUES (1), (2)",
            "INSERT INTO t SELECT i, 1, 'x' FROM generate_series(1, 30) i",
            "INSERT INTO t VALUES (40, 2, NULL)",
        ],
    )
    path = str(tmp_path / "plan.jsonl")
    config = config_of(database, Missing(table="t", column="name", name="n", repair=("quarantine",)))
    make_plan(config, path)
    assert apply(config, path, confirm="yes").states == {"applied": 1}
    execute(
        database,
        ["DELETE FROM parent WHERE id = 2", f'ALTER DATABASE "{name}" SET session_replication_role = replica'],
    )
    with pytest.raises(StoreError, match="sets session_replication_role to 'replica'"):
        undo(config, "last", confirm="yes")
    execute(database, [f'ALTER DATABASE "{name}" RESET session_replication_role'])
    assert undo(config, "last", confirm="yes").states == {"undo_conflict": 1}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mysql", "mariadb"], indirect=True)
def test_what_a_column_of_json_would_lose_is_not_decoded_as_lossless(database: Database, tmp_path: Path) -> None:
    """MySQL keeps numbers as doubles; it and jsonb keep one of two equal keys."""
    kind = {"sqlite": "TEXT", "postgresql": "jsonb"}.get(database.engine, "JSON")
    inner = {
        1: '{"n": 12345678901234567890.12345}',
        2: '{"a": 1, "a": 2}',
        3: '{"card": "4111111111111111", "n": 1.5}',
    }
    execute(database, [f"CREATE TABLE t (id INT PRIMARY KEY, m {kind})"])
    good = [f"INSERT INTO t VALUES ({number}, '{{}}')" for number in range(10, 40)]
    bad = [f"INSERT INTO t VALUES ({key}, '{json.dumps(text)}')" for key, text in inner.items()]
    execute(database, [*good, *bad])
    config = config_of(
        database, WrongJsonType(table="t", column="m", expected=("object",), name="n", repair=("decode",))
    )
    count = {"mysql": 1, "postgresql": 2}.get(database.engine, 3)
    preview = make_plan(config, str(tmp_path / "plan.jsonl"))
    assert preview.summary.count == count
    assert preview.plan.groups[0].effect == "lossless"


#: The inner text of JSON strings, escaped once, and whether it can be decoded.
ESCAPED = {
    r"{\"a\":\"\ud800\"}": False,
    r"{\"a\":\"\uDC00x\"}": False,
    r"{\"a\":\"\ud83d\ud83d\ude00\"}": False,
    r"{\"a\":\"\ud83d\\\\\ude00\"}": False,
    r"{\"a\":\"\ud83d\ude00\"}": True,
    r"{\"a\":\"\uD83D\uDE00\uD83D\uDE00\"}": True,
    r"{\"a\":\"\\ud800\"}": True,
    r"{\"a\":\"\\\\ud800 \ud7ff \ue000\"}": True,
}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_half_a_surrogate_pair_is_not_decoded_into_bytes_that_are_no_text(database: Database, tmp_path: Path) -> None:
    """The application could not read its table any more."""
    with closing(sqlite3.connect(database.path, isolation_level=None)) as plain:
        plain.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, m TEXT)")
        plain.executemany("INSERT INTO t (m) VALUES (?)", [(f'"{text}"',) for text in ESCAPED])
        plain.executemany("INSERT INTO t (m) VALUES (?)", [("{}",)] * 30)
        before = plain.execute("SELECT * FROM t").fetchall()
        check = WrongJsonType(table="t", column="m", expected=("object",), name="n", repair=("decode",))
        config, path = config_of(database, check), str(tmp_path / "plan.jsonl")
        make_plan(config, path)
        assert apply(config, path, confirm="yes").states == {"applied": sum(ESCAPED.values())}
        now = plain.execute("SELECT * FROM t").fetchall()
        assert [old != new for old, new in zip(before, now, strict=True)][: len(ESCAPED)] == list(ESCAPED.values())
        for text, (_, new) in zip(ESCAPED, now, strict=False):
            assert not ESCAPED[text] or json.loads(new) == json.loads(json.loads(f'"{text}"'))
        undo(config, "last", confirm="yes")
        assert plain.execute("SELECT * FROM t").fetchall() == before


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("text", [r"\ud800", r"\u00e9\udfff", r"\ud83d\ude00", r"\\ud800"])
def test_a_member_with_half_a_surrogate_pair_is_told_as_it_is_spelled(database: Database, text: str) -> None:
    with opened(database) as session:
        value = sa.literal('{"a": "' + text + '"}')
        found = session.connection.scalar(sa.select(session.dialect.json_path_text(value, "text", ["a"])))
    whole = json.loads(f'"{text}"')
    assert found == (f'"{text}"' if "\ud800" in whole or "\udfff" in whole else whole)
