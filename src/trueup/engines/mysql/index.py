"""Indexes of MySQL: of an expression."""

from __future__ import annotations

from sqlalchemy import Connection

from trueup.engines._innodb.index import InnodbIndexes, flag
from trueup.sql.indexes import Index, lines_of


class MysqlIndexes(InnodbIndexes):
    """An index of an expression is used where a query has the very expression."""

    def of_condition(self, name: str, table: str, key: str, condition: str) -> Index:
        """A functional index."""
        made = self.of_columns(name, table, f"({flag(condition)})")
        return Index(made.create, made.drop, f"({flag(condition)}) = 1")

    def plan(self, connection: Connection, statement: str) -> tuple[str, ...]:
        """EXPLAIN as a tree."""
        return lines_of(connection, f"EXPLAIN FORMAT=TREE {statement}")
