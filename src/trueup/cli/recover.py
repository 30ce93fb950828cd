"""`trueup recover`: settles what a crash left open."""

from __future__ import annotations

import click

from trueup.cli.common import (
    Command,
    config_flags,
    config_option,
    confirm_options,
    exit_code,
    read_config,
    say,
    show,
    store_option,
)
from trueup.cli.next_steps import of_run, recovering


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
    from trueup.cli.progress import ProgressBar
    from trueup.reports.text.runs import run_report
    from trueup.verbs import recover as verb

    with ProgressBar() as progress:
        found = verb.recover(config, confirm=confirm or ("yes" if yes else ""), progress=progress)
    if not found:
        say("nothing to recover: no run was left open")
        return 0
    where = config_flags(path, store)
    sure = bool(yes or confirm)
    for report in found:
        show(run_report(report, next_steps=of_run(report, where) if sure else [recovering(report, where)]))
    return max(exit_code(report) for report in found) if sure else 0
