"""`trueup rehearse`: a plan on a restored backup, there and back."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from trueup.cli.common import Command, config_option, read_config, say, show


@click.command(
    cls=Command,
    epilog="""
    trueup rehearse plan.jsonl
    trueup rehearse plan.jsonl --backup backups/app-20261103T031500Z.dump
    """,
)
@click.argument("plan")
@config_option
@click.option("--backup", default="", metavar="FILE", help="The backup to restore.  [default: the newest]")
@click.option("--scratch", default="", metavar="URL", help="An empty database to restore into.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def rehearse(plan: str, path: str | None, backup: str, scratch: str, as_json: bool) -> int:
    """Apply, verify and undo a plan on a restored backup, and compare every column with what was restored.

    The application's own database is only read.
    """
    from trueup.cli.progress import ProgressBar
    from trueup.reports._words import counted
    from trueup.reports.plain import plain
    from trueup.reports.text.layout import BAD, GOOD, STRONG, indented, line
    from trueup.verbs.rehearse import rehearse as rehearsed

    config = read_config(path)
    with ProgressBar() as progress:
        found = rehearsed(config, plan, backup=backup, scratch=scratch, progress=progress)
    if as_json:
        say(json.dumps({"format": 1, **plain(asdict(found))}, indent=2))
        return 3 if found.problems else 0
    states = ", ".join(f"{count:,} {name}" for name, count in found.applied.states.items()) or "nothing to do"
    show(line((plan, STRONG), f"  on {found.backup}: {states}; {counted(found.intact, 'row')} verified"))
    if found.problems:
        show(line(("NOT AS IT SHOULD BE", BAD)))
        show(indented(*(line(problem) for problem in found.problems)))
        return 3
    undone = counted(found.undone.states.get("undone", 0), "row")
    show(
        line(
            ("rehearsed", GOOD), f"  {undone} taken back, and all {counted(found.tables, 'table')} equal to the backup"
        )
    )
    return 0
