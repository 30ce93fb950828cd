"""Sessions that are shared with the application: what trueup sets is gone with its transaction."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from tests.dialects.opened import opened
from tests.dialects.test_postgresql import script
from tests.engines import Database
from tests.proof import config_of
from trueup.check import Check
from trueup.checks.orphan import Orphan
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.engines.postgresql.session import pooled
from trueup.errors import UsageError
from trueup.run import apply, make_plan, scan, undo, verify
from trueup.verbs.backup import backup

pytestmark = pytest.mark.parametrize("engine", ["postgresql", "postgresql18"], indirect=True)

# all that a session can be told, but what the driver and the pooler keep in step themselves
SETTINGS = (
    # a language's own settings are there once it was used
    "SELECT name, setting FROM pg_settings WHERE name NOT LIKE 'plpgsql.%' ORDER BY name"
)
LEFT = (
    "SELECT (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors),"
    " (SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema()),"
    " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
)


class Application:
    """What an application finds on the pooled sessions: all of them at once, each in a transaction of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def sees(self) -> list[Any]:
        with closing(self.connected()) as one, closing(self.connected()) as other:
            # a transaction that is open keeps its session, so that the second gets another one
            found = [(each.execute(SETTINGS).fetchall(), each.execute(LEFT).fetchone()) for each in (one, other)]
            pids = {each.execute("SELECT pg_backend_pid()").fetchone() for each in (one, other)}
            assert len(pids) == 2
            return found

    def connected(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, prepare_threshold=None)


@pytest.fixture
def application(pooler: Database) -> Application:
    script(
        pooler,
        "CREATE TABLE parents (id int PRIMARY KEY)",
        "INSERT INTO parents VALUES (1)",
        "CREATE TABLE ev (id int PRIMARY KEY, j jsonb, t text, p int)",
        """INSERT INTO ev SELECT i, CASE WHEN i % 10 = 0 THEN '7' ELSE '{}' END::jsonb,
        CASE WHEN i % 10 = 1 THEN '[' ELSE '{}' END, CASE WHEN i % 10 = 2 THEN 9 ELSE 1 END
        FROM generate_series(1, 300) i""",
        "ALTER TABLE ev ADD FOREIGN KEY (p) REFERENCES parents NOT VALID",
    )
    return Application(pooler.url)


CHECKS: list[Check] = [
    WrongJsonType(table="ev", column="j", expected=("object",), name="n", repair=("wrap",)),
    WrongJsonType(table="ev", column="t", expected=("object",), name="n", repair=("nullify",)),
    Orphan(table="ev", column="p", references="parents.id", name="n", repair=("quarantine",)),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.kind}-{check.columns[0]}")
def test_a_whole_run_through_a_pooler_leaves_the_application_its_sessions(
    check: Check, application: Application, pooler: Database, database: Database, tmp_path: Path
) -> None:
    before = application.sees()
    config = config_of(pooler, check)
    (result,) = scan(config).results
    assert (result.reason, result.findings) == ("", 30)
    assert application.sees() == before
    path = str(tmp_path / "plan.jsonl")
    make_plan(config, path, values=True)
    assert application.sees() == before
    report = apply(config, path, confirm="yes", because="a test")
    assert report.states == {"applied": 30}, report
    assert application.sees() == before
    assert verify(config, report.run_id).sound
    assert application.sees() == before
    undone = undo(config, report.run_id, confirm="yes")
    assert undone.states == {"undone": 30}, undone
    assert application.sees() == before


def test_pg_dump_is_refused_through_a_pooler(application: Application, pooler: Database, tmp_path: Path) -> None:
    before = application.sees()
    with pytest.raises(UsageError, match="is reached through a connection pooler, and pg_dump needs the server itself"):
        backup(config_of(pooler, CHECKS[0]), folder=str(tmp_path))
    assert application.sees() == before


def test_each_transaction_begins_anew_and_a_failure_leaves_nothing(application: Application, pooler: Database) -> None:
    before = application.sees()
    for write in (False, True):
        with opened(pooler, write=write) as session:
            for _ in range(4):
                shown = session.ask(
                    *(
                        sa.func.current_setting(name)
                        for name in ("search_path", "row_security", "transaction_read_only")
                    )
                )
                assert shown == [('""', "off", "off" if write else "on")]
                with pytest.raises(DBAPIError):
                    session.connection.exec_driver_sql("SELECT 1 / 0")
                session.connection.rollback()
            session.connection.commit()
    assert application.sees() == before


def test_references_are_left_unchecked_for_a_transaction_at_a_time(application: Application, pooler: Database) -> None:
    before = application.sees()
    with opened(pooler, write=True) as session:
        role = sa.func.current_setting("session_replication_role")
        session.dialect.enforce_references(session.connection, yes=False)
        assert application.sees() == before
        assert session.ask(role) == ["replica"]
        session.connection.commit()
        assert application.sees() == before
        session.dialect.enforce_references(session.connection, yes=True)
        assert session.ask(role) == ["origin"]
    assert application.sees() == before


def test_a_pooler_is_told_from_the_server_itself(
    application: Application, pooler: Database, database: Database
) -> None:
    for url, wanted in ((pooler, True), (database, False)):
        with opened(url) as session:
            assert pooled(session.connection) is wanted
