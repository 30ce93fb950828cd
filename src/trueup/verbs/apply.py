"""Applies a plan, with maintenance and the application's own commands around it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trueup.config.config import Config
from trueup.config.strategy import confirmed
from trueup.errors import UsageError
from trueup.journal.journal import Journal
from trueup.journal.remarks import remember
from trueup.plan.file import PlanFile
from trueup.plan.gate import Declared, gate
from trueup.plan.signing import vouched
from trueup.results import Progress, RunReport, Silent
from trueup.verbs._maintenance import maintained, run_command
from trueup.verbs._opened import opened
from trueup.write.execution import apply_plan, obstacle, permitted, preflight, reading_targets, was_started
from trueup.write.verify import dry_run


def apply(
    config: Config,
    path: str,
    *,
    confirm: str = "",
    because: str = "",
    root_cause: str = "",
    approved_by: str = "",
    maintenance: bool = False,
    progress: Progress | None = None,
) -> RunReport:
    """Apply a plan, or resume it. Without `confirm` nothing is written: each row is only judged.

    `confirm` is `yes`, or `ENVIRONMENT:COUNT:DIGEST` (the first 8 digits), which production demands. Strategies C and D
    ask for more (see `trueup.plan.gate`); a run that was started has given it already.

    The `verify` commands of the configuration run before and after, and `maintenance` puts the application into
    maintenance meanwhile; the run records both. Maintenance is switched off again whatever happens. A command that
    fails does not undo anything: it is reported.
    """
    progress = progress or Silent()
    if maintenance and config.maintenance is None:
        raise UsageError("--maintenance needs 'maintenance: {on: CMD, off: CMD}' or 'maintenance: {flag: FILE}'")
    given = Declared(because, root_cause, approved_by)
    if not confirm:
        return _carried_out(config, path, confirm, given, progress)
    commands = [run_command(command, "before", progress) for command in config.verify]
    rested: dict[str, int] = {}
    with maintained(config.maintenance if maintenance else None, rested, progress):
        report = _carried_out(config, path, confirm, given, progress)
    commands += [run_command(command, "after", progress) for command in config.verify]
    return _remembered(config, report, {"commands": commands, "maintenance": rested})


def _carried_out(config: Config, path: str, confirm: str, given: Declared, progress: Progress) -> RunReport:
    """Check the plan and, with a confirmation, apply it."""
    with PlanFile(path) as plan, opened(config, plan.plan.store) as store:
        header, summary = plan.plan, plan.summary
        write = confirmed(header.environment, confirm, summary.count, summary.digest)
        vouched(config, plan, write=write)
        given = replace(given, because=given.because or header.because)
        if write and not was_started(store, summary.digest):
            gate(config, header, summary, given)
        preflight(store, config, header)
        if not write:
            seen = dry_run(store, plan, lambda database: reading_targets(database, header), progress)
            journal = Journal(store)
            return replace(seen, reason=obstacle(store, "apply", lambda here: permitted(journal, here, header)))
        return apply_plan(store, plan, path, given, progress)


def _remembered(config: Config, report: RunReport, around: dict[str, Any]) -> RunReport:
    """Store what happened around a run, replacing what was stored of an earlier try."""
    if any(around.values()) or around.keys() & report.circumstances.keys():
        with opened(config, report.store) as store, store.connect(write=True) as connection:
            remember(store, connection, report.run_id, around)
    return replace(report, circumstances={**report.circumstances, **around})
