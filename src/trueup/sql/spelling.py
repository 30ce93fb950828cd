"""Renders and runs SQL as text."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy import Dialect as Spelling

from trueup import discovery
from trueup.sql.dialect import Dialect


def spelling(engine: str) -> Spelling:
    """Return SQLAlchemy's dialect for one of our engines, without a driver's own syntax."""
    return discovery.load("engines", engine, Dialect, "dialect")().spelling()


def run_verbatim(connection: Connection, sql: str) -> None:
    """Run a statement word for word: a per cent sign in it is not a parameter."""
    connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def quoted_text(value: str) -> str:
    """Return a text as a standard SQL literal."""
    return "'" + value.replace("'", "''") + "'"
