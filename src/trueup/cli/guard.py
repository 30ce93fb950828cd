"""`trueup guard`: keeps the damage from coming back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from trueup.cli.common import Command, config_option, read_config, say, show
from trueup.errors import UsageError

if TYPE_CHECKING:
    from trueup.verbs.guard import GuardReport


@click.command(
    cls=Command,
    epilog="""
    trueup guard metadata-holds-an-object                       prints it
    trueup guard metadata-holds-an-object --apply
    trueup guard metadata-holds-an-object --format django > 0008_guard.py
    trueup guard metadata-holds-an-object --remove              takes its old name too
    """,
)
@click.argument("check")
@config_option
@click.option("--apply", "install", is_flag=True, help="Install it, try it, and remember it.")
@click.option("--remove", is_flag=True, help="Take it off.")
@click.option("--transition", is_flag=True, help="Let rows be that are broken already, and refuse new ones.")
@click.option("--maintenance-window", "window", is_flag=True, help="Allow locks that stop writers (MySQL, MariaDB).")
@click.option("--definer", default="", metavar="USER@HOST", help="Whom triggers run as (MySQL, MariaDB).")
@click.option("--confirm", default="", metavar="ENVIRONMENT", help="Confirm in production: its name.")
@click.option(
    "--format", "form", type=click.Choice(["sql", "django", "alembic"]), help="Print a migration, with its way back."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def guard(
    check: str,
    path: str | None,
    install: bool,
    remove: bool,
    transition: bool,
    window: bool,
    definer: str,
    confirm: str,
    form: str | None,
    as_json: bool,
) -> int:
    """Print, install or take off what keeps a check's damage from coming back.

    It is refused while broken rows remain, unless --transition. After installing, a good and a bad write are tried
    and rolled back. A later scan notices a guard that has gone.
    """
    from trueup.cli.progress import ProgressBar
    from trueup.reports.documents.migration import migration
    from trueup.verbs.guard import guard as guarded

    if install and remove:
        raise UsageError("--apply and --remove exclude each other")
    if form and (install or remove):
        raise UsageError("--format prints a migration; it installs nothing")
    config = read_config(path)
    with ProgressBar() as progress:
        report = guarded(
            config,
            check,
            act="apply" if install else "remove" if remove else "show",
            transition=transition,
            window=window,
            definer=definer,
            confirm=confirm,
            progress=progress,
        )
    if as_json:
        say(json.dumps(document(report), indent=2))
    elif report.act == "show":
        say(migration(report.guard, form or "sql", report.engine), nl=False)
        if form is None:
            _say(report)
    else:
        _say(report)
    return 0


def document(report: GuardReport) -> dict[str, object]:
    """The report as JSON."""
    return {
        "format": 1,
        "guard": report.guard.name,
        "check": report.guard.check,
        "table": report.guard.table,
        "engine": report.engine,
        "form": report.guard.form,
        "act": report.act,
        "broken": report.broken,
        "standing": report.standing is not None and not report.standing.problem,
        "problem": report.standing.problem if report.standing else "",
        "tried": list(report.trial.said) if report.trial else [],
        "install": [step.sql for step in report.guard.install],
        "remove": [step.sql for step in report.guard.remove],
        "notes": list(report.guard.notes),
    }


def _say(report: GuardReport) -> None:
    from trueup.reports.text.layout import BAD, GOOD, STRONG, WARN, line

    name = (report.guard.check, STRONG)
    if report.act == "removed":
        show(line(name, "  is no longer guarded"))
    elif report.act == "applied":
        said = "; ".join(report.trial.said) if report.trial else ""
        show(line(name, "  ", ("guarded", GOOD), f": {said}"))
        for note in report.guard.notes:
            show(line(f"note: {note}"))
        if report.broken:
            show(line((f"{report.broken:,} rows that were broken before still are", WARN)))
    elif report.standing is None:
        show(line("-- not installed; ", f"{report.broken:,} rows break it now"))
    elif report.standing.problem:
        show(line("-- ", ("does not stand", BAD), f": {report.standing.problem}"))
    else:
        show(line("-- ", ("installed", GOOD)))
