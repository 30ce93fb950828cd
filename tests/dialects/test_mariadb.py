"""MariaDB alone; what it shares with MySQL is in `test_innodb.py`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, select
from sqlalchemy.engine import make_url

from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import execute, row_hashes
from trueup.checks.missing import Missing
from trueup.checks.unknown_value import UnknownValue
from trueup.engines.mariadb.dialect import Mariadb
from trueup.run import apply, make_plan, scan, undo

pytestmark = pytest.mark.parametrize("engine", ["mariadb"], indirect=True)


@pytest.fixture
def writer(database: Database) -> Iterator[Connection]:
    with Mariadb().engine(make_url(database.url), write=True).connect() as connection:
        yield connection


def fill(connection: Connection, kind: str, values: list[str]) -> sa.Table:
    connection.exec_driver_sql(f"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v {kind}) CHARACTER SET utf8mb4")
    for value in values:
        connection.execute(sa.text("INSERT INTO t (v) VALUES (:v)"), {"v": value})
    connection.commit()
    return Mariadb().table(connection, "t").sql


def test_text_that_nests_deeper_than_the_server_reads_is_judged_all_the_same(writer: Connection) -> None:
    deep = "[" * 40 + "]" * 40
    nested = '{"a": ' * 500 + '"é\\n"' + "}" * 500
    table = fill(writer, "LONGTEXT", [deep, "[" * 40 + "]" * 39, nested, "[" * 40 + "1,]" + "]" * 39])
    told = writer.scalars(select(Mariadb().json_type(table.c.v, "text")).order_by(table.c.id)).all()
    assert told == ["array", "invalid", "object", "invalid"]


def test_white_space_before_a_document_does_not_hide_it(writer: Connection) -> None:
    documents = [' {"a": 1}', "\t[1]", '\r\n"x"', " 1e2", " 7 ", "\nnull", " true"]
    table = fill(writer, "JSON", documents)
    told = writer.scalars(select(Mariadb().json_type(table.c.v, "json")).order_by(table.c.id)).all()
    assert told == ["object", "array", "string", "double", "integer", "null", "boolean"]
    wrong = writer.scalars(select(Mariadb().json_is_not(table.c.v, "json", ["object"])).order_by(table.c.id)).all()
    assert [bool(one) for one in wrong] == [False, *[True] * 6]
    texts = writer.scalars(select(Mariadb().json_text(table.c.v, "json")).order_by(table.c.id)).all()
    assert texts == ['{"a": 1}', "[1]", "x", "1e2", "7", None, "true"]


def test_keys_are_found_in_the_spellings_of_python_and_php(writer: Connection) -> None:
    table = fill(writer, "JSON", ['{"é/x": 7}', '{"\\u00e9/x": 7}', '{"\\u00e9\\/x": 7}'])
    got = writer.scalars(select(Mariadb().json_get(table.c.v, "json", ["é/x"]))).all()
    assert got == ["7", "7", "7"]
    column = Mariadb().table(writer, "t").columns["v"]
    changed = writer.scalars(select(Mariadb().json_set_null(table.c.v, column, ["é/x"]))).all()
    assert [json.loads(one) for one in changed] == [{"é/x": None}] * 3


def test_the_rest_of_a_document_keeps_its_spelling(writer: Connection) -> None:
    table = fill(writer, "JSON", ['{"a":1,"n":12345678901234567890123,"d":1.50,"s":"\\u0041"}'])
    column = Mariadb().table(writer, "t").columns["v"]
    assert writer.scalar(select(Mariadb().json_set_null(table.c.v, column, ["a"]))) == (
        '{"a": null, "n": 12345678901234567890123, "d": 1.50, "s": "\\u0041"}'
    )


def test_json_is_text_with_the_check_and_other_text_is_not(writer: Connection) -> None:
    writer.exec_driver_sql(
        "CREATE TABLE t (a JSON, b LONGTEXT CHECK (json_valid(b)), `c``x` TEXT CHECK (json_valid(`c``x`)), d TEXT)"
    )
    columns = Mariadb().table(writer, "t").columns
    assert [name for name, column in columns.items() if column.storage == "json"] == ["a", "b", "c`x"]


def test_a_system_versioned_table_is_not_written(database: Database, writer: Connection) -> None:
    execute(database, ["CREATE TABLE t (id INT PRIMARY KEY) WITH SYSTEM VERSIONING"])
    assert Mariadb().tables(writer) == ["t"]
    assert Mariadb().table(writer, "t").obstacles == (
        "it is system-versioned: every change leaves rows of history that undo cannot take back",
    )


@pytest.mark.parametrize(("kind", "value"), [("UUID", "uuid()"), ("INET6", "'2001:db8::1'")])
def test_keys_of_the_engines_own_types_are_found(database: Database, writer: Connection, kind: str, value: str) -> None:
    execute(database, [f"CREATE TABLE t (id {kind} PRIMARY KEY)", f"INSERT INTO t VALUES ({value})"])
    table = Mariadb().table(writer, "t")
    (key,) = writer.execute(select(*Mariadb().key(table, table.sql))).all()
    stage = Mariadb().stage(writer, table, [(5, "b", "a", [str(key[0])])])
    same = table.sql.c.id == stage.relation.c.k0
    found = select(stage.relation.c.seq).select_from(stage.relation.join(table.sql, same))
    assert writer.scalars(found, dict(stage.parameters)).all() == [5]


def test_the_limit_of_a_statement_ends_with_the_block(writer: Connection) -> None:
    with Mariadb().deadline(writer, 5):
        assert writer.exec_driver_sql("SELECT @@max_statement_time").scalar_one() == 5
    assert writer.exec_driver_sql("SELECT @@max_statement_time").scalar_one() == 0


@pytest.mark.parametrize(("made", "kept"), [("UNIX_TIMESTAMP(dt)", True), ("UNIX_TIMESTAMP(ts) + 1", False)])
def test_seconds_since_1970_depend_on_the_time_zone_unless_they_are_those_of_a_moment(
    database: Database, writer: Connection, made: str, kept: bool
) -> None:
    table = f"CREATE TABLE t (id INT PRIMARY KEY, ts TIMESTAMP NULL, dt DATETIME, g BIGINT AS ({made}) STORED)"
    execute(database, [table])
    told = "its generated column 'g' depends on the session's time zone, and nothing tells the application's"
    assert Mariadb().table(writer, "t").obstacles == ((told,) if kept else ())


def test_half_a_surrogate_pair_is_found_told_apart_and_given_back(database: Database, tmp_path: Path) -> None:
    execute(
        database,
        [
            """CREATE TABLE t (id INT PRIMARY KEY,
            v VARCHAR(9) CHARACTER SET ucs2, w VARCHAR(9) CHARACTER SET utf32)""",
            "INSERT INTO t VALUES (1, x'D800', 'a'), (2, 'a', x'0000D801'), (3, 'a', 'é')",
        ],
    )
    before = row_hashes(database)
    bad = [UnknownValue(table="t", column=one, allowed=("a", "é"), name=one, repair=("nullify",)) for one in "vw"]
    config, path = config_of(database, *bad), str(tmp_path / "plan.jsonl")
    assert [len(result.samples) for result in scan(config, values=True).results] == [1, 1]
    assert make_plan(config, path, accept_rate=["v", "w"], values=True).summary.by_group == (1, 1)
    execute(database, ["UPDATE t SET w = x'0000D802' WHERE id = 2"])
    run = apply(config, path, confirm="yes")
    assert run.states == {"applied": 1, "conflict": 1}
    execute(database, ["UPDATE t SET w = x'0000D801' WHERE id = 2"])
    assert undo(config, run.run_id, confirm="yes").states == {"undone": 1, "conflict": 1}
    assert row_hashes(database) == before


@pytest.mark.parametrize("charset", ["utf8mb4", "utf8mb3"])
def test_half_a_surrogate_pair_is_shown_as_no_character_and_addresses_no_row(
    database: Database, tmp_path: Path, charset: str
) -> None:
    half = f"CONVERT(x'61EDA080' USING {charset})"
    execute(
        database,
        [
            f"CREATE TABLE t (id VARCHAR(9) PRIMARY KEY, v VARCHAR(9)) CHARACTER SET {charset}",
            f"INSERT INTO t VALUES ({half}, NULL), ('é', NULL), ('\ufffd', 'x')",
            f"CREATE TABLE u (id INT PRIMARY KEY, v VARCHAR(9)) CHARACTER SET {charset}",
            f"INSERT INTO u VALUES (1, {half}), (2, 'b')",
        ],
    )
    before = row_hashes(database)
    path = str(tmp_path / "plan.jsonl")
    keyed = config_of(database, Missing(table="t", column="v", name="n", repair=("quarantine",)))
    (result,) = scan(keyed).results
    assert (result.status, result.findings) == ("findings", 2)
    planned = make_plan(keyed, path, accept_rate=["n"]).summary
    assert (planned.count, [one.count for one in planned.left]) == (1, [1])
    run = apply(keyed, path, confirm="yes")
    assert run.states == {"applied": 1}
    assert undo(keyed, run.run_id, confirm="yes").states == {"undone": 1}
    shown = config_of(database, UnknownValue(table="u", column="v", allowed=("b",), name="n", repair=("nullify",)))
    (result,) = scan(shown, values=True).results
    assert [finding.message for finding in result.samples] == ["u.v is a?, which is none of b"]
    make_plan(shown, path, accept_rate=["n"])
    run = apply(shown, path, confirm="yes")
    assert run.states == {"applied": 1}
    assert undo(shown, run.run_id, confirm="yes").states == {"undone": 1}
    assert row_hashes(database) == before
