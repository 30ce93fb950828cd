"""SQL as text, as an engine spells it."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy import Dialect as Spelling

from trueup import discovery
from trueup.sql.dialect import Dialect


def spelling(engine: str) -> Spelling:
    """SQLAlchemy's dialect for an engine of ours, without a driver's peculiarities."""
    return discovery.load("engines", engine, Dialect, "dialect")().spelling()


def run_verbatim(connection: Connection, sql: str) -> None:
    """Run a statement word for word: a per cent sign in it is no parameter."""
    connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def quoted_text(value: str) -> str:
    """A literal of standard SQL."""
    return "'" + value.replace("'", "''") + "'"
