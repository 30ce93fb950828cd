"""Indexes of MySQL and MariaDB: neither has partial ones, so what is indexed is NULL for the rows that are good."""

from __future__ import annotations

from trueup.sql.indexes import Index, IndexDialect


class InnodbIndexes(IndexDialect):
    """An index belongs to its table, which DROP INDEX has to name."""

    def of_columns(self, name: str, table: str, columns: str) -> Index:
        """An ordinary index."""
        return Index(f"CREATE INDEX {name} ON {table} ({columns})", f"DROP INDEX {name} ON {table}")


def flag(condition: str) -> str:
    """1 where a condition holds, else NULL."""
    return f"CASE WHEN {condition} THEN 1 END"
