"""A normal plan that goes back to a backup, for rows that no journal can take back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table

from trueup.backup import read_record, scratch_store, sha256, tool_of
from trueup.checks.differs_from_backup import DiffersFromBackup
from trueup.config import Config
from trueup.errors import PlanError, Refused, StoreError
from trueup.evidence import enter, told_identity, whole
from trueup.journal import Journal
from trueup.planning import identity
from trueup.restoring import bring, compared, copy_name, drop
from trueup.results import Preview, Progress, Silent
from trueup.run import make_plan, opened
from trueup.stores.sql import SqlDatabase


@dataclass(frozen=True, slots=True)
class Restoration:
    """What going back would do: rows that differ, by column, that are `gone` since the backup, and that are `new`.

    `taken` is when the backup was made, in seconds since 1970: what was written to the differing rows since is lost.
    """

    table: str
    backup: str
    taken: int
    columns: tuple[str, ...]
    differing: Mapping[str, int]
    gone: int
    new: int
    plan: Preview | None


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

    `columns` limits it; without, every column that differs somewhere. Rows that were deleted since, and rows that are
    new, are counted and left as they are. The application's tables are only read; a copy is kept beside the journal
    until `forget`.
    """
    progress = progress or Silent()
    record = read_record(backup)
    if not record.verified or not whole(record.file, record.sha256):
        raise Refused(f"the backup {record.file!r} is not verified; 'trueup backup --verify {record.file}' does it")
    with opened(config, store_name) as store:
        with store.connect() as connection:
            database = SqlDatabase(store, connection)
            here = identity(store, database)
            if told_identity(here) != told_identity(record.identity):
                raise PlanError("the backup is of another database")
            live = database.table(table)
            if why := store.dialect.writable(connection):
                raise StoreError(f"{store} cannot be written: {why}")
        if not live.key:
            raise Refused(f"{live.name} has no key, so its rows cannot be found in the backup")
        name = copy_name(store, live.name)
        with store.connect(write=True) as connection:
            Journal(store).prepare(connection)
        progress.task("restoring into a scratch database", None)
        with tool_of(store).scratch(store, Path(record.file), scratch) as url, scratch_store(url) as copied:
            with copied.connect() as connection:
                if live.name not in SqlDatabase(copied, connection).names():
                    raise Refused(f"the backup does not hold {live.name}")
            progress.task(f"copying {live.name} beside the journal", None)
            bring(store, copied, live, name)
        progress.task(f"comparing {live.name}", None)
        with store.connect() as connection:
            database = SqlDatabase(store, connection)
            row = database.row(live.name)
            schema, _, bare = name.rpartition(".")
            parts = [sql_column(one.name, row[one.name].type) for one in live.stored()]
            differing, gone, new = compared(database, row, sql_table(bare, *parts, schema=schema or None))
        for one in columns:
            row.column(one)
        chosen = tuple(one for one, count in differing.items() if (one in columns if columns else count))
        found = Restoration(live.name, record.file, record.taken, chosen, differing, gone, new, None)
        if not any(differing[one] for one in chosen):
            return found
        title = f"{live.name}-as-in-the-backup"
        check = DiffersFromBackup(table=live.name, columns=chosen, copy=name, name=title, store=store.name)
        because = because or f"back to {Path(record.file).name}"
        own = replace(config, checks=(check,), stores={store.name: config.stores[store.name]})
        plan = make_plan(own, path, because=because, accept_rate=[title], progress=progress)
        # comparing with the backup is the investigation, and the plan is the list of the rows
        facts = {"checks": (title,), "count": plan.summary.count}
        database_id = told_identity(here)
        enter(config, "investigation", database_id, **facts)
        enter(config, "export", database_id, **facts, file=str(Path(path).absolute()), sha256=sha256(Path(path)))
        return replace(found, plan=plan)


def forget(config: Config, table: str, *, store_name: str = "") -> None:
    """Drop the copy that a plan of `restore_plan` needed, once it is applied or given up."""
    with opened(config, store_name) as store:
        with store.connect() as connection:
            name = copy_name(store, SqlDatabase(store, connection).table(table).name)
        with store.connect(write=True) as connection:
            drop(store, connection, name)
