"""Completes runs that a crash left open."""

from __future__ import annotations

from trueup.config.config import Config
from trueup.journal.journal import Journal
from trueup.results import Progress, RunReport
from trueup.verbs._opened import opened
from trueup.verbs.apply import apply
from trueup.verbs.undo import undo
from trueup.write.execution import report


def recover(
    config: Config, *, confirm: str = "", store_name: str = "", progress: Progress | None = None
) -> list[RunReport]:
    """Resume the runs that a crash left open. Every chunk is either complete or absent, so a run simply goes on.

    Without `confirm` the open runs are returned as they are. An apply needs its plan file where it was; the
    application's own commands run before and after it, as for any apply.
    """
    with opened(config, store_name) as store, store.connect() as connection:
        journal = Journal(store)
        rows = journal.all_runs(connection) if journal.exists(connection) else []
        unfinished = [row for row in rows if row["state"] in ("applying", "undoing")]
        if not confirm:
            return [report(journal, connection, row["run_id"]) for row in unfinished]
    settled = []
    for row in unfinished:
        if row["state"] == "undoing":
            settled.append(undo(config, row["run_id"], confirm=confirm, store_name=store_name, progress=progress))
        else:
            settled.append(apply(config, row["plan_path"], confirm=confirm, progress=progress))
    return settled
