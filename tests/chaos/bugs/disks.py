"""Bugs of durability, on SQLite: what a power cut must not take."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy.schema

from tests.chaos.bugs.planting import Bug, replace_in
from trueup.engines.sqlite import dialect, session


def never_synced() -> None:
    """Nothing is synced."""
    _after_connecting("PRAGMA synchronous=OFF")


def folder_not_synced() -> None:
    """synchronous=FULL with a rollback journal, whose deletion is the commit: the folder is not synced after it."""
    _after_connecting("PRAGMA synchronous=FULL")


def _after_connecting(pragma: str) -> None:
    plain = session._make_durable

    def durable(connection: sqlite3.Connection, foreign_keys: bool) -> None:
        plain(connection, foreign_keys)
        connection.execute(pragma)

    replace_in(session, "_make_durable", durable)


def journal_attached() -> None:
    """The journal is in a file of its own, attached: in WAL mode each file commits by itself."""
    plain = session.connect

    def connect(path: Path, **how: Any) -> sqlite3.Connection:
        other = path.with_name(path.name + "-trueup")
        other.touch()
        connection = plain(path, **how)
        connection.execute(f"ATTACH '{other}' AS journal")
        if how["write"] and connection.execute("PRAGMA main.journal_mode").fetchone()[0] == "wal":
            connection.execute("PRAGMA journal.journal_mode=WAL")
        return connection

    replace_in(session, "connect", connect)
    replace_in(sqlalchemy.schema, "CreateSchema", lambda *_, **__: sqlalchemy.text("SELECT 1"))  # ATTACH has made it
    dialect.Sqlite.journal_schema = "journal"


BUGS = {
    "never_synced": Bug(never_synced, "power", ("sqlite",), rounds=3),
    "folder_not_synced": Bug(folder_not_synced, "power", ("sqlite",), rounds=3),
    "journal_attached": Bug(journal_attached, "power", ("sqlite",), rounds=5),
}
