"""Proposes the index that would make a check cheap, and shows the query plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.exc import DBAPIError

from trueup.backup.backup import read_record, restored
from trueup.config.config import Config, chosen
from trueup.errors import Refused, StoreError
from trueup.journal.identity import database_digest, identity_of
from trueup.plan.gate import unchanged_file
from trueup.results import Progress, Silent
from trueup.stores.sql import SqlDatabase
from trueup.verbs._advice import Advice, advice, plan_with_index
from trueup.verbs._opened import by_store, opened


def advise(
    config: Config, only: Sequence[str] = (), *, backup: str = "", scratch: str = "", progress: Progress | None = None
) -> list[Advice]:
    """Return an index for each check with the query plan without it, and with it if there is a verified `backup`.

    The plan with the index is made on a restored copy. Nothing is created in the application's own database.
    """
    progress = progress or Silent()
    found: list[Advice] = []
    for name, checks in by_store(config, chosen(config, only)).items():
        with opened(config, name) as store:
            with store.connect() as connection:
                database = SqlDatabase(store, connection)
                mine = []
                for check in checks:
                    progress.task(f"{check.title}: asking for its plan", None)
                    try:
                        mine.append(advice(database, check))
                    except (Refused, DBAPIError) as error:
                        connection.rollback()
                        told = store.dialect.describe(error) if isinstance(error, DBAPIError) else str(error)
                        mine.append(Advice(check=check.title, engine=store.dialect.name, why=told, now=""))
                here = database_digest(identity_of(store, database))
            if backup:
                record = read_record(backup)
                if not record.verified or not unchanged_file(record.file, record.sha256):
                    raise Refused(f"the backup {record.file!r} is not verified")
                if database_digest(record.identity) != here:
                    raise Refused("the backup is of another database")
                progress.task("restoring into a scratch database", None)
                with (
                    restored(store, record, scratch) as copy,
                    copy.connect(write=True) as connection,
                ):
                    copied = SqlDatabase(copy, connection)
                    try:
                        mine = [replace(one, after=plan_with_index(copied, one)) if one.index else one for one in mine]
                    except DBAPIError as error:
                        told = store.dialect.describe(error)
                        raise StoreError(f"the index could not be made on the copy: {told}") from None
            found += mine
    return found
