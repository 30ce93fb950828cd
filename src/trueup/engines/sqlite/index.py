"""Indexes of SQLite: partial indexes."""

from __future__ import annotations

from sqlalchemy import Connection

from trueup.sql.indexes import Index, IndexDialect
from trueup.sql.spelling import run_verbatim


class SqliteIndexes(IndexDialect):
    """Builds indexes with a WHERE, which a query has to repeat."""

    def of_condition(self, name: str, table: str, key: str, condition: str) -> Index:
        """Build a partial index of the key."""
        return Index(f"CREATE INDEX {name} ON {table} ({key}) WHERE {condition}", f"DROP INDEX {name}", condition)

    def make(self, connection: Connection, index: str) -> None:
        """Create the index and run ANALYZE."""
        super().make(connection, index)
        run_verbatim(connection, "ANALYZE")
        connection.commit()

    def plan(self, connection: Connection, statement: str) -> tuple[str, ...]:
        """Run EXPLAIN QUERY PLAN."""
        asked = f"EXPLAIN QUERY PLAN {statement}"
        rows = connection.exec_driver_sql(asked, execution_options={"no_parameters": True}).mappings()
        return tuple(str(row["detail"]) for row in rows)
