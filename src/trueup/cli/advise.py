"""`trueup advise`: the index that would make a check cheap."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from trueup.cli.common import Command, check_option, config_option, read_config, say, show


@click.command(
    cls=Command,
    epilog="""
    trueup advise
    trueup advise --check metadata-holds-an-object --try backups/app-20261103T031500Z.dump
    """,
)
@config_option
@check_option
@click.option(
    "--try", "backup", default="", metavar="BACKUP", help="Make each index on a restored copy of this backup."
)
@click.option("--scratch", default="", metavar="URL", help="An empty database to restore into.")
@click.option("--json", "as_json", is_flag=True, help="Print the advice as JSON.")
def advise(path: str | None, only: tuple[str, ...], backup: str, scratch: str, as_json: bool) -> int:
    """Print the index that would make listing a check's broken rows cheap, with the engine's plan before and after.

    Nothing is made in your database; --try makes the indexes on a restored copy, to show the plan with them.
    """
    from trueup.cli.progress import ProgressBar
    from trueup.reports.text.layout import DIM, STRONG, indented, line
    from trueup.verbs.advise import advise as advised

    config = read_config(path)
    with ProgressBar() as progress:
        found = advised(config, only, backup=backup, scratch=scratch, progress=progress)
    if as_json:
        say(json.dumps({"format": 1, "advice": [asdict(one) for one in found]}, indent=2))
        return 0
    for one in found:
        show(line((one.check, STRONG), f"  {one.why}"))
        if one.index:
            say(f"  {one.index};\n  -- then ask: {one.statement};\n  -- to take it off: {one.remove};")
        for word, plan in (("before", one.before), ("after", one.after)):
            if plan:
                show(indented(line((word, DIM)), indented(*(line(text) for text in plan))))
    return 0
