"""MySQL alone; what it shares with MariaDB is in `test_innodb.py`."""

import json
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, select
from sqlalchemy.engine import make_url

from tests.dialects.accounts import DIALECTS, NO_PROCESS, NO_TRIGGER, Account, told
from tests.engines import Database
from tests.rowhash import execute
from tests.servers import Server
from trueup.engines.mysql.dialect import Mysql

pytestmark = pytest.mark.parametrize("engine", ["mysql"], indirect=True)


@pytest.fixture
def writer(database: Database) -> Iterator[Connection]:
    with Mysql().engine(make_url(database.url), write=True).connect() as connection:
        yield connection


def fill(connection: Connection, kind: str, values: list[str]) -> None:
    connection.exec_driver_sql(f"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v {kind})")
    for value in values:
        connection.execute(sa.text("INSERT INTO t (v) VALUES (:v)"), {"v": value})
    connection.commit()


def test_text_that_nests_too_deep_is_invalid_and_no_error(writer: Connection) -> None:
    deep = "[" * 101 + "]" * 101
    brackets = json.dumps(["[{" * 100])
    fill(writer, "LONGTEXT", [deep, "[" * 500, "[" * 100 + "]" * 100, brackets, json.dumps([[{}]] * 300)])
    table = Mysql().table(writer, "t")
    told = writer.scalars(select(Mysql().json_type(table.sql.c.v, "text")).order_by(table.sql.c.id)).all()
    assert told == ["invalid", "invalid", "array", "array", "array"]


def test_dates_and_bytes_inside_json_read_as_strings(writer: Connection) -> None:
    writer.exec_driver_sql("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v JSON)")
    for value in (
        "CAST(DATE '2024-01-01' AS JSON)",
        "CAST(x'00ff' AS JSON)",
        "CAST(1.5 AS JSON)",
        "CAST(7 AS UNSIGNED)",
    ):
        writer.exec_driver_sql(f"INSERT INTO t (v) SELECT CAST({value} AS JSON)")
    table = Mysql().table(writer, "t")
    told = writer.scalars(select(Mysql().json_type(table.sql.c.v, "json")).order_by(table.sql.c.id)).all()
    assert told == ["string", "string", "double", "integer"]
    assert writer.scalars(select(Mysql().json_is_not(table.sql.c.v, "json", ["string"]))).all() == [0, 0, 1, 1]


def test_a_decimal_in_json_is_not_the_double_of_the_same_text(writer: Connection) -> None:
    writer.exec_driver_sql("CREATE TABLE t (v JSON)")
    writer.exec_driver_sql("INSERT INTO t VALUES (CAST(1.5 AS JSON)), (CAST(1.5e0 AS JSON))")
    table = Mysql().table(writer, "t")
    assert len(set(writer.scalars(select(Mysql().digest([(table.columns["v"], table.sql.c.v)]))))) == 2


def test_minus_zero_is_not_zero(writer: Connection) -> None:
    writer.exec_driver_sql("CREATE TABLE t (v DOUBLE)")
    writer.exec_driver_sql("INSERT INTO t VALUES (0e0), (-0e0)")
    table = Mysql().table(writer, "t")
    assert len(set(writer.scalars(select(Mysql().digest([(table.columns["v"], table.sql.c.v)]))))) == 2


def test_text_whose_numbers_would_lose_digits_is_left_as_it_is(writer: Connection) -> None:
    fill(writer, "LONGTEXT", ['{"a": 1, "n": 12345678901234567890123}', '{"a": 1, "n": 12}', "{", '{"b": 1}'])
    table = Mysql().table(writer, "t")
    changed = Mysql().json_set_null(table.sql.c.v, table.columns["v"], ["a"])
    told = writer.scalars(select(changed).order_by(table.sql.c.id)).all()
    assert told[0] == '{"a": 1, "n": 12345678901234567890123}'
    assert json.loads(told[1]) == {"a": None, "n": 12}
    assert told[2] == "{"


def test_a_locking_read_names_its_table(writer: Connection) -> None:
    writer.exec_driver_sql("CREATE TABLE t (id INT PRIMARY KEY)")
    table = Mysql().table(writer, "t")
    statement = Mysql().locked(select(table.sql.c.id), table.sql).compile(writer)
    assert str(statement).endswith("FOR UPDATE OF `t`")


