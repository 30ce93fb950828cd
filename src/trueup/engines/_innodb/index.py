"""Indexes of MySQL and MariaDB. Neither has partial indexes, so the indexed expression is NULL for healthy rows."""

from __future__ import annotations

from trueup.sql.indexes import Index, IndexDialect


class InnodbIndexes(IndexDialect):
    """Builds indexes that belong to their table, which DROP INDEX has to name."""

    def of_columns(self, name: str, table: str, columns: str) -> Index:
        """Build an ordinary index."""
        return Index(f"CREATE INDEX {name} ON {table} ({columns})", f"DROP INDEX {name} ON {table}")


def flag(condition: str) -> str:
    """Return SQL that is 1 where a condition holds, else NULL."""
    return f"CASE WHEN {condition} THEN 1 END"
