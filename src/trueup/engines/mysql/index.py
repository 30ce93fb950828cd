"""Indexes of MySQL over an expression."""

from __future__ import annotations

from sqlalchemy import Connection

from trueup.engines._innodb.index import InnodbIndexes, flag
from trueup.sql.indexes import Index, lines_of


class MysqlIndexes(InnodbIndexes):
    """Builds functional indexes, which MySQL uses where a query has exactly the same expression."""

    def of_condition(self, name: str, table: str, key: str, condition: str) -> Index:
        """Build a functional index."""
        made = self.of_columns(name, table, f"({flag(condition)})")
        return Index(made.create, made.drop, f"({flag(condition)}) = 1")

    def plan(self, connection: Connection, statement: str) -> tuple[str, ...]:
        """Run EXPLAIN with the tree format."""
        return lines_of(connection, f"EXPLAIN FORMAT=TREE {statement}")
