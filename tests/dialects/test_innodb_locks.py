"""What a repair rests on is waited for and held, on MySQL and MariaDB."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from tests.dialects.accounts import DIALECTS
from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import execute, row_hashes
from trueup.checks.missing import Missing
from trueup.engines._innodb.dialect import InnoDB
from trueup.run import apply, make_plan, undo
from trueup.sql.tables import Table

pytestmark = pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)


@pytest.fixture
def dialect(database: Database) -> InnoDB:
    return DIALECTS[database.engine]()


@contextmanager
def session(database: Database, dialect: InnoDB) -> Iterator[Connection]:
    with dialect.engine(make_url(database.url), write=True).connect() as connection:
        yield connection


@pytest.fixture
def writer(database: Database, dialect: InnoDB) -> Iterator[Connection]:
    with session(database, dialect) as connection:
        yield connection


def waits(dialect: InnoDB, connection: Connection, statement: sa.Select[tuple[int]]) -> bool:
    """Whether a statement waits for another transaction; it gives up after a second."""
    try:
        connection.execute(statement).all()
    except DBAPIError as error:
        if not dialect.retryable(error):
            raise
        return True
    finally:
        connection.rollback()
    return False


def filled(database: Database) -> None:
    """So many rows that an index is worth its while."""
    numbers = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 900) SELECT"
    execute(
        database,
        [
            "CREATE TABLE t (id INT PRIMARY KEY, n INT, code VARCHAR(9), bare INT, UNIQUE `c%``d` (code), KEY (n))",
            f"INSERT INTO t {numbers} n * 10, n * 10, CONCAT('c', n * 10), n * 10 FROM r",
            "CREATE TABLE k (id INT PRIMARY KEY, t_id INT, FOREIGN KEY (t_id) REFERENCES t (id) ON DELETE CASCADE)",
            """CREATE TABLE o (id INT PRIMARY KEY, code VARCHAR(9),
            FOREIGN KEY (code) REFERENCES t (code) ON DELETE CASCADE)""",
            f"INSERT INTO k {numbers} n, 10 FROM r",
            "ANALYZE TABLE t, k",
        ],
    )


@pytest.mark.parametrize(
    ("doing", "column", "value"),
    [
        ("INSERT INTO t VALUES (55, 55, 'c55', 55)", "id", 55),
        ("INSERT INTO t VALUES (55, 55, 'c55', 55)", "n", 55),
        ("INSERT INTO t VALUES (55, 55, 'c55', 55)", "code", "c55"),
        ("INSERT INTO t VALUES (55, 55, 'c55', 55)", "bare", 55),
        ("DELETE FROM t WHERE id = 50", "n", 50),
        ("DELETE FROM t WHERE id = 50", "bare", 50),
        ("UPDATE t SET n = 51 WHERE id = 50", "n", 50),
        ("UPDATE t SET n = 51 WHERE id = 50", "n", 51),
        ("UPDATE t SET bare = 51 WHERE id = 50", "bare", 51),
    ],
)
def test_a_shared_look_waits_for_what_is_being_written(
    database: Database, dialect: InnoDB, writer: Connection, doing: str, column: str, value: object
) -> None:
    filled(database)
    table = dialect.table(writer, "t").sql
    look = dialect.shared(select(table.c.id).where(table.c[column] == value), table)
    with session(database, dialect) as application:
        application.exec_driver_sql(doing)
        assert waits(dialect, writer, look)
        application.commit()
        assert not waits(dialect, writer, look)


def test_what_a_shared_look_found_is_held(database: Database, dialect: InnoDB, writer: Connection) -> None:
    filled(database)
    table = dialect.table(writer, "t").sql
    assert writer.execute(dialect.shared(select(table.c.id).where(table.c.n == 50), table)).all() == [(50,)]
    with session(database, dialect) as application:
        other = sa.text("SELECT id FROM t WHERE id = 60 FOR UPDATE")
        assert application.execute(other).all() == [(60,)]
        for statement in ("DELETE FROM t WHERE id = 50", "UPDATE t SET n = 51 WHERE id = 50"):
            with pytest.raises(DBAPIError) as caught:
                application.exec_driver_sql(statement)
            assert dialect.retryable(caught.value)


def test_a_child_that_is_being_inserted_is_waited_for(database: Database, dialect: InnoDB, writer: Connection) -> None:
    filled(database)
    child = dialect.table(writer, "k").sql
    look = dialect.shared(select(child.c.id).where(child.c.t_id == 20), child)
    with session(database, dialect) as application:
        application.exec_driver_sql("INSERT INTO k VALUES (5000, 20)")
        assert waits(dialect, writer, look)


def gone(dialect: InnoDB, connection: Connection, table: Table, key: str) -> None:
    stage = dialect.stage(connection, table, [(0, "b", "a", [key])])
    same = table.sql.c.id == stage.relation.c.k0
    statement = select(stage.relation.c.seq).select_from(stage.relation.join(table.sql, same))
    rows = connection.execute(dialect.locked(statement, table.sql, gone=True), dict(stage.parameters)).all()
    assert rows == [(0,)]


@pytest.mark.parametrize("insert", ["INSERT INTO k VALUES (5000, 20)", "INSERT INTO o VALUES (5000, 'c20')"])
def test_a_row_that_will_go_is_not_referred_to_meanwhile(
    database: Database, dialect: InnoDB, writer: Connection, insert: str
) -> None:
    filled(database)
    table = dialect.table(writer, "t")
    with session(database, dialect) as application:
        application.exec_driver_sql(insert)
        with pytest.raises(DBAPIError) as caught:
            gone(dialect, writer, table, "20")
        assert dialect.retryable(caught.value)
        writer.rollback()
        application.rollback()
        gone(dialect, writer, table, "20")
        with pytest.raises(DBAPIError) as caught:
            application.exec_driver_sql(insert)
        assert dialect.retryable(caught.value)
        application.rollback()
        application.exec_driver_sql(insert.replace("20", "30"))


def test_a_row_without_what_could_be_referred_to_is_locked_too(
    database: Database, dialect: InnoDB, writer: Connection
) -> None:
    filled(database)
    execute(database, ["UPDATE t SET code = NULL WHERE id = 20"])
    gone(dialect, writer, dialect.table(writer, "t"), "20")


def test_a_statement_after_a_lock_sees_what_it_waited_for(
    database: Database, dialect: InnoDB, writer: Connection
) -> None:
    filled(database)
    table = dialect.table(writer, "t").sql
    assert writer.exec_driver_sql("SELECT COUNT(*) FROM k WHERE t_id = 20").scalar_one() == 0
    with session(database, dialect) as application:
        application.exec_driver_sql("INSERT INTO k VALUES (5000, 20)")
        end = threading.Timer(0.3, application.commit)
        end.start()
        writer.execute(dialect.locked(select(table.c.id).where(table.c.id == 20), table)).all()
        end.join()
    assert writer.exec_driver_sql("SELECT COUNT(*) FROM k WHERE t_id = 20").scalar_one() == 1


# -- a lock on a name -------------------------------------------------------------------------------------------------
def test_one_session_at_a_time_is_alone(
    database: Database, dialect: InnoDB, writer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trueup.engines._innodb.session.ALONE_SECONDS", 1)
    with session(database, dialect) as other:
        with dialect.alone(writer, "images"):
            writer.exec_driver_sql("CREATE TABLE x (id INT)")  # DDL commits, and the lock stays
            with dialect.alone(other, "something else"):
                pass
            with pytest.raises(DBAPIError) as caught, dialect.alone(other, "images"):
                pass
            assert dialect.retryable(caught.value)
            assert not dialect.disconnected(caught.value)
            assert dialect.describe(caught.value) == "a lock was not to be had in time (error 1205)"
        with pytest.raises(ZeroDivisionError), dialect.alone(other, "images"):
            raise ZeroDivisionError
        with dialect.alone(writer, "images"):
            pass


def test_databases_of_one_server_are_alone_by_themselves(
    database: Database, dialect: InnoDB, writer: Connection
) -> None:
    name = f"{make_url(database.url).database}_b"
    execute(database, [f"CREATE DATABASE {name}"])
    try:
        with (
            dialect.engine(make_url(database.url).set(database=name), write=True).connect() as other,
            dialect.alone(writer, "images"),
            dialect.alone(other, "images"),
        ):
            pass
    finally:
        execute(database, [f"DROP DATABASE {name}"])


def test_an_index_that_statements_may_not_name_is_no_surprise(
    database: Database, dialect: InnoDB, writer: Connection, tmp_path: Path
) -> None:
    hidden = {"mysql": "INVISIBLE", "mariadb": "IGNORED"}[database.engine]
    execute(
        database,
        [
            f"""CREATE TABLE t (id INT PRIMARY KEY, code INT NOT NULL, name VARCHAR(9), UNIQUE u (code),
            KEY k (code, name) {hidden})""",
            "CREATE TABLE c (id INT PRIMARY KEY, code INT, FOREIGN KEY (code) REFERENCES t (code) ON DELETE CASCADE)",
            "INSERT INTO t VALUES (1, 1, NULL), (2, 2, 'x')",
            "INSERT INTO c VALUES (1, 2)",
            # a key of its own, without a primary one
            f"CREATE TABLE o (a INT NOT NULL, v CHAR(9) NOT NULL, name CHAR(9), UNIQUE z (v), UNIQUE y (a) {hidden})",
            "INSERT INTO o VALUES (1, 'a', NULL), (2, 'b', 'x')",
        ],
    )
    before = row_hashes(database)
    for table, waited in (("t", database.engine == "mysql"), ("o", True)):
        config = config_of(database, Missing(table=table, column="name", name="n", repair=("quarantine",)))
        path = str(tmp_path / "plan.jsonl")
        left = make_plan(config, path, accept_rate=["n"]).summary.left
        if not waited:
            why = "t cannot be repaired: rows that refer to it may be found by its index 'k', which is IGNORED"
            assert [one.reason for one in left] == [why]
            continue
        run = apply(config, path, confirm="yes")
        assert run.states == {"applied": 1}
        assert undo(config, run.run_id, confirm="yes").states == {"undone": 1}
        assert row_hashes(database) == before
    if database.engine == "mysql":
        execute(database, ["INSERT INTO t VALUES (3, 3, 'y')"])
        with session(database, dialect) as application:
            application.exec_driver_sql("INSERT INTO c VALUES (2, 3)")
            with pytest.raises(DBAPIError) as caught:
                gone(dialect, writer, dialect.table(writer, "t"), "3")
            assert dialect.retryable(caught.value)
