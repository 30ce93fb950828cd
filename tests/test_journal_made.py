"""The journal's tables are made once, and get one name, whatever comes in between."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, func, select

from tests.engines import Database
from trueup.errors import StoreError, UsageError
from trueup.journal.journal import Journal
from trueup.stores.sql import SqlStore


@pytest.fixture
def store(database: Database) -> Iterator[SqlStore]:
    made = SqlStore("app", database.url)
    yield made
    made.close()


def names(store: SqlStore) -> int:
    """How many names the database has."""
    with store.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(Journal(store).meta)).scalar_one())


def test_a_journal_that_a_crash_left_without_its_name_is_named_by_the_next_run(store: SqlStore) -> None:
    journal = Journal(store)
    with store.connect(write=True) as connection:
        journal.prepare(connection)
        connection.execute(delete(journal.meta))
        connection.commit()
        assert not journal.exists(connection)
        connection.rollback()
        journal.prepare(connection)
        assert journal.db_uuid(connection)
    assert names(store) == 1


def test_where_there_is_no_journal_it_is_said_where_it_was_looked_for(store: SqlStore) -> None:
    where = "table '_trueup_run'"
    if store.dialect.journal_schema:
        with store.connect(write=True) as connection:
            Journal(store).prepare(connection)
            connection.commit()
            connection.exec_driver_sql("ALTER SCHEMA trueup RENAME TO kept")
            connection.commit()
        where = "journal in its schema 'trueup'"
    with (
        store.connect() as connection,
        pytest.raises(UsageError, match=rf" has no runs: there is no {where}, and no journal is looked for elsewhere$"),
    ):
        Journal(store).find(connection, "last")


def test_operators_who_start_at_once_give_a_database_one_name(database: Database) -> None:
    def prepare(_: int) -> str:
        mine = SqlStore("app", database.url)
        try:
            with mine.connect(write=True) as connection:
                Journal(mine).prepare(connection)
        except StoreError as error:
            return str(error)
        finally:
            mine.close()
        return ""

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(prepare, range(4)))
    assert "" in said
    store = SqlStore("app", database.url)
    assert names(store) == 1
    store.close()
