"""Stores what happened around a run beside its journal: the application's commands and their exits, and maintenance.

The run's chain seals the facts of the run itself. This is a separate table, because it is written after the run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Connection, MetaData, String, insert, select, update
from sqlalchemy import Table as SqlTable

from trueup.journal.tables import JournalTables
from trueup.stores.sql import SqlStore


def table_of(store: SqlStore) -> SqlTable:
    """Return the table as trueup creates it."""
    dialect = store.dialect
    return SqlTable(
        f"{dialect.journal_prefix}remark",
        MetaData(schema=dialect.journal_schema),
        Column("run_id", String(12), primary_key=True),
        Column("told", dialect.journal_text),
        **dialect.journal_options,
    )


def remember(store: SqlStore, connection: Connection, run_id: str, told: Mapping[str, Any]) -> None:
    """Store what happened around a run, replacing what was stored before, in a transaction of its own."""
    table = table_of(store)
    JournalTables(store).create(connection, table)
    text = json.dumps(dict(told), sort_keys=True)
    # not by DELETE, a privilege that the journal never needs
    if not connection.execute(update(table).where(table.c.run_id == run_id).values(told=text)).rowcount:
        connection.execute(insert(table).values(run_id=run_id, told=text))
    connection.commit()


def recall(store: SqlStore, connection: Connection, run_id: str) -> dict[str, Any]:
    """Return what was stored about a run; empty when nothing was."""
    table = table_of(store)
    if not JournalTables(store).has(connection, table):
        return {}
    text = connection.execute(select(table.c.told).where(table.c.run_id == run_id)).scalar()
    found: dict[str, Any] = json.loads(text) if text else {}
    return found
