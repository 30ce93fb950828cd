"""`trueup undo`: takes a run back."""

from __future__ import annotations

import shlex

import click

from trueup.cli.common import (
    Command,
    command_line,
    config_flags,
    config_option,
    confirm_options,
    exit_code,
    read_config,
    show,
    store_option,
)
from trueup.cli.confirmation import confirmation, confirming
from trueup.cli.next_steps import after_undo
from trueup.errors import UsageError


@click.command(
    cls=Command,
    epilog="""
    trueup undo last --preview
    trueup undo last --yes
    trueup undo 2f9c --confirm production:1234:ab12cd34
    """,
)
@click.argument("run_id", metavar="RUN")
@config_option
@store_option
@click.option(
    "--preview", is_flag=True, help="Say what would be taken back and change nothing; so does no confirmation."
)
@click.option(
    "--edited",
    is_flag=True,
    help="Take rows back too of which other columns changed since; you vouch that no key was used again.",
)
@click.option(
    "--same-table",
    multiple=True,
    metavar="TABLE",
    help="You vouch that this table, made anew since the run, holds the same rows; may be repeated.",
)
@confirm_options
def undo(
    run_id: str,
    path: str | None,
    store: str,
    preview: bool,
    edited: bool,
    same_table: tuple[str, ...],
    yes: bool,
    confirm: str,
) -> int:
    """Take a run back, row by row. What was written since then is kept and listed. RUN may be 'last'."""
    if preview and (yes or confirm):
        raise UsageError("--preview changes nothing, --yes and --confirm do; give one of them")
    config = read_config(path, store)
    from trueup.cli.progress import ProgressBar
    from trueup.reports.text.runs import run_report
    from trueup.verbs import undo as verb
    from trueup.verbs.runs import status

    known = status(config, run_id)
    word = confirmation(known.environment, known.undoable, known.plan_digest, yes=yes, confirm=confirm)
    with ProgressBar() as progress:
        report = verb.undo(config, known.run_id, confirm=word, edited=edited, same_table=same_table, progress=progress)
    where = config_flags(path, store)
    # what was vouched for is vouched for again
    vouched = ["--edited"] * edited + [f"--same-table {shlex.quote(table)}" for table in same_table]
    option = confirming(report.environment, report.undoable, report.plan_digest)
    again = command_line("undo", report.run_id, where, *vouched, option)
    show(run_report(report, next_steps=after_undo(report, again, where, done=bool(word))))
    return exit_code(report)
