"""Identifies a database: by the engine's own identity, the place, and the random name that the journal gave it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy.exc import DBAPIError

from trueup.codec import canonical, digest
from trueup.errors import StoreError
from trueup.journal.journal import Journal
from trueup.stores.sql import SqlDatabase, SqlStore


def identity_of(store: SqlStore, database: SqlDatabase) -> Mapping[str, str]:
    """Return what a plan is bound to: the engine's identity, the place, and the journal's name if there is one."""
    connection = database.connection
    dialect = store.dialect
    found: dict[str, Any] = {"engine": dialect.name, "place": dialect.place(connection), **dialect.identity(connection)}
    journal = Journal(store)
    with suppress(DBAPIError, StoreError):
        # a role that may not read the journal, or does not trust it, still has the engine's identity
        if journal.exists(connection):
            found["db_uuid"] = journal.db_uuid(connection)
    connection.rollback()
    return found


def database_digest(identity: Mapping[str, str]) -> str:
    """Return the digest of an identity. It is the same before and after the database has a journal."""
    return digest(canonical({name: value for name, value in identity.items() if name != "db_uuid"}))


def database_digest_of(store: SqlStore) -> str:
    """Return the digest of the current identity of a store's database."""
    with store.connect() as connection:
        return database_digest(identity_of(store, SqlDatabase(store, connection)))
