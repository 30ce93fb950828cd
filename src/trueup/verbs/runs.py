"""Lists runs, and pauses or resumes one."""

from __future__ import annotations

from trueup.config.config import Config
from trueup.errors import Refused
from trueup.journal.journal import Journal
from trueup.results import RunReport
from trueup.verbs._opened import opened
from trueup.write.execution import report


def runs(config: Config, *, store_name: str = "") -> list[RunReport]:
    """Return every run of a store, the newest first."""
    with opened(config, store_name) as store, store.connect() as connection:
        journal = Journal(store)
        if not journal.exists(connection):
            return []
        return [report(journal, connection, row["run_id"]) for row in journal.all_runs(connection)]


def status(config: Config, run_id: str, *, store_name: str = "") -> RunReport:
    """Return one run."""
    with opened(config, store_name) as store, store.connect() as connection:
        return report(Journal(store), connection, run_id)


def pause(config: Config, run_id: str, *, store_name: str = "", paused: bool = True) -> RunReport:
    """Pause a run after its current chunk."""
    with opened(config, store_name) as store:
        journal = Journal(store)
        with store.connect(write=True) as connection:
            row = journal.find(connection, run_id)
            if row["state"] not in ("applying", "undoing"):
                word = "paused" if paused else "resumed"
                raise Refused(f"run {row['run_id']} is {row['state']}; only a run that is going on can be {word}")
            journal.mark(connection, row["run_id"], paused=int(paused))
            return report(journal, connection, row["run_id"])


def resume(config: Config, run_id: str, *, store_name: str = "") -> RunReport:
    """Resume a paused run."""
    return pause(config, run_id, store_name=store_name, paused=False)
