"""`trueup apply` and `trueup undo`: the two commands that write, and how they are confirmed."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from trueup.cli.common import (
    Command,
    config_option,
    confirm_options,
    read_config,
    show,
    sign_option,
    source,
    spoken,
    store_option,
    words,
)
from trueup.errors import Refused, UsageError

if TYPE_CHECKING:
    from trueup.results import RunReport

PRODUCTION = "production"


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
    from trueup import run
    from trueup.cli.progress import Shown
    from trueup.reports.text.runs import run_report
    from trueup.verbs.apply import apply as apply_around

    preview = run.read_plan(plan)
    environment = preview.plan.environment
    expected = token(environment, preview.summary.count, preview.summary.digest)
    word = confirmation(environment, expected, yes=yes, confirm=confirm)
    with Shown() as progress:
        report = apply_around(
            config,
            plan,
            confirm=word,
            because=because,
            root_cause=root_cause,
            approved_by=approved_by,
            maintenance=maintenance,
            progress=progress,
        )
    where = source(path, store)
    signed = f"--sign-key {shlex.quote(sign_key)}" if sign_key else ""
    asks = preview.summary.letter in ("C", "D") and not (because or preview.plan.because).strip()
    reason = f"--because {shlex.quote(because or 'what caused this')}" if because or asks else ""
    show(
        run_report(
            report,
            next_steps=_after_apply(report, spoken("apply", shlex.quote(plan), where, signed, reason), expected, where),
        )
    )
    return exit_code(report)


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
    from trueup import run
    from trueup.cli.progress import Shown
    from trueup.reports.text.runs import run_report

    known = run.status(config, run_id)
    expected = token(known.environment, known.undoable, known.plan_digest)
    word = confirmation(known.environment, expected, yes=yes, confirm=confirm)
    with Shown() as progress:
        report = run.undo(config, known.run_id, confirm=word, edited=edited, same_table=same_table, progress=progress)
    where = source(path, store)
    again = token(report.environment, report.undoable, report.plan_digest)
    # what was vouched for is vouched for again
    vouched = ["--edited"] * edited + [f"--same-table {shlex.quote(table)}" for table in same_table]
    more = spoken("undo", report.run_id, where, *vouched, confirming(report.environment, again))
    show(run_report(report, next_steps=_after_undo(report, more, where, done=bool(word))))
    return exit_code(report)


def token(environment: str, count: int, digest: str) -> str:
    """What is typed to confirm: environment, number of operations, first digits of the plan's digest."""
    return f"{environment}:{count}:{digest[:8]}"


def confirmation(environment: str, expected: str, *, yes: bool, confirm: str) -> str:
    """The word for the verb: empty for a dry run. On a terminal `--yes` in production asks for it typed.

    Raises `Refused` when what was given does not confirm.
    """
    if confirm:
        return confirm
    if not yes:
        return ""
    if environment != PRODUCTION:
        return "yes"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused(f"environment {environment!r}: --yes is not enough; type --confirm {expected}")
    typed = str(
        click.prompt(f"This is {environment}. To go on type {expected}", err=True, default="", show_default=False)
    )
    if typed.strip() != expected:
        raise Refused("that is not what was asked for; nothing was changed")
    return expected


def confirming(environment: str, expected: str) -> str:
    """The option that confirms in this environment."""
    return f"--confirm {expected}" if environment == PRODUCTION else "--yes"


def exit_code(report: RunReport) -> int:
    """0 when all was done, 1 when some was left alone, 3 when it did not come to its end."""
    if report.dry_run:
        return 0
    if report.state in ("stopped", "failed", "applying", "undoing"):
        return 3
    return 1 if report.listed else 0


def _after_apply(report: RunReport, again: str, expected: str, where: str) -> list[tuple[str, str]]:
    confirmed = f"{again} {confirming(report.environment, expected)}"
    if report.dry_run:
        return [] if report.reason else [(confirmed, "makes these changes")]
    if report.state == "failed":
        return [(spoken("undo", report.run_id, where), "shows what taking it back would do")]
    if report.state in ("stopped", "applying"):
        return [
            (confirmed, "goes on from here"),
            (spoken("undo", report.run_id, where), "shows what taking it back would do"),
        ]
    return [
        (spoken("verify", report.run_id, where), "proves that what was meant to change did, and nothing else"),
        (spoken("undo", report.run_id, where), "shows what taking it back would do"),
    ]


def _after_undo(report: RunReport, again: str, where: str, *, done: bool) -> list[tuple[str, str]]:
    if not done:
        return [(again, "takes it back")] if report.undoable and not report.reason else []
    if report.state == "undone":
        return [(spoken("scan", where), "shows what is broken now")]
    if report.state == "undoing":
        return [(again, "goes on from here")]
    return [(spoken("status", report.run_id, where), "shows how far it came")]
