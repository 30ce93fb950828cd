"""Indexes of MariaDB over a computed column."""

from __future__ import annotations

from sqlalchemy import Connection

from trueup.engines._innodb.index import InnodbIndexes, flag
from trueup.sql.indexes import Index


class MariadbIndexes(InnodbIndexes):
    """Indexes an expression through an invisible virtual column."""

    def of_condition(self, name: str, table: str, key: str, condition: str) -> Index:
        """Build an invisible virtual column and an index of the same name."""
        column = f"ADD COLUMN {name} TINYINT AS ({flag(condition)}) VIRTUAL INVISIBLE, ADD INDEX {name} ({name})"
        drop = f"ALTER TABLE {table} DROP COLUMN {name}"
        return Index(f"ALTER TABLE {table} {column}", drop, f"{name} = 1")

    def plan(self, connection: Connection, statement: str) -> tuple[str, ...]:
        """Run EXPLAIN, which gives a line for each table."""
        rows = connection.exec_driver_sql(f"EXPLAIN {statement}", execution_options={"no_parameters": True}).mappings()
        return tuple(
            f"{row['table']}: {row['type']}, key {row['key'] or 'none'}, about {row['rows']} rows" for row in rows
        )
