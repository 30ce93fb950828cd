"""What MySQL and MariaDB must do alike, each on its own server."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, func, literal_column, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import execute, row_hashes
from tests.servers import Server
from trueup.checks.missing import Missing
from trueup.checks.orphan import Orphan
from trueup.engines._innodb import session
from trueup.engines._innodb.dialect import InnoDB
from trueup.engines.mariadb.dialect import Mariadb
from trueup.engines.mysql.dialect import Mysql
from trueup.errors import NotChecked, Refused, UsageError
from trueup.run import apply, make_plan, undo
from trueup.sql.tables import Table

pytestmark = pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)

DIALECTS: dict[str, type[InnoDB]] = {"mysql": Mysql, "mariadb": Mariadb}


@pytest.fixture
def dialect(database: Database) -> InnoDB:
    return DIALECTS[database.engine]()


@pytest.fixture
def writer(database: Database, dialect: InnoDB) -> Iterator[Connection]:
    with dialect.engine(make_url(database.url), write=True).connect() as connection:
        yield connection


@pytest.fixture
def reader(database: Database, dialect: InnoDB) -> Iterator[Connection]:
    with dialect.engine(make_url(database.url), write=False).connect() as connection:
        yield connection


# -- sessions ---------------------------------------------------------------------------------------------------------
def test_a_reading_session_cannot_write(database: Database, dialect: InnoDB, reader: Connection) -> None:
    execute(database, ["CREATE TABLE t (id INT PRIMARY KEY)"])
    with pytest.raises(DBAPIError) as caught:
        reader.exec_driver_sql("INSERT INTO t VALUES (1)")
    assert dialect.describe(caught.value) == "the session is read-only (error 1792)"


def test_sessions_are_pinned_whatever_the_server_says(writer: Connection) -> None:
    row = writer.exec_driver_sql(
        "SELECT @@time_zone, @@foreign_key_checks, @@innodb_lock_wait_timeout, @@wait_timeout, @@collation_connection"
    ).one()
    assert tuple(row) == ("+00:00", 1, 1, 60, "utf8mb4_bin")
    mode = str(writer.exec_driver_sql("SELECT @@sql_mode").scalar_one()).split(",")
    assert {"STRICT_ALL_TABLES", "ALLOW_INVALID_DATES"} <= set(mode)
    assert not {"NO_ZERO_DATE", "ANSI_QUOTES", "PIPES_AS_CONCAT"} & set(mode)


def test_an_update_that_changes_nothing_counts_its_rows(database: Database, writer: Connection) -> None:
    execute(database, ["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)"])
    assert writer.exec_driver_sql("UPDATE t SET id = id").rowcount == 2


def test_a_streamed_result_is_not_held_in_memory(reader: Connection) -> None:
    result = reader.execute(sa.text("SELECT 1"), execution_options={"stream_results": True})
    assert type(result.cursor).__name__ == "SSCursor"
    result.close()


def test_the_server_says_which_of_the_two_it_is(database: Database) -> None:
    twin = {"mysql": Mariadb, "mariadb": Mysql}[database.engine]()
    url = make_url(database.url).set(drivername=twin.name)
    with twin.engine(url, write=False).connect() as connection:
        assert twin.actual(connection) == database.engine


def test_identity_and_place_are_full(dialect: InnoDB, reader: Connection) -> None:
    assert all(dialect.identity(reader).values())
    assert dialect.place(reader).count(":") == 2
    assert dialect.version(reader).split()[0] == {"mysql": "MySQL", "mariadb": "MariaDB"}[dialect.name]
    assert abs(int(reader.scalar(select(dialect.now())) or 0) - time.time()) < 60


def test_a_url_without_a_database_is_refused(dialect: InnoDB) -> None:
    with pytest.raises(UsageError) as caught:
        dialect.engine(make_url(f"{dialect.name}://root@127.0.0.1"), write=False)
    assert str(caught.value) == f"the URL names no database: write {dialect.name}://user@host/DATABASE"


def test_a_missing_driver_is_one_line(dialect: InnoDB, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        dialect.engine(make_url(f"{dialect.name}://root@127.0.0.1/app"), write=False)
    assert str(caught.value) == "there is no driver for MySQL and MariaDB; pip install 'trueup[mysql]'"


def test_half_a_surrogate_pair_in_another_column_is_told_from_another_half(database: Database, tmp_path: Path) -> None:
    execute(
        database,
        [
            "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9), w VARCHAR(9) CHARACTER SET ucs2)",
            "INSERT INTO t VALUES (1, NULL, x'D800'), (2, NULL, x'D800'), (3, 'a', 'é')",
        ],
    )
    before = row_hashes(database)
    filled = config_of(database, Missing(table="t", column="v", name="n", fill="a", repair=("fill",)))
    path = str(tmp_path / "plan.jsonl")
    make_plan(filled, path, accept_rate=["n"])
    run = apply(filled, path, confirm="yes")
    assert run.states == {"applied": 2}
    execute(database, ["UPDATE t SET w = x'D801' WHERE id = 2"])
    assert undo(filled, run.run_id, confirm="yes").states == {"undone": 1, "undo_conflict": 1}
    execute(database, ["UPDATE t SET w = x'D800' WHERE id = 2"])
    assert undo(filled, run.run_id, confirm="yes").states == {"undone": 2}
    assert row_hashes(database) == before
    written = config_of(database, Missing(table="t", column="w", name="n", fill="a", repair=("fill",)))
    execute(database, ["UPDATE t SET w = NULL WHERE id = 1"])
    with pytest.raises(Refused, match="column 'w' holds text in ucs2, in which trueup cannot write"):
        make_plan(written, path, accept_rate=["n"])


# -- canonical bytes --------------------------------------------------------------------------------------------------
TYPES: list[tuple[str, list[str]]] = [
    ("TINYINT", ["-5", "127", "'12'"]),
    ("INT UNSIGNED", ["4294967295"]),
    ("BIGINT", ["-9223372036854775808"]),
    ("BIGINT UNSIGNED", ["18446744073709551615"]),
    ("INT(6) ZEROFILL", ["42"]),
    ("DECIMAL(12,3)", ["1.2345", "-0.5", "'7.25'"]),
    ("FLOAT", ["1.1", "16777217e0", "16777215e0", "'3.3'"]),
    ("FLOAT(7,2)", ["1.005", "12345.678"]),
    ("DOUBLE", ["0.1e0+0.2e0", "0.3e0", "1e308"]),
    ("DOUBLE(8,3)", ["2.00055e0"]),
    ("VARCHAR(20)", ["'abc  '", "'abc'", "'ABC'", "'é😀'", "''", "'N'", "'a|N'", "12"]),
    ("CHAR(5)", ["'ab  '", "'x'"]),
    ("VARCHAR(20) CHARACTER SET latin1", ["'é '", "'e'"]),
    ("TEXT CHARACTER SET utf16", ["'é😀'"]),
    ("BINARY(4)", ["x'00ff'", "'ab'"]),
    ("VARBINARY(10)", ["x'00ff7c'", "x'00ff7c00'"]),
    ("BLOB", ["x''", "x'4e'"]),
    ("LONGTEXT", ["repeat('x', 70000)"]),
    ("DATE", ["'2024-02-29'", "'0000-00-00'", "'2024-02-31'"]),
    ("DATETIME", ["'2024-01-01 10:00:00'"]),
    ("DATETIME(6)", ["'2024-01-01 10:00:00.1'"]),
    ("TIMESTAMP(3) NULL", ["'2024-07-01 10:00:00.123'"]),
    ("TIME(2)", ["'-838:59:59'", "'10:00:00.25'"]),
    ("YEAR", ["2001", "0", "'1999'"]),
    ("ENUM('a','b','c)')", ["'b'", "'c)'"]),
    ("SET('x','y')", ["'x,y'", "''"]),
    ("BIT(12)", ["5", "4095"]),
    ("JSON", ['\'{"b": 1.50, "a": [null, "é"]}\'', "'null'", "'\"x\"'", "'1e2'"]),
    ("POINT", ["ST_GeomFromText('point(1 2)')"]),
]


@pytest.mark.parametrize(("kind", "values"), TYPES, ids=[kind for kind, _ in TYPES])
def test_a_digest_is_told_before_it_is_stored_and_survives_a_typed_copy(
    database: Database, dialect: InnoDB, writer: Connection, kind: str, values: list[str]
) -> None:
    execute(database, [f"CREATE TABLE t (id INT PRIMARY KEY, v {kind}) CHARACTER SET utf8mb4"])
    table = dialect.table(writer, "t")
    column, stored = table.columns["v"], table.sql.c.v
    writer.exec_driver_sql(f"CREATE TABLE img (id INT PRIMARY KEY, v {column.ddl})")
    told: list[str | None] = []
    for number, value in enumerate([*values, "NULL"]):
        new = sa.null() if value == "NULL" else literal_column(f"({value})")
        writer.execute(sa.insert(table.sql).values({"id": number, "v": new}))
        told.append(writer.scalar(select(dialect.digest([(column, dialect.cast(new, column))]))))
    writer.exec_driver_sql("INSERT INTO img SELECT id, v FROM t")
    copy = sa.table("img", sa.column("id"), sa.column("v", stored.type))
    for relation in (table.sql, copy):
        seen = writer.scalars(select(dialect.digest([(column, relation.c.v)])).order_by(relation.c.id)).all()
        assert seen == told
    assert None not in told
    assert len(set(told)) == len(told)


def test_values_do_not_flow_into_their_neighbours(database: Database, dialect: InnoDB, writer: Connection) -> None:
    execute(
        database,
        [
            "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9))",
            "INSERT INTO t VALUES (1, 'x|', 'y'), (2, 'x', '|y'), (3, NULL, ''), (4, '', NULL), (5, 'N', '')",
        ],
    )
    table = dialect.table(writer, "t")
    both = [(table.columns[name], table.sql.c[name]) for name in ("a", "b")]
    assert len(set(writer.scalars(select(dialect.digest(both))))) == 5


def test_a_value_that_an_enum_does_not_have_is_told_from_the_empty_member(
    database: Database, dialect: InnoDB, writer: Connection
) -> None:
    execute(
        database,
        ["CREATE TABLE t (id INT PRIMARY KEY, v ENUM('a', ''))", "SET sql_mode = ''", "INSERT INTO t VALUES (1, '')",
         "INSERT INTO t VALUES (2, 'zz')"],
    )  # fmt: skip
    table = dialect.table(writer, "t")
    assert len(set(writer.scalars(select(dialect.digest([(table.columns["v"], table.sql.c.v)]))))) == 2


def test_text_that_spells_characters_in_two_ways_is_copied_but_not_made(
    database: Database, dialect: InnoDB, writer: Connection
) -> None:
    execute(
        database,
        [
            "CREATE TABLE t (id VARCHAR(9) CHARACTER SET cp932 PRIMARY KEY)",
            # both are the character U+2252
            "INSERT INTO t VALUES (_cp932 x'81e0')",
        ],
    )
    table = dialect.table(writer, "t")
    assert writer.execute(select(*dialect.key(table, table.sql))).all() == [("81E0",)]
    assert found(writer, dialect, table, [["81E0"]]) == [0]
    with pytest.raises(Refused) as caught:
        dialect.cast(literal_column("'x'"), table.columns["id"])
    assert str(caught.value) == "column 'id' holds text in cp932, in which trueup cannot write"


# -- keys -------------------------------------------------------------------------------------------------------------
KEYS: list[tuple[str, str]] = [
    ("INT", "n - 7"),
    ("BIGINT UNSIGNED", "18446744073709551615 - n"),
    ("INT(8) UNSIGNED ZEROFILL", "n"),
    ("VARCHAR(40) CHARACTER SET latin1", "concat('é', n)"),
    ("VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "concat('😀', n)"),
    ("VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "concat('a', n)"),
    ("CHAR(8) CHARACTER SET utf8mb4", "concat('a', n)"),
    ("VARCHAR(9) CHARACTER SET big5", "concat('a', n)"),
    ("BINARY(16)", "unhex(left(sha2(n, 256), 32))"),
    ("VARBINARY(16)", "concat(n, x'00')"),
    ("DECIMAL(20,4)", "n + 0.25"),
    ("DATE", "date '2024-01-01' + interval n day"),
    ("DATETIME(6)", "timestamp '2024-01-01 00:00:00' + interval n second + interval 1 microsecond"),
    ("TIMESTAMP(3)", "timestamp '2024-01-01 00:00:00' + interval n second"),
    ("TIME", "sec_to_time(n)"),
    ("BIT(20)", "n"),
]


def found(connection: Connection, dialect: InnoDB, table: Table, keys: list[list[str]]) -> list[int]:
    """The places in `keys` of those that address a row."""
    stage = dialect.stage(connection, table, [(seq, "b", "a", key) for seq, key in enumerate(keys)])
    return sorted(connection.scalars(joined(table, stage.relation), dict(stage.parameters)))


def joined(table: Table, stage: Any) -> Any:
    same = sa.and_(*(table.sql.c[name] == stage.c[f"k{i}"] for i, name in enumerate(table.key)))
    return select(stage.c.seq).select_from(stage.join(table.sql, same))


@pytest.mark.parametrize(("kind", "value"), KEYS, ids=[kind for kind, _ in KEYS])
def test_staged_keys_find_their_rows_by_the_primary_key(
    database: Database, dialect: InnoDB, writer: Connection, kind: str, value: str
) -> None:
    numbers = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 600) SELECT"
    execute(
        database,
        [f"CREATE TABLE t (id {kind}, PRIMARY KEY (id))", f"INSERT INTO t {numbers} {value} FROM r", "ANALYZE TABLE t"],
    )
    table = dialect.table(writer, "t")
    keys = [[dialect.token(part) for part in row] for row in writer.execute(select(*dialect.key(table, table.sql)))]
    assert found(writer, dialect, table, keys[:100]) == list(range(100))
    stage = dialect.stage(writer, table, [(0, "b", "a", keys[0])])
    explained = str(joined(table, stage.relation).compile(writer, compile_kwargs={"render_postcompile": True}))
    explain = "EXPLAIN FORMAT=TREE " if dialect.name == "mysql" else "EXPLAIN "
    plan = writer.exec_driver_sql(explain + explained, dict(stage.parameters)).all()
    wanted = "Single-row" if dialect.name == "mysql" else "eq_ref"
    assert wanted in str(plan), plan


def test_hostile_text_addresses_its_own_row(database: Database, dialect: InnoDB, writer: Connection) -> None:
    hostile = ["", "a'b\"c`\\", "nul\0inside", "😀", "%s :x", "trail ", "line\n", "[1]", "\ud7ff", "null", "é", "{}"]
    execute(database, ["CREATE TABLE t (a VARCHAR(30) COLLATE utf8mb4_bin, b INT, PRIMARY KEY (a, b)) CHARSET utf8mb4"])
    writer.execute(sa.text("INSERT INTO t VALUES (:a, :b)"), [{"a": text, "b": i} for i, text in enumerate(hostile)])
    table = dialect.table(writer, "t")
    rows = writer.execute(select(*dialect.key(table, table.sql)).order_by(table.sql.c.b)).all()
    assert [row[0] for row in rows] == hostile
    assert found(writer, dialect, table, [list(row) for row in rows]) == list(range(len(hostile)))
    assert found(writer, dialect, table, [["", "1"], ["trail", "99"], ["x", "0"]]) == []


def test_a_small_table_keyed_by_enum_or_year_is_found_too(
    database: Database, dialect: InnoDB, writer: Connection
) -> None:
    execute(
        database,
        [
            "CREATE TABLE t (a ENUM('x', 'y)'), b YEAR, PRIMARY KEY (a, b))",
            "INSERT INTO t VALUES ('y)', 2001), ('x', 0)",
        ],
    )
    table = dialect.table(writer, "t")
    rows = [list(row) for row in writer.execute(select(*dialect.key(table, table.sql)))]
    assert sorted(rows) == [["x", "0"], ["y)", "2001"]]
    assert found(writer, dialect, table, rows) == [0, 1]


# -- the catalogue ----------------------------------------------------------------------------------------------------
def test_hostile_names_are_read_as_they_are(database: Database, dialect: InnoDB, writer: Connection) -> None:
    name = "o`r%d\"er :s'é"
    column = 'c`%s":x'
    quoted = "`" + name.replace("`", "``") + "`", "`" + column.replace("`", "``") + "`"
    execute(
        database,
        [f"CREATE TABLE {quoted[0]} (id INT PRIMARY KEY, {quoted[1]} INT)", f"INSERT INTO {quoted[0]} VALUES (1, 2)"],
    )
    table = dialect.table(writer, name)
    assert dialect.tables(writer) == [name]
    assert list(table.columns) == ["id", column]
    assert table.rows == 1
    assert (
        writer.execute(
            select(table.sql.c[column], dialect.digest([(table.columns[column], table.sql.c[column])]))
        ).one()[0]
        == 2
    )
    assert len(dialect.schema_stamp(writer, [table])) == 64


def test_an_unknown_table_names_the_nearest(database: Database, dialect: InnoDB, reader: Connection) -> None:
    execute(database, ["CREATE TABLE orders (id INT PRIMARY KEY)", "CREATE VIEW orders_view AS SELECT * FROM orders"])
    assert dialect.tables(reader) == ["orders"]
    with pytest.raises(UsageError) as caught:
        dialect.table(reader, "order")
    assert str(caught.value) == "there is no table 'order'; did you mean 'orders'?"


def test_columns_tell_what_writing_must_know(database: Database, dialect: InnoDB, reader: Connection) -> None:
    execute(
        database,
        [
            """CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, price DECIMAL(8,2) NOT NULL DEFAULT 1,
            twice DECIMAL(9,2) AS (price * 2) VIRTUAL, changed TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP
            ON UPDATE CURRENT_TIMESTAMP, doc JSON, plain LONGTEXT)"""
        ],
    )
    columns = dialect.table(reader, "t").columns
    assert [c.name for c in columns.values() if c.generated] == ["twice"]
    assert [c.name for c in columns.values() if c.auto_update] == ["changed"]
    assert [c.name for c in columns.values() if c.storage == "json"] == ["doc"]
    assert [c.name for c in columns.values() if c.integer] == ["id"]
    assert [c.name for c in columns.values() if not c.nullable] == ["id", "price"]
    assert {"id", "price"} <= {c.name for c in columns.values() if c.has_default}


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ("a INT, b INT, PRIMARY KEY (b, a)", ("b", "a")),
        ("a INT NOT NULL, b INT, UNIQUE (a), UNIQUE (b)", ("a",)),
        ("a FLOAT PRIMARY KEY", ()),
        ("a DOUBLE PRIMARY KEY, b INT NOT NULL UNIQUE", ("b",)),
        ("a TEXT, PRIMARY KEY (a(10))", ()),
        ("a VARCHAR(99) NOT NULL, UNIQUE (a(10))", ()),
        ("a INT NULL UNIQUE", ()),
        ("a INT", ()),
    ],
)
def test_only_keys_that_address_one_row_count(
    database: Database, dialect: InnoDB, reader: Connection, columns: str, key: tuple[str, ...]
) -> None:
    execute(database, [f"CREATE TABLE t ({columns})"])
    assert dialect.table(reader, "t").key == key


def test_references_are_told_from_both_sides(database: Database, dialect: InnoDB, reader: Connection) -> None:
    execute(
        database,
        [
            "CREATE TABLE `pa``rent` (a INT, b INT, PRIMARY KEY (a, b))",
            """CREATE TABLE child (id INT PRIMARY KEY, x INT, y INT,
            CONSTRAINT fk FOREIGN KEY (x, y) REFERENCES `pa``rent` (a, b) ON DELETE CASCADE)""",
        ],
    )
    (reference,) = dialect.table(reader, "child").references
    assert (reference.name, reference.columns, reference.parent, reference.parent_columns, reference.on_delete) == (
        "fk", ("x", "y"), "pa`rent", ("a", "b"), "CASCADE",
    )  # fmt: skip
    assert dialect.table(reader, "pa`rent").referenced_by == (reference,)
    assert dialect.table(reader, "pa`rent").references == ()


def test_what_the_journal_cannot_follow_is_an_obstacle(database: Database, dialect: InnoDB, reader: Connection) -> None:
    execute(
        database,
        [
            "CREATE TABLE a (id INT PRIMARY KEY) ENGINE=MyISAM",
            "CREATE TABLE b (id INT PRIMARY KEY)",
            "CREATE TRIGGER watch BEFORE UPDATE ON b FOR EACH ROW SET NEW.id = OLD.id",
            "CREATE TABLE c (id INT PRIMARY KEY)",
            "CREATE TRIGGER fill BEFORE INSERT ON c FOR EACH ROW SET NEW.id = 1",
        ],
    )
    assert dialect.table(reader, "a").obstacles == (
        "its storage engine is MyISAM, which has no transactions that trueup trusts; InnoDB has",
    )
    assert dialect.table(reader, "b").obstacles == (
        "the trigger 'watch' runs BEFORE UPDATE and may change what the journal does not see",
    )
    assert dialect.table(reader, "c").obstacles == (
        "the trigger 'fill' runs BEFORE INSERT and may change what the journal does not see",
    )


ZONE = "depends on the session's time zone, and nothing tells the application's"


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ("g INT AS (HOUR(TS)) STORED", ["generated column 'g'"]),
        ("g INT AS (HOUR(ts)) VIRTUAL", []),
        ("g INT AS (HOUR(ts)) VIRTUAL, KEY (v, g)", ["generated column 'g'"]),
        ("`a``b` INT AS (HOUR(ts)) VIRTUAL, g INT AS (`a``b` + 1) STORED", ["generated column 'g'"]),
        ("g TIMESTAMP AS (dt) STORED", ["generated column 'g'"]),
        ("g INT AS (HOUR(dt)) STORED, h INT AS (v + 1) VIRTUAL, KEY (g, h), KEY (ts)", []),
        # a row that is not deleted is the only one of its kind
        ("g INT AS (IF(ts IS NULL, 1, NULL)) STORED, h INT AS (ISNULL(ts)) VIRTUAL, UNIQUE (v, g), KEY (h)", []),
        ("g INT AS (ts IS NOT NULL AND HOUR(ts) > 1) STORED", ["generated column 'g'"]),
    ],
)
def test_what_is_kept_of_the_time_zone_is_an_obstacle(
    database: Database, dialect: InnoDB, reader: Connection, parts: str, found: list[str]
) -> None:
    execute(database, [f"CREATE TABLE t (id INT PRIMARY KEY, v INT, ts TIMESTAMP NULL, dt DATETIME, {parts})"])
    assert dialect.table(reader, "t").obstacles == tuple(f"its {one} {ZONE}" for one in found)


STEADY = {
    True: [
        "JSON_VALUE(j, '$.a')", "LOWER(s)", "CONCAT(s, '-', v, 'a / 1')", "v + 1", "v - w", "-v * 3 % 7",
        "CASE WHEN s LIKE 'a%' THEN 'x' ELSE NULL END", "IF(s IS NULL OR s <> '' AND NOT v = 3, 1, NULL)",
        "SUBSTRING(s, 1, 3)", "CAST(s AS UNSIGNED)", "CAST(s AS DECIMAL(9,2))", "CAST(v AS CHAR)", "SHA2(s, 256)",
        "TRIM(BOTH ' ' FROM s)", "v IN (1, -2)", "CONVERT(s USING latin1)", "COALESCE(s, 'x')", "NULLIF(s, '')",
        "u % 7", "u DIV 7", "CHAR_LENGTH(s)", "YEAR(dt) * 100 + MONTH(dt)", "IF(dt IS NULL, 1, NULL)",
        "COALESCE(dt, '1970-01-01')", "JSON_UNQUOTE(JSON_EXTRACT(j, '$.a'))", "u + `left`",
    ],
    False: [
        "CAST(s AS DATE)", "DAYNAME(dt)", "DATE_FORMAT(dt, '%M')", "v / 3", "u - 20", "CAST(v AS UNSIGNED) - 1",
        "WEEK(dt)", "DATE(dt)", "CONCAT(c, 'x')", "CAST(s AS TIME)", "REPEAT(DAYNAME(dt), 1)", "dt + INTERVAL 1 DAY",
        "s LIKE 'a!%' AND dt > '2023-02-28'", "YEAR(s)", "COALESCE(CAST(s AS DATE), dt)", "s LIKE 'a\\_b'",
    ],
}  # fmt: skip


@pytest.mark.parametrize("steady", [True, False])
def test_an_index_over_what_no_setting_bends_is_no_obstacle(
    database: Database, dialect: InnoDB, reader: Connection, steady: bool
) -> None:
    columns = (
        "id INT PRIMARY KEY, v INT, w INT, u INT UNSIGNED, s VARCHAR(50), c CHAR(5), j JSON, dt DATETIME, `left` INT,"
        " `date` INT"
    )
    wrong, refused = [], []
    for n, one in enumerate(STEADY[steady]):
        table = f"CREATE TABLE t{n} ({columns}, g VARCHAR(99) AS ({one}) VIRTUAL, h INT AS (v) VIRTUAL, KEY k (g))"
        try:
            execute(database, [table])
        except pymysql.err.OperationalError:  # MariaDB knows itself of some that settings bend
            refused.append(one)
            continue
        if bool(dialect.table(reader, f"t{n}").bent) is steady:
            wrong.append(one)
    assert wrong == []
    assert not refused or (database.engine == "mariadb" and not steady)


@pytest.mark.parametrize(
    ("parts", "bears"),
    [
        ("g DATE AS (s) VIRTUAL, KEY k (g)", {"s", "g"}),
        ("g DATE AS (s) STORED, KEY k (g)", None),
        ("g DATE AS (s) VIRTUAL", None),
        ("g DATE AS (s) STORED, h INT AS (YEAR(g)) VIRTUAL, KEY k (h)", None),
        ("g DATE AS (s) VIRTUAL, h INT AS (YEAR(g)) VIRTUAL, KEY k (v, h)", {"s", "g", "h", "v"}),
        ("g DATE AS (j->>'$.on') VIRTUAL, KEY k (v, g)", {"j", "g", "v"}),
    ],
)
def test_an_index_bears_on_all_that_it_is_made_of(
    database: Database, dialect: InnoDB, reader: Connection, parts: str, bears: set[str] | None
) -> None:
    parts = parts.replace("j->>'$.on'", "JSON_UNQUOTE(JSON_EXTRACT(j, '$.on'))")
    execute(database, [f"CREATE TABLE t (id INT PRIMARY KEY, v INT, s VARCHAR(50), j JSON, {parts})"])
    assert [set(one) for one in dialect.table(reader, "t").bent.values()] == ([bears] if bears else [])


def test_the_stamp_follows_the_shape_and_not_the_rows(database: Database, dialect: InnoDB, writer: Connection) -> None:
    execute(database, ["CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)"])
    table = dialect.table(writer, "t")
    first = dialect.schema_stamp(writer, [table])
    execute(database, ["INSERT INTO t VALUES (1, 1), (2, 2)"])
    assert dialect.schema_stamp(writer, [table]) == first
    writer.rollback()
    execute(database, ["CREATE TRIGGER g AFTER UPDATE ON t FOR EACH ROW SET @x = 1"])
    second = dialect.schema_stamp(writer, [table])
    writer.rollback()
    execute(database, ["ALTER TABLE t MODIFY v BIGINT"])
    assert len({first, second, dialect.schema_stamp(writer, [table])}) == 3


# -- JSON -------------------------------------------------------------------------------------------------------------
DOCUMENTS: list[tuple[str | None, str | None]] = [
    ('{"a": 1}', "object"),
    ("[1]", "array"),
    ('"x"', "string"),
    ('"{}"', "string"),
    ("1", "integer"),
    ("-12", "integer"),
    ("1.0", "double"),
    ("1e2", "double"),
    ("true", "boolean"),
    ("false", "boolean"),
    ("null", "null"),
    (None, None),
]
BROKEN = ["", "{", "nul", "{a:1}", '{"a": 1} x', "NaN", '"\\ud800"', "[1,]", "01", "\ufeff{}", '"a\x01"']


def load(connection: Connection, kind: str, documents: list[str | None]) -> None:
    connection.exec_driver_sql(f"CREATE TABLE t (id INT PRIMARY KEY, v {kind}) CHARACTER SET utf8mb4")
    rows = [{"id": number, "v": document} for number, document in enumerate(documents)]
    connection.execute(sa.text("INSERT INTO t VALUES (:id, :v)"), rows)
    connection.commit()


@pytest.mark.parametrize("kind", ["JSON", "LONGTEXT"])
def test_json_types_are_told_and_null_is_not_json_null(dialect: InnoDB, writer: Connection, kind: str) -> None:
    documents = [*DOCUMENTS, *((text, "invalid") for text in BROKEN)] if kind == "LONGTEXT" else DOCUMENTS
    load(writer, kind, [text for text, _ in documents])
    table = dialect.table(writer, "t")
    storage = table.columns["v"].storage or "text"
    value = table.sql.c.v
    told = writer.scalars(select(dialect.json_type(value, storage)).order_by(table.sql.c.id)).all()
    assert told == [kind for _, kind in documents]
    for types in (["object"], ["object", "array"], ["integer"], ["integer", "double"], ["string", "null"], []):
        wrong = dialect.json_is_not(value, storage, types)
        seen = writer.scalars(select(wrong).order_by(table.sql.c.id)).all()
        assert [bool(one) for one in seen] == [kind is not None and kind not in types for _, kind in documents]
        assert None not in seen


@pytest.mark.parametrize(
    "key", ["a", "a b", "a.b", 'a"b', "a\\b", "a'b", "", "*", "$", "é", "😀", "1", "[0]", "a/b", "a\nb", "%s", ":x"]
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_any_key_can_be_followed(dialect: InnoDB, writer: Connection, key: str, ascii_only: bool) -> None:
    document = json.dumps({"other": 1, key: {"deep": 7}}, ensure_ascii=ascii_only)
    load(writer, "JSON", [document, '{"x": 1}', "7", '"a"', "null", None, '[{"a": 1}]'])
    table = dialect.table(writer, "t")
    value, column = table.sql.c.v, table.columns["v"]
    got = writer.scalars(select(dialect.json_get(value, "json", [key, "deep"])).order_by(table.sql.c.id)).all()
    assert [None if one is None else str(one) for one in got] == ["7", *[None] * 6]
    changed = writer.scalars(select(dialect.json_set_null(value, column, [key])).order_by(table.sql.c.id)).all()
    assert json.loads(changed[0]) == {"other": 1, key: None}
    assert json.loads(changed[1]) == {"x": 1}
    assert json.loads(changed[6]) == [{"a": 1}]
    assert changed[5] is None


@pytest.mark.parametrize("kind", ["JSON", "LONGTEXT"])
def test_strings_lose_their_quotes_and_json_null_is_sql_null(dialect: InnoDB, writer: Connection, kind: str) -> None:
    texts = ["plain", "", "null", 'q"\\', "nul\0x", "😀é", "{}", "a/b\n"]
    documents: list[str | None] = [json.dumps(text) for text in texts]
    load(writer, kind, [*documents, "null", None, "true", "12", "[1, 2]"])
    table = dialect.table(writer, "t")
    storage = table.columns["v"].storage or "text"
    told = writer.scalars(select(dialect.json_text(table.sql.c.v, storage)).order_by(table.sql.c.id)).all()
    assert told == [*texts, None, None, "true", "12", "[1, 2]"]


def test_what_is_no_json_is_told_without_an_error(dialect: InnoDB, writer: Connection) -> None:
    load(writer, "LONGTEXT", [*BROKEN, "{}", "[]", None])
    table = dialect.table(writer, "t")
    valid = writer.scalars(select(dialect.json_valid(table.sql.c.v, ["object"])).order_by(table.sql.c.id)).all()
    assert [bool(one) for one in valid] == [*(False for _ in BROKEN), True, False, False]
    assert None not in valid


def test_a_value_is_wrapped_as_it_is(dialect: InnoDB, writer: Connection) -> None:
    load(writer, "JSON", ['"x"', "[1.50]", "null"])
    table = dialect.table(writer, "t")
    wrapped = dialect.json_wrap('k"é', table.sql.c.v, table.columns["v"])
    told = [json.loads(one) for one in writer.scalars(select(wrapped).order_by(table.sql.c.id))]
    assert told == [{'k"é': "x"}, {'k"é': [1.5]}, {'k"é': None}]


def test_text_that_is_no_json_is_wrapped_as_a_string(dialect: InnoDB, writer: Connection) -> None:
    load(writer, "LONGTEXT", ["{", "[1,  2]", 'say "hi"\0'])
    table = dialect.table(writer, "t")
    wrapped = dialect.json_wrap("k", table.sql.c.v, table.columns["v"])
    told = writer.scalars(select(wrapped).order_by(table.sql.c.id)).all()
    assert told[:2] == ['{"k": "{"}', '{"k": [1,  2]}']
    assert json.loads(told[2]) == {"k": 'say "hi"\0'}


# -- text -------------------------------------------------------------------------------------------------------------
def test_case_and_space_fold_alike_on_both_engines(dialect: InnoDB, reader: Connection) -> None:
    text = sa.bindparam("text", type_=sa.Text)
    folded = select(dialect.fold(text, ["case", "space"]))
    for before, after in [
        ("  Ann \t\n O'Hara ", "ann o'hara"),
        ("ÅBC Ⱥ Σ", "åbc ⱥ σ"),
        ("a\u00a0\u3000b\u2028c", "a b c"),
        ("", ""),
        ("😀 X", "😀 x"),
    ]:
        assert reader.scalar(folded, {"text": before}) == after
    assert reader.scalar(select(dialect.fold(text, ["case"])), {"text": " A "}) == " a "
    with pytest.raises(NotChecked):
        dialect.fold(text, ["unicode"])


def test_bytes_are_compared_whatever_the_collation(database: Database, dialect: InnoDB, reader: Connection) -> None:
    execute(
        database,
        [
            "CREATE TABLE t (a VARCHAR(9) CHARACTER SET latin1, b VARCHAR(9) CHARACTER SET utf8mb4)",
            "INSERT INTO t VALUES ('é', 'é'), ('a', 'A'), ('a', 'a '), (NULL, 'x'), ('', '')",
        ],
    )
    table = dialect.table(reader, "t")
    same = reader.scalars(select(dialect.same_bytes(table.sql.c.a, table.sql.c.b))).all()
    assert same == [1, 0, 0, None, 1]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-7", -7),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("1000000000000000000", 10**18),
        *((text, None) for text in ("9223372036854775808", "-9223372036854775809", "", "007", "+7", " 7", "7\n", "-0")),
        *((text, None) for text in ("7.0", "1e2", "x", "٧", "99999999999999999999", None)),
    ],
)
def test_only_the_decimal_spelling_is_an_integer(
    dialect: InnoDB, reader: Connection, text: str | None, number: int | None
) -> None:
    assert reader.scalar(select(dialect.as_integer(sa.literal(text, sa.Text)))) == number


# -- writing ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", ["PRIMARY KEY (id)", "UNIQUE KEY `a%d``b` (id)"])
def test_a_locked_row_is_a_passing_reason_and_others_stay_free(
    database: Database, dialect: InnoDB, writer: Connection, key: str
) -> None:
    # so small that it would rather be read whole
    execute(database, [f"CREATE TABLE t (id INT NOT NULL, v INT, {key})", "INSERT INTO t VALUES (1, 1), (2, 2)"])
    table = dialect.table(writer, "t")
    stage = dialect.stage(writer, table, [(0, "b", "a", ["1"])])
    writer.execute(dialect.locked(joined(table, stage.relation), table.sql), dict(stage.parameters))
    with dialect.engine(make_url(database.url), write=True).connect() as other:
        other.exec_driver_sql("SELECT v FROM t WHERE id = 2 FOR UPDATE")
        with pytest.raises(DBAPIError) as caught:
            other.exec_driver_sql("SELECT v FROM t WHERE id = 1 FOR UPDATE")
    assert dialect.retryable(caught.value)
    assert dialect.describe(caught.value) == "a lock was not to be had in time (error 1205)"


def test_an_error_names_its_constraint_and_no_value(database: Database, dialect: InnoDB, writer: Connection) -> None:
    execute(
        database,
        [
            "CREATE TABLE p (id INT PRIMARY KEY)",
            """CREATE TABLE t (id INT PRIMARY KEY, email VARCHAR(40) UNIQUE, p INT, n TINYINT CHECK (n < 9),
            CONSTRAINT fk_p FOREIGN KEY (p) REFERENCES p (id))""",
            "INSERT INTO t VALUES (1, 'secret@example.org', NULL, NULL)",
        ],
    )
    told = []
    for values in (
        "2, 'secret@example.org', NULL, 1",
        "3, NULL, 12345, 1",
        "4, 'secret', NULL, 10",
        "5, 'x', NULL, 999",
    ):
        with pytest.raises(DBAPIError) as caught:
            writer.exec_driver_sql(f"INSERT INTO t VALUES ({values})")
        told.append(dialect.describe(caught.value))
        assert not dialect.retryable(caught.value)
    assert told[0] in ("duplicate key 'email' (error 1062)", "duplicate key 't.email' (error 1062)")
    assert told[1] == "the row it refers to is not there 'fk_p' (error 1452)"
    assert told[2].startswith("a CHECK refused the row ")
    assert told[3] == "a value is out of range 'n' (error 1264)"
    assert not any(value in text for text in told for value in ("secret", "12345", "999"))


def test_references_can_be_left_unchecked_for_a_while(database: Database, dialect: InnoDB, writer: Connection) -> None:
    execute(
        database,
        ["CREATE TABLE p (id INT PRIMARY KEY)", "CREATE TABLE t (id INT, p INT, FOREIGN KEY (p) REFERENCES p (id))"],
    )
    dialect.enforce_references(writer, False)
    writer.exec_driver_sql("INSERT INTO t VALUES (1, 7)")
    writer.commit()
    dialect.enforce_references(writer, True)
    with pytest.raises(DBAPIError):
        writer.exec_driver_sql("INSERT INTO t VALUES (2, 7)")


SLOW = "UPDATE t SET v = (SELECT COUNT(*) FROM t a JOIN t b JOIN t c JOIN t d JOIN t e)"


def test_a_statement_that_outlives_its_deadline_is_ended_and_no_later_one(
    database: Database, dialect: InnoDB, writer: Connection
) -> None:
    numbers = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 300) SELECT n, 0 FROM r"
    execute(database, ["CREATE TABLE t (id INT PRIMARY KEY, v BIGINT)", f"INSERT INTO t {numbers}"])
    began = time.monotonic()
    with pytest.raises(DBAPIError) as caught, dialect.deadline(writer, 1.5):
        # a table cannot be read in an UPDATE of itself, but for a derived copy
        writer.exec_driver_sql(
            SLOW.replace("FROM t a", "FROM (SELECT * FROM t) a").replace("JOIN t ", "JOIN (SELECT * FROM t) ")
        )
    assert time.monotonic() - began < 30
    assert dialect.retryable(caught.value)
    assert dialect.describe(caught.value).startswith("the statement ran too long and was ended")
    writer.rollback()
    with dialect.deadline(writer, 0.2):
        writer.exec_driver_sql("SELECT 1")
    time.sleep(0.4)
    assert writer.exec_driver_sql("SELECT SLEEP(0.3)").scalar_one() == 0


def test_a_session_that_was_killed_is_gone(dialect: InnoDB, writer: Connection, database: Database) -> None:
    number = writer.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
    execute(database, [f"KILL {number}"])
    with pytest.raises(DBAPIError) as caught, dialect.deadline(writer, 5):
        writer.exec_driver_sql("SELECT 1")
    assert dialect.disconnected(caught.value)
    assert not dialect.retryable(caught.value)


def test_a_quiet_server_is_writable_and_not_busy(dialect: InnoDB, reader: Connection) -> None:
    assert dialect.writable(reader) == ""
    assert dialect.load(reader) == ""


def test_a_read_only_server_and_a_log_of_statements_are_refused(engine: str, own_server: Callable[..., Server]) -> None:
    server = own_server(engine, options=["--log-bin", "--binlog-format=STATEMENT", "--server-id=7"])
    server.create_database("app")
    dialect = DIALECTS[engine]()
    database = Database(engine, server.url("app"))
    with dialect.engine(make_url(database.url), write=False).connect() as connection:
        assert (
            dialect.writable(connection) == "its binary log holds statements; trueup needs binlog_format ROW or MIXED"
        )
        execute(database, ["SET GLOBAL binlog_format = 'ROW'"])
        assert dialect.writable(connection) == ""
        execute(database, ["SET GLOBAL read_only = ON"])
        assert dialect.writable(connection) == "the server is read-only"


def test_values_of_which_the_digits_would_not_fit_are_told_apart(
    database: Database, dialect: InnoDB, reader: Connection
) -> None:
    execute(database, ["CREATE TABLE t (v LONGTEXT, l LONGTEXT CHARACTER SET latin1, b LONGBLOB)"])
    limit = int(reader.exec_driver_sql("SELECT @@max_allowed_packet").scalar_one())
    columns = dialect.table(reader, "t").columns
    for name, letter in (("v", "x"), ("b", "x"), ("l", literal_column("_latin1 x'e9'"))):
        huge = func.repeat(letter, limit // 2 + 10)
        other = func.concat(func.repeat(letter, limit // 2 + 9), "y")
        told = reader.execute(select(*(dialect.digest([(columns[name], value)]) for value in (huge, other)))).one()
        assert len(set(told)) == 2, name
        assert None not in told, name


@pytest.mark.parametrize("kind", ["MyISAM", "MEMORY"])
def test_nothing_rests_on_a_table_without_transactions(database: Database, tmp_path: Path, kind: str) -> None:
    execute(
        database,
        [
            f"CREATE TABLE p (id INT PRIMARY KEY) ENGINE={kind}",
            "CREATE TABLE t (id INT PRIMARY KEY, p INT)",
            "INSERT INTO p VALUES (1)",
            "INSERT INTO t VALUES (1, 1), (2, 7)",
        ],
    )
    config = config_of(database, Orphan(table="t", column="p", references="p.id", repair=("nullify",)))
    path = str(tmp_path / "plan.jsonl")
    told = f"t cannot be repaired by what p holds: its storage engine is {kind}, which has no transactions"
    (left,) = make_plan(config, path).summary.left
    assert left.reason.startswith(told)

    execute(database, ["ALTER TABLE p ENGINE=InnoDB"])
    assert make_plan(config, path).summary.count == 1
    execute(database, [f"ALTER TABLE p ENGINE={kind}"])
    report = apply(config, path, confirm="yes")
    assert report.states == {}
    assert report.reason.startswith(told)