def test_a_right_taken_back_in_one_database_is_not_held(engine: str, own_server: Callable[..., Server]) -> None:
    server = own_server(engine, options=["--partial-revokes=ON"])
    server.create_database("app")
    account = Account(Database(engine, server.url("app")))
    account.run(
        "CREATE TABLE t (id INT PRIMARY KEY)",
        "CREATE USER {me} IDENTIFIED BY 'x'",
        "GRANT SELECT, TRIGGER ON *.* TO {me}",
        "REVOKE SELECT ON mysql.* FROM {me}",
    )
    assert account.obstacles() == ()
    assert account.unseen() == ()
    account.run("REVOKE TRIGGER ON {db}.* FROM {me}", "CREATE DATABASE other", "REVOKE SELECT ON other.* FROM {me}")
    assert account.obstacles() == told(account, NO_TRIGGER)
    assert account.unseen() == NO_PROCESS
    # names are no patterns on such a server
    account.run("GRANT TRIGGER ON `ap_`.* TO {me}")
    assert account.obstacles() == told(account, NO_TRIGGER)
    account.run("GRANT TRIGGER ON `app`.t TO {me}")
    assert account.obstacles() == ()


def test_a_key_that_the_server_made_and_hides_is_seen(engine: str, own_server: Callable[..., Server]) -> None:
    options = ["--sql-generate-invisible-primary-key=ON", "--show-gipk-in-create-table-and-information-schema=OFF"]
    server = own_server(engine, options=options)
    server.create_database("app")
    database = Database(engine, server.url("app"))
    execute(database, ["CREATE TABLE t (v INT)", "INSERT INTO t VALUES (7)"])
    dialect = DIALECTS[engine]()
    with dialect.engine(make_url(database.url), write=False).connect() as connection:
        table = dialect.table(connection, "t")
    assert list(table.columns) == ["my_row_id", "v"]
    assert table.key == ("my_row_id",)


ZONE = "depends on the session's time zone, and nothing tells the application's"


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ("KEY k (v, (HOUR(ts)))", ["index 'k'"]),
        ("KEY k ((ts IS NULL))", []),
        ("KEY k ((v + 1))", []),
        ("g DATETIME AS (FROM_UNIXTIME(v)) STORED", ["generated column 'g'"]),
        ("g DATETIME AS (CAST(ts AT TIME ZONE 'UTC' AS DATETIME)) STORED", []),
    ],
)
@pytest.mark.parametrize("quoted", [True, False])
def test_what_is_kept_of_the_time_zone_is_an_obstacle(
    database: Database, writer: Connection, parts: str, found: list[str], quoted: bool
) -> None:
    table = f"CREATE TABLE t (id INT PRIMARY KEY, v INT, ts TIMESTAMP NULL, {parts})"
    execute(database, [f"SET sql_quote_show_create = {quoted:d}", table])
    assert Mysql().table(writer, "t").obstacles == tuple(f"its {one} {ZONE}" for one in found)


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize(
    ("made", "steady"),
    [
        ("LOWER(s)", True),
        ("CAST(j->'$.tags' AS UNSIGNED ARRAY)", True),
        ("CAST(j->>'$.x' AS CHAR(20)) COLLATE utf8mb4_bin", True),
        ("JSON_VALUE(j, '$.n' RETURNING DECIMAL(5,2))", True),
        ("IF(dt IS NULL, 1, NULL)", True),
        ("CAST(DAYNAME(dt) AS CHAR(20))", False),
        ("CAST(s AS DATE)", False),
        ("JSON_VALUE(j, '$.n' RETURNING DATE)", False),
        ("COALESCE(dt, dt)", False),
    ],
)
def test_an_index_over_an_expression_that_settings_bend_is_told(
    database: Database, writer: Connection, made: str, steady: bool, quoted: bool
) -> None:
    columns = "id INT PRIMARY KEY, `date` INT, s VARCHAR(50), j JSON, dt DATETIME"
    execute(database, [f"SET sql_quote_show_create = {quoted:d}", f"CREATE TABLE t ({columns}, KEY k (id, ({made})))"])
    assert bool(Mysql().table(writer, "t").bent) is not steady
