"""A session that met a lock, at BEGIN or at COMMIT, still keeps a transaction whole."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy.exc import DBAPIError

from tests.dialects.opened import opened
from tests.engines import Database

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def rows(database: Database) -> int:
    with closing(sqlite3.connect(database.path)) as other:
        return int(other.execute("SELECT count(*) FROM t").fetchone()[0])


def test_after_a_refused_begin_statements_do_not_commit_by_themselves(database: Database) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (id INTEGER)")
        with opened(database, write=True) as session:
            connection = session.connection
            connection.rollback()
            connection.exec_driver_sql("PRAGMA busy_timeout=1")
            connection.rollback()
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DBAPIError, match="database is locked"):
                connection.exec_driver_sql("INSERT INTO t VALUES (1)")
            connection.rollback()
            other.execute("ROLLBACK")
            connection.exec_driver_sql("INSERT INTO t VALUES (2)")
            assert rows(database) == 0
            connection.rollback()
        assert rows(database) == 0


def test_a_refused_commit_leaves_nothing_open(database: Database) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("CREATE TABLE t (id INTEGER)")
        other.execute("INSERT INTO t VALUES (1)")
        with opened(database, write=True) as session:
            connection = session.connection
            connection.exec_driver_sql("PRAGMA busy_timeout=1")
            connection.rollback()
            reading = other.execute("SELECT id FROM t UNION ALL SELECT id FROM t")
            assert reading.fetchone() == (1,)
            connection.exec_driver_sql("INSERT INTO t VALUES (2)")
            with pytest.raises(DBAPIError, match="database is locked"):
                connection.commit()
            connection.rollback()
            reading.close()
            connection.exec_driver_sql("INSERT INTO t VALUES (3)")
            connection.commit()
        assert rows(database) == 2
