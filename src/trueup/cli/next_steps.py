"""Which command follows a verb, each with what it does. `where` holds the flags that find the configuration again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueup.cli.common import command_line
from trueup.cli.confirmation import confirming

if TYPE_CHECKING:
    from trueup.results import RunReport, Verification

Steps = list[tuple[str, str]]


def after_apply(report: RunReport, confirmed: str, where: str) -> Steps:
    """`confirmed` is the same command again, with the option that confirms it."""
    if report.dry_run:
        return [] if report.reason else [(confirmed, "makes these changes")]
    if report.state == "failed":
        return [_undo(report.run_id, where)]
    if report.state in ("stopped", "applying"):
        return [(confirmed, "goes on from here"), _undo(report.run_id, where)]
    return [
        (command_line("verify", report.run_id, where), "proves that what was meant to change did, and nothing else"),
        _undo(report.run_id, where),
    ]


def after_undo(report: RunReport, confirmed: str, where: str, *, done: bool) -> Steps:
    """`confirmed` is the same command again, with the option that confirms it; `done` says that it was."""
    if not done:
        return [(confirmed, "takes it back")] if report.undoable and not report.reason else []
    if report.state == "undone":
        return [(command_line("scan", where), "shows what is broken now")]
    if report.state == "undoing":
        return [(confirmed, "goes on from here")]
    return [(command_line("status", report.run_id, where), "shows how far it came")]


def after_verify(found: Verification, where: str) -> Steps:
    """Empty when the run is sound and its checks find nothing."""
    if not found.sound:
        return [(command_line("status", found.run_id, where), "shows the run"), _undo(found.run_id, where)]
    if any(found.remaining.values()):
        return [(command_line("scan", where), "shows what is still broken")]
    return []


def of_run(report: RunReport, where: str) -> Steps:
    """What can be done with a run in the state that it is in."""
    steps = []
    if report.paused:
        steps.append(resuming(report, where))
    if report.state in ("applying", "undoing"):
        steps.append((command_line("recover", where), "settles it, should its process be gone"))
    if report.state == "applied":
        steps.append((command_line("verify", report.run_id, where), "proves it from the data"))
    if report.undoable and report.state != "undoing":
        steps.append(_undo(report.run_id, where))
    return steps


def recovering(report: RunReport, where: str) -> tuple[str, str]:
    """A run that was left open is carried on."""
    count = report.undoable if report.state == "undoing" else report.planned
    option = confirming(report.environment, count, report.plan_digest)
    return command_line("recover", where, option), "carries on what this run began"


def resuming(report: RunReport, where: str) -> tuple[str, str]:
    """A run that was paused goes on."""
    return command_line("resume", report.run_id, where), "lets it go on"


def trying(plan: str, where: str) -> tuple[str, str]:
    """A plan that was just made is looked at by a dry run."""
    return command_line("apply", plan, where), "shows what would happen and changes nothing yet"


def _undo(run_id: str, where: str) -> tuple[str, str]:
    return command_line("undo", run_id, where), "shows what taking it back would do"
