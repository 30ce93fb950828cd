"""Locks of PostgreSQL: what a lock holds still, and waiting for what no lock can hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from tests.dialects.opened import Opened, opened
from tests.dialects.test_postgresql import script
from tests.engines import Database
from tests.servers import Server

pytestmark = pytest.mark.parametrize("engine", ["postgresql", "postgresql18"], indirect=True)

SCHEMA = (
    "CREATE TABLE public.p (id int PRIMARY KEY, n int)",
    "INSERT INTO public.p VALUES (1, 1), (2, 2)",
    "CREATE TABLE public.c (id int, p int REFERENCES public.p ON DELETE CASCADE) PARTITION BY RANGE (id)",
    "CREATE TABLE public.c1 PARTITION OF public.c FOR VALUES FROM (0) TO (100)",
    "CREATE TABLE public.other (id int)",
)


@pytest.fixture
def session(database: Database) -> Iterator[Opened]:
    script(database, *SCHEMA)
    with opened(database, write=True) as found:
        yield found


@pytest.fixture
def application(database: Database, session: Opened) -> Iterator[psycopg.Connection[Any]]:
    with closing(psycopg.connect(database.url)) as connection:
        connection.execute("SET lock_timeout = '200ms'")
        connection.commit()
        yield connection


def locked(session: Opened, *, gone: bool = False, shared: bool = False) -> None:
    row = session.table("p").sql.alias("p")
    found = sa.select(row.c.id).where(row.c.id == 1)
    dialect = session.dialect
    session.connection.execute(dialect.shared(found, row) if shared else dialect.locked(found, row, gone=gone))


def test_a_row_that_will_be_gone_is_locked_against_new_children(
    session: Opened, application: psycopg.Connection[Any]
) -> None:
    locked(session)
    application.execute("INSERT INTO c VALUES (1, 1)")
    application.rollback()
    session.connection.rollback()
    locked(session, gone=True)
    with pytest.raises(psycopg.errors.LockNotAvailable):
        application.execute("INSERT INTO c VALUES (1, 1)")


def test_a_premise_is_held_as_it_is_and_can_be_referred_to(
    session: Opened, application: psycopg.Connection[Any]
) -> None:
    locked(session, shared=True)
    application.execute("INSERT INTO c VALUES (1, 1)")
    application.execute("SELECT * FROM p FOR SHARE")
    for statement in ("UPDATE p SET n = 5 WHERE id = 1", "DELETE FROM p WHERE id = 1"):
        with pytest.raises(psycopg.errors.LockNotAvailable):
            application.execute(statement.encode())
        application.rollback()
    application.execute("UPDATE p SET n = 5 WHERE id = 2")


def awaited(session: Opened, *names: str) -> float:
    began = time.monotonic()
    session.dialect.await_writers(session.connection, [session.table(name) for name in names])
    return time.monotonic() - began


def test_a_transaction_that_has_written_is_waited_for_and_then_given_up(
    session: Opened, application: psycopg.Connection[Any]
) -> None:
    application.execute("INSERT INTO c VALUES (1, 1)")
    for name in ("c", "c1"):
        with pytest.raises(DBAPIError) as error:
            awaited(session, name)
        assert session.dialect.retryable(error.value)
        assert not session.dialect.disconnected(error.value)
        assert session.dialect.describe(error.value) == f"waited for a lock: {name} is being written (55P03)"
    awaited(session, "other", "p")  # p is only looked at, by the key
    application.commit()
    awaited(session, "c", "c1", "p")
    assert session.ask(session.table("c").sql.c.p) == [1]


def test_who_only_reads_is_not_waited_for(session: Opened, application: psycopg.Connection[Any]) -> None:
    application.execute("SELECT * FROM c, p FOR UPDATE OF p")
    awaited(session, "c", "p")


def test_what_began_later_is_not_waited_for_and_nothing_queues(
    database: Database, session: Opened, application: psycopg.Connection[Any]
) -> None:
    table = session.table("c")
    pid = session.ask(sa.func.pg_backend_pid())[0]
    application.execute("INSERT INTO c VALUES (1, 1)")
    done: list[Any] = []

    def wait() -> None:
        session.dialect.await_writers(session.connection, [table])
        done.append(session.connection.scalar(sa.select(sa.func.count()).select_from(table.sql)))

    thread = threading.Thread(target=wait)
    thread.start()
    with closing(psycopg.connect(database.url)) as later, closing(psycopg.connect(database.url)) as watch:
        until(lambda: watch.execute("SELECT query ~ 'virtualtransaction' FROM pg_stat_activity WHERE pid = %s", [pid]))
        later.execute("INSERT INTO c VALUES (2, 2)")
        asked = "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted"
        assert watch.execute(asked, [pid]).fetchone() == (0,)
        application.commit()
        thread.join(10)
        assert done == [1]  # the row committed meanwhile is seen, the one of the later transaction is not
        later.rollback()


def until(question: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not (question().fetchone() or (False,))[0]:
        assert time.monotonic() < deadline


def test_who_waits_for_us_is_not_waited_for(session: Opened, database: Database) -> None:
    locked(session, gone=True)
    with closing(psycopg.connect(database.url)) as behind:

        def insert() -> None:
            behind.execute("INSERT INTO c VALUES (1, 1)")
            behind.commit()

        thread = threading.Thread(target=insert)
        thread.start()
        with closing(psycopg.connect(database.url)) as watch:
            waiting = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid = %s"
            until(lambda: watch.execute(waiting, [behind.info.backend_pid]))
        began = time.monotonic()
        with pytest.raises(DBAPIError, match="waited for a lock"):
            awaited(session, "c")
        assert time.monotonic() - began < 0.4
        session.connection.rollback()
        thread.join(10)


def test_a_prepared_transaction_is_waited_for(
    engine: str, request: pytest.FixtureRequest, own_server: Callable[..., Server]
) -> None:
    server = own_server(request.node.callspec.params["engine"], options=["-c", "max_prepared_transactions=5"])
    server.create_database("prepared")
    database = Database(engine, server.url("prepared"))
    script(database, *SCHEMA)
    with closing(psycopg.connect(database.url)) as application, opened(database, write=True) as session:
        application.execute("INSERT INTO c VALUES (1, 1)")
        application.execute("PREPARE TRANSACTION 'later'")
        application.rollback()
        with pytest.raises(DBAPIError, match="waited for a lock"):
            awaited(session, "c")
        session.connection.rollback()
        script(database, "COMMIT PREPARED 'later'")
        awaited(session, "c")
        assert session.ask(session.table("c").sql.c.p) == [1]
