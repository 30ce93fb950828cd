"""Indexes of PostgreSQL: partial indexes, built while writers go on."""

from __future__ import annotations

from sqlalchemy import Connection

from trueup.sql.indexes import Index, IndexDialect, lines_of
from trueup.sql.spelling import run_verbatim

_ONLINE = " CONCURRENTLY"


class PostgresqlIndexes(IndexDialect):
    """Builds indexes with a WHERE, which a query has to repeat."""

    def of_condition(self, name: str, table: str, key: str, condition: str) -> Index:
        """Build a partial index of the key."""
        made = self.of_columns(name, table, key)
        return Index(f"{made.create} WHERE {condition}", made.drop, condition)

    def of_columns(self, name: str, table: str, columns: str) -> Index:
        """Build with CONCURRENTLY, which does not block writers."""
        return Index(f"CREATE INDEX{_ONLINE} {name} ON {table} ({columns})", f"DROP INDEX{_ONLINE} {name}")

    def make(self, connection: Connection, index: str) -> None:
        """Create the index in a transaction and run ANALYZE."""
        super().make(connection, index.replace(_ONLINE, ""))
        run_verbatim(connection, "ANALYZE")
        connection.commit()

    def plan(self, connection: Connection, statement: str) -> tuple[str, ...]:
        """Run EXPLAIN."""
        return lines_of(connection, f"EXPLAIN {statement}")
