"""The commands about runs: `verify`, `runs`, `status`, `recover`, `pause`, `resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from trueup.cli.apply import confirming, exit_code, token
from trueup.cli.common import (
    Command,
    config_option,
    confirm_options,
    read_config,
    say,
    show,
    source,
    spoken,
    store_option,
)

if TYPE_CHECKING:
    from trueup.results import RunReport

RUN = click.argument("run_id", metavar="RUN")


@click.command(cls=Command, epilog="trueup verify last")
@RUN
@config_option
@store_option
def verify(run_id: str, path: str | None, store: str) -> int:
    """Prove from the data that a run did what its journal says, and look for what is still broken.

    RUN may be 'last', or the beginning of a run's name.
    """
    config = read_config(path, store)
    from trueup import run
    from trueup.cli.progress import Shown
    from trueup.reports.text.runs import verification_report

    with Shown() as progress:
        found = run.verify(config, run_id, progress=progress)
    where = source(path, store)
    following = []
    if not found.sound:
        following = [
            (spoken("status", found.run_id, where), "shows the run"),
            (spoken("undo", found.run_id, where), "shows what taking it back would do"),
        ]
    elif any(found.remaining.values()):
        following = [(spoken("scan", where), "shows what is still broken")]
    show(verification_report(found, next_steps=following))
    return 3 if found.sound and found.untold else 1 if following else 0


@click.command(cls=Command, epilog="trueup runs")
@config_option
@store_option
def runs(path: str | None, store: str) -> int:
    """List the runs that the journal knows."""
    config = read_config(path, store)
    from trueup import run
    from trueup.reports.text.runs import runs_report

    show(runs_report(run.runs(config)))
    return 0


@click.command(
    cls=Command,
    epilog="""
    trueup status last
    trueup status 2f9c
    """,
)
@RUN
@config_option
@store_option
def status(run_id: str, path: str | None, store: str) -> int:
    """Show one run: how far it came, what it left alone and why. RUN may be 'last' or the beginning of its name."""
    config = read_config(path, store)
    from trueup import run

    report = run.status(config, run_id)
    _show(report, _following(report, source(path, store)))
    return 0


def _following(report: RunReport, where: str) -> list[tuple[str, str]]:
    steps = []
    if report.paused:
        steps.append((spoken("resume", report.run_id, where), "lets it go on"))
    if report.state in ("applying", "undoing"):
        steps.append((spoken("recover", where), "settles it, should its process be gone"))
    if report.state == "applied":
        steps.append((spoken("verify", report.run_id, where), "proves it from the data"))
    if report.undoable and report.state != "undoing":
        steps.append((spoken("undo", report.run_id, where), "shows what taking it back would do"))
    return steps


def _show(report: RunReport, following: list[tuple[str, str]]) -> None:
    from trueup.reports.text.runs import run_report

    show(run_report(report, next_steps=following))


@click.command(
    cls=Command,
    epilog="""
    trueup recover
    trueup recover --yes
    """,
)
@config_option
@store_option
@confirm_options
def recover(path: str | None, store: str, yes: bool, confirm: str) -> int:
    """Settle what a crash left open: each chunk is whole or absent, so what was begun is carried on.

    Without a confirmation it says what is open and changes nothing.
    """
    config = read_config(path, store)
    from trueup import run
    from trueup.cli.progress import Shown

    with Shown() as progress:
        found = run.recover(config, confirm=confirm or ("yes" if yes else ""), progress=progress)
    if not found:
        say("nothing to recover: no run was left open")
        return 0
    where = source(path, store)
    sure = bool(yes or confirm)
    for report in found:
        _show(report, _following(report, where) if sure else _settling(report, where))
    return max(exit_code(report) for report in found) if sure else 0


def _settling(report: RunReport, where: str) -> list[tuple[str, str]]:
    count = report.undoable if report.state == "undoing" else report.planned
    confirmed = confirming(report.environment, token(report.environment, count, report.plan_digest))
    return [(spoken("recover", where, confirmed), "carries on what this run began")]


@click.command(cls=Command, epilog="trueup pause last")
@RUN
@config_option
@store_option
def pause(run_id: str, path: str | None, store: str) -> int:
    """Make a run wait, wherever it is running, once its current chunk is written."""
    config = read_config(path, store)
    from trueup import run

    report = run.pause(config, run_id)
    _show(report, [(spoken("resume", report.run_id, source(path, store)), "lets it go on")])
    return 0


@click.command(cls=Command, epilog="trueup resume last")
@RUN
@config_option
@store_option
def resume(run_id: str, path: str | None, store: str) -> int:
    """Let a paused run go on."""
    config = read_config(path, store)
    from trueup import run

    report = run.resume(config, run_id)
    _show(report, _following(report, source(path, store)))
    return 0
