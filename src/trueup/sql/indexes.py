"""The contract of an engine's indexes, as `trueup advise` proposes them: `engines/NAME/index.py` has one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from sqlalchemy import Connection

from trueup.sql.spelling import run_verbatim


@dataclass(frozen=True, slots=True)
class Index:
    """The statements that make and drop an index; `where` is the condition by which a listing can use it."""

    create: str
    drop: str
    where: str = ""


class IndexDialect(ABC):
    """How an engine makes indexes and tells its plans. Stateless; names, tables and conditions are spelled already."""

    @abstractmethod
    def of_condition(self, name: str, table: str, key: str, condition: str) -> Index:
        """An index of the rows that meet a condition, and no others."""

    def of_columns(self, name: str, table: str, columns: str) -> Index:
        """An ordinary index."""
        return Index(f"CREATE INDEX {name} ON {table} ({columns})", f"DROP INDEX {name}")

    def make(self, connection: Connection, index: str) -> None:
        """Make an index on a scratch copy, which nobody else uses, and have the engine's plans know of it."""
        run_verbatim(connection, index)
        connection.commit()

    @abstractmethod
    def plan(self, connection: Connection, statement: str) -> tuple[str, ...]:
        """The engine's plan for a statement, as lines; the statement is not run."""


def lines_of(connection: Connection, statement: str) -> tuple[str, ...]:
    """What a statement answers in its first column, line by line."""
    rows = connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    return tuple(line for row in rows for line in str(row[0]).rstrip().splitlines())
