"""The contract of an engine's indexes, which `trueup advise` proposes. Each is in `engines/NAME/index.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from sqlalchemy import Connection

from trueup.sql.spelling import run_verbatim


@dataclass(frozen=True, slots=True)
class Index:
    """The statements that create and drop an index; `where` is the condition with which a query can use it."""

    create: str
    drop: str
    where: str = ""


class IndexDialect(ABC):
    """Builds an engine's indexes and reads its query plans. Stateless; names, tables and conditions are SQL already."""

    @abstractmethod
    def of_condition(self, name: str, table: str, key: str, condition: str) -> Index:
        """Build an index that covers only the rows that meet a condition."""

    def of_columns(self, name: str, table: str, columns: str) -> Index:
        """Build an ordinary index."""
        return Index(f"CREATE INDEX {name} ON {table} ({columns})", f"DROP INDEX {name}")

    def make(self, connection: Connection, index: str) -> None:
        """Create an index on a scratch copy, which nobody else uses, and update the statistics that query plans use."""
        run_verbatim(connection, index)
        connection.commit()

    @abstractmethod
    def plan(self, connection: Connection, statement: str) -> tuple[str, ...]:
        """Return the engine's query plan for a statement as lines. The statement is not run."""


def lines_of(connection: Connection, statement: str) -> tuple[str, ...]:
    """Return the first column of a statement's result, line by line."""
    rows = connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    return tuple(line for row in rows for line in str(row[0]).rstrip().splitlines())
