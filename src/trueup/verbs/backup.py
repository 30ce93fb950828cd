"""Makes backups, and proves that a backup can be restored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trueup.backup import backup as engine
from trueup.backup.backup import Record
from trueup.config.config import Config
from trueup.errors import UsageError
from trueup.journal.identity import database_digest, identity_of
from trueup.plan.gate import attest
from trueup.results import Progress, Silent
from trueup.stores.sql import SqlDatabase
from trueup.verbs._opened import opened


def backup(
    config: Config,
    *,
    folder: str = "backups",
    tables: Sequence[str] = (),
    store_name: str = "",
    verified: bool = True,
    scratch: str = "",
    progress: Progress | None = None,
) -> Record:
    """Write a backup of a store (or of `tables`, with all they refer to) into `folder`, and verify it.

    `scratch` is the URL of an empty database to restore into, where the account may not create one.
    """
    progress = progress or Silent()
    with opened(config, store_name) as store:
        with store.connect() as connection:
            here = identity_of(store, SqlDatabase(store, connection))
        record = engine.take(store, Path(folder).absolute(), tables, config.environment, here, progress)
        if verified:
            record = engine.verify(store, record, scratch, progress)
    _remember(config, record)
    return record


def _remember(config: Config, record: Record) -> None:
    # the record itself is verified when it is needed; this only says where it is
    attest(
        config,
        "backup",
        database_digest(record.identity),
        file=record.file,
        sha256=record.sha256,
        count=len(record.sums),
    )


def verify_backup(
    config: Config, file: str, *, store_name: str = "", scratch: str = "", progress: Progress | None = None
) -> Record:
    """Verify a backup that was written before."""
    record = engine.read_record(file)
    with opened(config, store_name) as store:
        with store.connect() as connection:
            if store.dialect.name != record.engine:
                raise UsageError(f"the backup is of {record.engine}, the store is {store.dialect.name}")
            connection.rollback()
        found = engine.verify(store, record, scratch, progress or Silent())
    _remember(config, found)
    return found
