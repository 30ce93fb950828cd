"""Copies one table of a restored backup beside the live one, in MySQL."""

from __future__ import annotations

from sqlalchemy import Connection, text

from trueup.backup.copy import quoted, spelled
from trueup.engines._innodb.copy import InnodbCopier
from trueup.sql.spelling import run_verbatim
from trueup.stores.sql import SqlStore

_CHECKS = text(
    "SELECT CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = DATABASE()"
    " AND TABLE_NAME = :table AND CONSTRAINT_TYPE = 'CHECK'"
)


class MysqlCopier(InnodbCopier):
    """Copies without the CHECK constraints, which no setting disables."""

    def unchecked(self, store: SqlStore, connection: Connection, name: str) -> None:
        """Drop the CHECK constraints of the copy."""
        for check in connection.execute(_CHECKS, {"table": name}).scalars().all():
            run_verbatim(connection, f"ALTER TABLE {spelled(store, name)} DROP CHECK {quoted(store, str(check))}")
