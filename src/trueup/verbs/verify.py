"""Verifies a run from the data."""

from __future__ import annotations

from dataclasses import replace

from trueup.config.config import Config
from trueup.journal.journal import Journal
from trueup.results import Progress, Silent, Verification
from trueup.scan.scanner import Scanner
from trueup.stores.sql import SqlDatabase
from trueup.verbs._opened import opened
from trueup.write.execution import header_of, undoing
from trueup.write.rights import of_verdict, refuse_without, to_look
from trueup.write.verify import compare


def verify(config: Config, run_id: str, *, store_name: str = "", progress: Progress | None = None) -> Verification:
    """Verify everything a run did, on a new session: its journal, each row it wrote, and its checks."""
    progress = progress or Silent()
    with opened(config, store_name) as store:
        journal = Journal(store)
        with store.connect() as connection:
            row = journal.find(connection, run_id)
            store.name_by(connection, header_of(row)["naming"])
            database = SqlDatabase(store, connection)
            bound = undoing(journal, database, row)
            with store.connect(write=True) as other:
                # the result is stored in the run, so rows that the account may not see must not count as damage
                refuse_without(store, other, [*to_look(database, bound.values()), *of_verdict(journal)])
            progress.task("verifying", sum(journal.counts(connection, row["run_id"]).values()))
            seen = compare(journal, connection, row["run_id"], bound, progress)
        checks = {target.check.title: target.check for target in bound.values()}
        scanner = Scanner(store, config.strategy, samples=0, values=False, sink=None, progress=progress)
        results = scanner.run([replace(check, repair=()) for check in checks.values()])
        remaining = {result.title: result.findings for result in results if result.status != "not checked"}
        untold = [f"check {one.title} did not run: {one.reason}" for one in results if one.status == "not checked"]
        found = replace(seen, remaining=remaining, untold=tuple(untold))
        with store.connect(write=True) as connection:
            word = "; ".join(found.problems or ["sound", *untold])
            journal.mark(
                connection,
                row["run_id"],
                verified=word,
                **({} if found.sound or row["state"] not in ("applied", "stopped") else {"state": "failed"}),
            )
        return found
