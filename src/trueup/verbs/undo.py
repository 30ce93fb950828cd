"""Undoes a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trueup.config.config import Config
from trueup.config.strategy import PRODUCTION, confirmed
from trueup.errors import StoreError
from trueup.guard.register import refuse_under_guard
from trueup.journal.journal import Journal
from trueup.results import Progress, RunReport, Silent
from trueup.stores.sql import SqlDatabase
from trueup.verbs._opened import opened
from trueup.write.execution import header_of, obstacle, report, require_undo_rights, since, undo_run, undoing
from trueup.write.undo_preview import previewed


def undo(
    config: Config,
    run_id: str,
    *,
    confirm: str = "",
    edited: bool = False,
    same_table: Sequence[str] = (),
    store_name: str = "",
    progress: Progress | None = None,
) -> RunReport:
    """Undo a run, newest change first. Without `confirm` report what that would do.

    With `edited` a person confirms that no key was given to another row since the run: rows whose other columns changed
    are then restored too. `same_table` names tables that were rebuilt since, and are still the same.
    """
    progress = progress or Silent()
    with opened(config, store_name) as store:
        journal = Journal(store)
        with store.connect() as connection:
            row = journal.find(connection, run_id)
            planned = report(journal, connection, row["run_id"])
            # a run from staging on a database that is production by now is confirmed as production
            environment = config.environment if config.environment == PRODUCTION else row["environment"]
            write = confirmed(environment, confirm, planned.undoable, row["plan_digest"])
            if write and row["state"] == "undone" and not planned.states.get("undo_conflict"):
                return planned
            store.name_by(connection, header_of(row)["naming"])
            bound = undoing(journal, SqlDatabase(store, connection), row, edited=edited, same=same_table)
            changes = since(row, bound)

            def may_write(here: SqlDatabase) -> None:
                if why := store.dialect.writable(here.connection):
                    raise StoreError(f"{store} cannot be written: {why}")
                refuse_under_guard(store, here.connection, [target.group.check for target in bound.values()])

            def look(here: SqlDatabase) -> None:
                may_write(here)
                require_undo_rights(journal, here, bound.values())

            if not write:
                seen = previewed(journal, connection, row, bound, progress)
                return replace(planned, dry_run=True, since=changes, reason=obstacle(store, "undo", look), **seen)
            may_write(SqlDatabase(store, connection))
        undone = undo_run(store, row, planned.undoable, progress, edited=edited, same=same_table)
        return replace(undone, since=changes)
