"""`trueup apply`: makes the changes of a plan."""

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
    sign_option,
    store_option,
    words,
)
from trueup.cli.confirmation import confirmation, confirming
from trueup.cli.next_steps import after_apply


@click.command(
    cls=Command,
    epilog="""
    trueup apply plan.jsonl          changes nothing, says how to confirm
    trueup apply plan.jsonl --yes
    trueup apply plan.jsonl --confirm production:1234:ab12cd34
    """,
)
@click.argument("plan")
@config_option
@store_option
@confirm_options
@click.option(
    "--because",
    callback=words,
    default="",
    metavar="TEXT",
    help="The cause, kept with the run; strategy C and D need it.",
)
@click.option(
    "--root-cause", callback=words, default="", metavar="TEXT", help="Where the damage came from; strategy D needs it."
)
@click.option(
    "--approved-by", callback=words, default="", metavar="NAME", help="Who approved the run; strategy D needs it."
)
@sign_option
@click.option("--maintenance", is_flag=True, help="Put the application into maintenance meanwhile, as configured.")
def apply(
    plan: str,
    path: str | None,
    store: str,
    yes: bool,
    confirm: str,
    because: str,
    root_cause: str,
    approved_by: str,
    sign_key: str,
    maintenance: bool,
) -> int:
    """Make the changes of a plan, journaled, next to live traffic. A dry run unless confirmed.

    An interrupted run goes on when the same command is given again.
    """
    config = read_config(path, store, sign_key)
    from trueup.cli.progress import ProgressBar
    from trueup.reports.text.runs import run_report
    from trueup.verbs import apply as verb
    from trueup.verbs.plan import read_plan

    preview = read_plan(plan)
    expected = (preview.plan.environment, preview.summary.count, preview.summary.digest)
    word = confirmation(*expected, yes=yes, confirm=confirm)
    with ProgressBar() as progress:
        report = verb.apply(
            config,
            plan,
            confirm=word,
            because=because,
            root_cause=root_cause,
            approved_by=approved_by,
            maintenance=maintenance,
            progress=progress,
        )
    where = config_flags(path, store)
    signed = f"--sign-key {shlex.quote(sign_key)}" if sign_key else ""
    asks = preview.summary.letter in ("C", "D") and not (because or preview.plan.because).strip()
    reason = f"--because {shlex.quote(because or 'what caused this')}" if because or asks else ""
    again = command_line("apply", shlex.quote(plan), where, signed, reason, confirming(*expected))
    show(run_report(report, next_steps=after_apply(report, again, where)))
    return exit_code(report)
