"""Copies one table of a restored backup beside the live one, in MariaDB."""

from __future__ import annotations

from sqlalchemy import Connection

from trueup.engines._innodb.copy import InnodbCopier
from trueup.sql.spelling import run_verbatim
from trueup.stores.sql import SqlStore


class MariadbCopier(InnodbCopier):
    """Copies in a session that evaluates no CHECK."""

    def unchecked(self, store: SqlStore, connection: Connection, name: str) -> None:
        """Set `check_constraint_checks` to 0 for the session."""
        run_verbatim(connection, "SET SESSION check_constraint_checks = 0")
