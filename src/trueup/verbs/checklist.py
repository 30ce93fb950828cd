"""Prints a checklist of a run that ticks only what is proven."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trueup.config.config import Config
from trueup.guard.register import InstalledGuard, Register
from trueup.journal.identity import database_digest_of
from trueup.plan.gate import Attestation, attestations, requirements_of
from trueup.results import Progress, RunReport, Silent
from trueup.verbs._opened import opened
from trueup.verbs.runs import status
from trueup.verbs.scan import scan


@dataclass(frozen=True, slots=True)
class Box:
    """One line of the checklist. `proof` is what ticks it, or what would."""

    phase: str
    text: str
    done: bool
    proof: str


def checklist(config: Config, run_id: str, *, store_name: str = "", progress: Progress | None = None) -> list[Box]:
    """Return the checklist of a run. Its checks run again, so that what it says is true now."""
    report = status(config, run_id, store_name=store_name)
    with opened(config, report.store) as store:
        identity = database_digest_of(store)
        with store.connect() as connection:
            guards = Register(store).standing(connection)
    checks = {group.check for group in report.groups} & {check.title for check in config.checks}
    remaining = None
    if checks:
        found = scan(config, only=sorted(checks), samples=0, progress=progress or Silent())
        remaining = {one.title: one.findings if one.status != "not checked" else -1 for one in found.results}
    mine = [one for one in attestations(config) if one.database == identity]
    return list(_boxes(config, report, mine, remaining, guards))


def _boxes(
    config: Config,
    report: RunReport,
    mine: list[Attestation],
    remaining: Mapping[str, int] | None,
    guards: list[InstalledGuard],
) -> Iterator[Box]:
    """Return every box of a run. `mine` are the attestations, `remaining` what the checks find now.

    `guards` are the installed guards.
    """
    checks = sorted({group.check for group in report.groups})
    given = report.circumstances
    tables = {group.table for group in report.groups}
    # the journal counts all operations of a run together: for several checks an investigation of any size counts
    counts = {check: report.planned if len(checks) == 1 else 1 for check in checks}
    for one in requirements_of(config, mine, tables, counts, report.plan_digest):
        yield Box(one.phase, one.what, one.met, one.supply)
    yield Box("prepare", "the cause is stated", bool(report.because), report.because or "--because")
    yield Box("prepare", "the root cause is stated", bool(given.get("root_cause")), given.get("root_cause", ""))
    yield Box("prepare", "it was approved", bool(given.get("approved_by")), given.get("approved_by", ""))
    rested = given.get("maintenance") or {}
    if config.maintenance is not None:
        yield Box("apply", "maintenance was on, and is off", {"on", "off"} <= set(rested), "apply --maintenance")
    done = report.state in ("applied", "undone", "undoing") and report.ended > 0
    yield Box("apply", f"{report.planned:,} changes were carried out to the end", done, f"run is {report.state}")
    left = sum(count for state, count in report.states.items() if state not in ("applied", "undone", "already_good"))
    yield Box("apply", "no row was left alone", done and not left, f"{left:,} left" if left else "trueup status")
    sound = report.verified == "sound"
    yield Box("verify", "every row was read again, and the journal is whole", sound, report.verified or "trueup verify")
    for one in given.get("commands", ()):
        if one["when"] == "after":
            yield Box("verify", f"{one['command']} succeeds", one["exit"] == 0, f"exit {one['exit']}")
    if remaining is not None:
        for check in checks:
            count = remaining.get(check, -1)
            yield Box("verify", f"{check} finds nothing now", count == 0, f"{count:,} rows" if count > 0 else "scan")
    standing = {one.check for one in guards if not one.problem}
    for check in checks:
        command = shlex.join(["trueup", "guard", check, "--apply"])
        yield Box("prevent", f"{check} is guarded", check in standing, command)
    if report.state in ("undone", "undoing"):
        undone = report.states.get("undone", 0)
        kept = report.states.get("undo_conflict", 0)
        done = report.state == "undone" and undone > 0 and not kept
        why = f"{kept:,} keep what they hold" if kept else f"run is {report.state}"
        yield Box("roll back", f"{undone:,} rows were given back", done, why)
