"""Makes a normal plan that restores rows from a backup, for changes that no journal can undo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table

from trueup.backup.backup import Record, read_record, restored, sha256
from trueup.backup.copy import LEFT, bring, compared, copy_name, drop, shared
from trueup.checks.differs_from_backup import DiffersFromBackup
from trueup.config.config import Config
from trueup.errors import PlanError, Refused, StoreError, UsageError
from trueup.journal.identity import database_digest, identity_of
from trueup.journal.journal import Journal
from trueup.plan.gate import attest, unchanged_file
from trueup.results import Preview, Progress, Silent
from trueup.sql.tables import Table
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.verbs._opened import opened
from trueup.verbs.plan import make_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """What restoring would do: rows that differ, by column, rows that are `gone` since the backup, and `new` rows.

    `unfit` counts, by column, the rows whose value in the backup does not fit the live column exactly; they are left
    alone.

    `taken` is when the backup was made, in seconds since 1970: restoring loses what was written to the differing rows
    since.
    """

    table: str
    backup: str
    taken: int
    columns: tuple[str, ...]
    differing: Mapping[str, int]
    gone: int
    new: int
    plan: Preview | None
    unfit: Mapping[str, int] = field(default_factory=dict)


def restore_plan(
    config: Config,
    backup: str,
    table: str,
    path: str,
    *,
    columns: Sequence[str] = (),
    because: str = "",
    scratch: str = "",
    store_name: str = "",
    progress: Progress | None = None,
) -> Restoration:
    """Compare a table with a verified backup and write the plan that sets the differing rows to it.

    `columns` limits the comparison; without it, every column counts. Rows that were deleted since, and new rows, are
    counted and left as they are. The application's tables are only read; a copy is kept beside the journal until
    `forget`. It holds only values that the live columns hold exactly as the backup's did.
    """
    progress = progress or Silent()
    record = read_record(backup)
    if not record.verified or not unchanged_file(record.file, record.sha256):
        raise Refused(f"the backup {record.file!r} is not verified; 'trueup backup --verify {record.file}' does it")
    with opened(config, store_name) as store:
        live = _live(store, record, table)
        name = copy_name(store, live.name)
        with store.connect(write=True) as connection:
            Journal(store).prepare(connection)
        progress.task("restoring into a scratch database", None)
        with restored(store, record, scratch) as copied:
            there = _there(copied, live, columns)
            progress.task(f"copying {live.name} beside the journal", None)
            unfit = bring(store, copied, live, there, name, columns)
        progress.task(f"comparing {live.name}", None)
        differing, gone, new = _compared(store, live, there, name)
        chosen = tuple(one for one, count in differing.items() if (one in columns if columns else count))
        found = Restoration(
            table=live.name,
            backup=record.file,
            taken=record.taken,
            columns=chosen,
            differing=differing,
            gone=gone,
            new=new,
            plan=None,
            unfit=unfit,
        )
        if not any(differing[one] for one in chosen):
            return found
        title = f"{live.name}-as-in-the-backup"
        check = DiffersFromBackup(table=live.name, columns=chosen, copy=name, name=title, store=store.name)
        because = because or f"back to {Path(record.file).name}"
        own = replace(config, checks=(check,), stores={store.name: config.stores[store.name]})
        plan = make_plan(own, path, because=because, accept_rate=[title], progress=progress)
    _entered(config, record, plan, title)
    return replace(found, plan=plan)


def _live(store: SqlStore, record: Record, table: str) -> Table:
    """Return the application's table. Raises where the backup is of another database, or no plan could be applied."""
    with store.connect() as connection:
        database = SqlDatabase(store, connection)
        if database_digest(identity_of(store, database)) != database_digest(record.identity):
            raise PlanError("the backup is of another database")
        live = database.table(table)
        if why := store.dialect.writable(connection):
            raise StoreError(f"{store} cannot be written: {why}")
    if not live.key:
        raise Refused(f"{live.name} has no key, so its rows cannot be found in the backup")
    return live


def _there(copied: SqlStore, live: Table, columns: Sequence[str]) -> Table:
    """Return the table of the restored backup. Raises where it lacks one of `columns` or of the key."""
    with copied.connect() as connection:
        past = SqlDatabase(copied, connection)
        if live.name not in past.names():
            raise Refused(f"the backup does not hold {live.name}")
        there = past.table(live.name)
    _asked_of(live, there, columns)
    return there


def _asked_of(live: Table, there: Table, columns: Sequence[str]) -> None:
    """Raise unless the live table and the backup's have all `columns` and the columns of the key."""
    for name in columns:
        if name not in live.columns or name not in there.columns:
            where = "the table" if name not in live.columns else "the backup"
            raise UsageError(f"{where} has no column {name!r} in {live.name}")
    if missing := [name for name in live.key if name not in there.columns]:
        raise Refused(f"the backup has no column {missing[0]!r} of the key of {live.name}")


def _compared(store: SqlStore, live: Table, there: Table, name: str) -> tuple[Mapping[str, int], int, int]:
    """Compare the table with its copy. Returns rows that differ by column, rows that are gone, and new rows."""
    with store.connect() as connection:
        database = SqlDatabase(store, connection)
        row = database.row(live.name)
        schema, _, bare = name.rpartition(".")
        copy, left = (
            sql_table(bare + end, *(sql_column(one, row[one].type) for one in some), schema=schema or None)
            for end, some in (("", shared(live, there)), (LEFT, live.key))
        )
        return compared(database, row, copy, left)


def _entered(config: Config, record: Record, plan: Preview, title: str) -> None:
    """Attest the comparison as the investigation, and the plan as the export of the rows."""
    database, file = database_digest(record.identity), Path(plan.path)
    count = plan.summary.count
    attest(config, "investigation", database, checks=(title,), count=count)
    attest(config, "export", database, checks=(title,), count=count, file=str(file.absolute()), sha256=sha256(file))


def forget(config: Config, table: str, *, store_name: str = "") -> None:
    """Drop the copy that a plan of `restore_plan` needed, after it is applied or given up."""
    with opened(config, store_name) as store:
        with store.connect() as connection:
            name = copy_name(store, SqlDatabase(store, connection).table(table).name)
        with store.connect(write=True) as connection:
            drop(store, connection, name)
