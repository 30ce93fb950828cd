"""The commands about runs: `runs`, `status`, `pause`, `resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from trueup.cli.common import Command, config_flags, config_option, read_config, run_argument, show, store_option
from trueup.cli.next_steps import Steps, of_run, resuming

if TYPE_CHECKING:
    from trueup.results import RunReport


@click.command(cls=Command, epilog="trueup runs")
@config_option
@store_option
def runs(path: str | None, store: str) -> int:
    """List the runs that the journal knows."""
    config = read_config(path, store)
    from trueup.reports.text.runs import runs_report
    from trueup.verbs import runs as verb

    show(runs_report(verb.runs(config)))
    return 0


@click.command(
    cls=Command,
    epilog="""
    trueup status last
    trueup status 2f9c
    """,
)
@run_argument
@config_option
@store_option
def status(run_id: str, path: str | None, store: str) -> int:
    """Show one run: how far it came, what it left alone and why. RUN may be 'last' or the beginning of its name."""
    config = read_config(path, store)
    from trueup.verbs import runs as verb

    report = verb.status(config, run_id)
    _show(report, of_run(report, config_flags(path, store)))
    return 0


@click.command(cls=Command, epilog="trueup pause last")
@run_argument
@config_option
@store_option
def pause(run_id: str, path: str | None, store: str) -> int:
    """Make a run wait, wherever it is running, once its current chunk is written."""
    config = read_config(path, store)
    from trueup.verbs import runs as verb

    report = verb.pause(config, run_id)
    _show(report, [resuming(report, config_flags(path, store))])
    return 0


@click.command(cls=Command, epilog="trueup resume last")
@run_argument
@config_option
@store_option
def resume(run_id: str, path: str | None, store: str) -> int:
    """Let a paused run go on."""
    config = read_config(path, store)
    from trueup.verbs import runs as verb

    report = verb.resume(config, run_id)
    _show(report, of_run(report, config_flags(path, store)))
    return 0


def _show(report: RunReport, following: Steps) -> None:
    from trueup.reports.text.runs import run_report

    show(run_report(report, next_steps=following))
