"""`op.trueup_guard`, by Alembic itself, on every engine."""

import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
from sqlalchemy import make_url

from tests.engines import Database
from tests.rowhash import execute, row_hashes
from trueup.errors import Refused, UsageError

alembic = pytest.importorskip("alembic", reason="Alembic is not installed")

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}
ENV = """
from alembic import context
from sqlalchemy import NullPool, create_engine

if context.is_offline_mode():
    context.configure(dialect_name="sqlite")
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""
FIRST = """
import sqlalchemy as sa
from alembic import op

revision = "one"
down_revision = None


def upgrade():
    op.create_table("events", sa.Column("id", sa.Integer, primary_key=True), sa.Column("metadata", sa.JSON))


def downgrade():
    op.drop_table("events")
"""
SECOND = """
import trueup.alembic
from alembic import op

revision = "two"
down_revision = "one"
CHECK = dict(table="events", column="metadata", expected="object")


def upgrade():
    op.trueup_guard("wrong-json-type", **CHECK{more})


def downgrade():
    op.trueup_unguard("wrong-json-type", **CHECK)
"""
GOOD = "INSERT INTO events (id, metadata) VALUES (1, '{\"quiz_id\": 7}')"
BAD = "INSERT INTO events (id, metadata) VALUES ({}, '[7]')"


def project(folder: Path, database: Database, *, more: str = "") -> Any:
    """Alembic's configuration of two migrations, the second of which guards."""
    from alembic.config import Config

    (folder / "versions").mkdir()
    (folder / "env.py").write_text(ENV)
    (folder / "versions" / "one.py").write_text(FIRST)
    (folder / "versions" / "two.py").write_text(SECOND.replace("{more}", more))
    made = Config()
    made.set_main_option("script_location", str(folder))
    made.set_main_option("path_separator", "os")
    made.attributes["url"] = make_url(database.url).set(drivername=DRIVERS[database.engine])
    return made


def taken(database: Database, number: int) -> bool:
    """Whether the application may write a list."""
    try:
        execute(database, [BAD.format(number)])
    except (sqlite3.Error, psycopg.Error, pymysql.Error):
        return False
    return True


def test_a_guard_is_refused_while_rows_are_broken_and_added_and_taken_off_after(
    database: Database, tmp_path: Path
) -> None:
    from alembic import command

    made = project(tmp_path, database)
    command.upgrade(made, "one")
    execute(database, [GOOD, BAD.format(2), BAD.format(3)])
    with pytest.raises(Refused) as raised:
        command.upgrade(made, "two")
    first, *rows = str(raised.value).splitlines()
    assert first.endswith(
        "is not guarded, as rows break it; mend them before this migration, with 'trueup plan' and 'trueup apply':"
    )
    assert rows == ["  events 2", "  events 3"]
    assert "[7]" not in str(raised.value)
    assert taken(database, 4)

    execute(database, ["DELETE FROM events WHERE id > 1"])
    command.upgrade(made, "two")
    assert not taken(database, 5)
    command.downgrade(made, "one")
    assert taken(database, 6)
    execute(database, ["DELETE FROM events WHERE id > 1"])
    command.upgrade(made, "two")
    assert not taken(database, 7)
    assert len(row_hashes(database)["events"]) == 1


def test_a_transition_lets_broken_rows_be(database: Database, tmp_path: Path) -> None:
    from alembic import command

    made = project(tmp_path, database, more=", transition=True")
    command.upgrade(made, "one")
    execute(database, [GOOD, BAD.format(2)])
    command.upgrade(made, "two")
    assert not taken(database, 3)
    command.downgrade(made, "base")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_guard_is_not_written_as_sql(database: Database, tmp_path: Path) -> None:
    from alembic import command

    made = project(tmp_path, database)
    with pytest.raises(UsageError, match="looks at the stored rows first, so it cannot be written as SQL: leave --sql"):
        command.upgrade(made, "one:two", sql=True)


def test_each_operation_is_the_way_back_of_the_other() -> None:
    from trueup.alembic import GuardOperation, UnguardOperation

    options = {"table": "events", "column": "metadata", "expected": "object"}
    one = GuardOperation("wrong-json-type", options, transition=True, window=False)
    back = one.reverse()
    assert isinstance(back, UnguardOperation)
    again = back.reverse()
    assert isinstance(again, GuardOperation)
    assert (again.check, again.transition, again.window) == (one.check, True, False)
