"""`trueup restore-plan`: back to a backup, as a plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from trueup.cli.common import Command, config_flags, config_option, read_config, say, show, store_option, words
from trueup.cli.next_steps import trying
from trueup.errors import UsageError

if TYPE_CHECKING:
    from trueup.verbs.restore import Restoration


@click.command(
    "restore-plan",
    cls=Command,
    epilog="""
    trueup restore-plan backups/app-20261103T031500Z.dump --table users
    trueup restore-plan backups/app-20261103T031500Z.dump --table users --column email -o back.jsonl
    trueup restore-plan --forget --table users
    """,
)
@click.argument("backup", required=False, default="")
@config_option
@store_option
@click.option("--table", required=True, metavar="NAME", help="The table to go back with.")
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Only this column; may be repeated.")
@click.option("-o", "--output", default="restore.jsonl", metavar="FILE", help="The plan.  [default: restore.jsonl]")
@click.option("--because", callback=words, default="", metavar="TEXT", help="The cause, kept with the run.")
@click.option("--scratch", default="", metavar="URL", help="An empty database to restore into.")
@click.option("--forget", is_flag=True, help="Drop the copy of the table, once the plan is applied or given up.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def restore_plan(
    backup: str,
    path: str | None,
    store: str,
    table: str,
    columns: tuple[str, ...],
    output: str,
    because: str,
    scratch: str,
    forget: bool,
    as_json: bool,
) -> int:
    """Compare a table with a verified backup, and write the plan that sets what differs back to it.

    Nothing of the application is changed. What was written to those rows since the backup would be lost: where a run
    of trueup made the mistake, 'trueup undo' takes back that run and loses nothing else.
    """
    from trueup.cli.progress import ProgressBar
    from trueup.reports.text.layout import line, steps
    from trueup.verbs import restore as verb

    config = read_config(path, store)
    if forget:
        verb.forget(config, table, store_name=store)
        show(line(f"the copy of {table} is dropped"))
        return 0
    if not backup:
        raise UsageError("name the backup to go back to; see 'trueup restore-plan --help'")
    with ProgressBar() as progress:
        found = verb.restore_plan(
            config,
            backup,
            table,
            output,
            columns=columns,
            because=because,
            scratch=scratch,
            store_name=store,
            progress=progress,
        )
    changes = found.plan.summary.count if found.plan else 0
    if as_json:
        say(json.dumps(document(found, output, changes), indent=2))
    else:
        _show(found, changes)
        if changes:
            show(steps([trying(output, config_flags(path, store))]))
    return 1 if changes or found.unfit else 0


def document(found: Restoration, output: str, changes: int) -> dict[str, object]:
    """The result as JSON: what differs, and the plan of so many `changes` that is in the file `output`."""
    return {
        "format": 1,
        "table": found.table,
        "backup": found.backup,
        "taken": found.taken,
        "plan": output if changes else "",
        "changes": changes,
        "columns": list(found.columns),
        "differing": dict(found.differing),
        "gone": found.gone,
        "new": found.new,
        "unfit": dict(found.unfit),
    }


def _show(found: Restoration, changes: int) -> None:
    from trueup.reports._words import counted
    from trueup.reports.text.layout import BAD, GOOD, STRONG, indented, line
    from trueup.results import moment

    if changes:
        show(line((found.table, STRONG), "  ", (counted(changes, "row"), BAD), f" would be set back to {found.backup}"))
        show(indented(*(line(f"{name}: {counted(n, 'row')}") for name, n in found.differing.items() if n)))
        show(line(("lost", BAD), f": what was written to them since {moment(found.taken)}"))
    elif found.unfit:
        show(line(("nothing to set back", BAD), f"  {found.table}: no row that is in both and fits differs"))
    else:
        show(line(("as in the backup", GOOD), f"  {found.table}: no row that is in both differs"))
    for name, n in found.unfit.items():
        show(line(("left", BAD), f": {counted(n, 'row')} whose {name} of then the column of now cannot hold as it was"))
    if found.gone:
        show(
            line(f"{counted(found.gone, 'row')} of the backup are gone from the table; a plan does not bring them back")
        )
    if found.new:
        show(line(f"{counted(found.new, 'row')} came since, and stay as they are"))
