"""`trueup backup`: a backup that is proven."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from trueup.cli.common import Command, config_option, read_config, say, show, store_option
from trueup.errors import UsageError

if TYPE_CHECKING:
    from trueup.backup.backup import Record


@click.command(
    cls=Command,
    epilog="""
    trueup backup
    trueup backup --table analytics_activityevent -o /var/backups/academy
    trueup backup --verify backups/app-20261103T031500Z.dump
    """,
)
@config_option
@store_option
@click.option("--table", "tables", multiple=True, metavar="NAME", help="Only this table, and all it refers to.")
@click.option(
    "-o", "--output", "folder", default="backups", metavar="FOLDER", help="Where to write.  [default: backups]"
)
@click.option("--scratch", default="", metavar="URL", help="An empty database to restore into.")
@click.option("--no-verify", is_flag=True, help="Write only; such a backup opens no gate.")
@click.option("--verify", "file", metavar="FILE", help="Verify this backup instead of writing one.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON, without the sums.")
def backup(
    path: str | None,
    store: str,
    tables: tuple[str, ...],
    folder: str,
    scratch: str,
    no_verify: bool,
    file: str | None,
    as_json: bool,
) -> int:
    """Back up with the engine's own tools, restore it into a scratch database, and compare every column.

    The file is timestamped, readable by its owner only, and has a record beside it.
    """
    from trueup.cli.progress import ProgressBar
    from trueup.verbs import backup as verb

    if file and (tables or no_verify):
        raise UsageError("--verify looks at a backup that is there; it goes with neither --table nor --no-verify")
    config = read_config(path, store)
    with ProgressBar() as progress:
        if file:
            record = verb.verify_backup(config, file, store_name=store, scratch=scratch, progress=progress)
        else:
            record = verb.backup(
                config,
                folder=folder,
                tables=tables,
                store_name=store,
                verified=not no_verify,
                scratch=scratch,
                progress=progress,
            )
    if as_json:
        say(json.dumps(document(record), indent=2))
    else:
        _say(record, tried=not no_verify)
    return 3 if record.problems else 0


def document(record: Record) -> dict[str, object]:
    """The record without its sums."""
    told = {name: value for name, value in asdict(record).items() if name not in ("sums", "after")}
    return {"format": 1, **told, "rows": record.rows, "count": len(record.sums)}


def _say(record: Record, *, tried: bool) -> None:
    from trueup.reports._words import counted
    from trueup.reports.text.layout import BAD, DIM, GOOD, STRONG, WARN, indented, line
    from trueup.results import moment

    counts = ((len(record.sums), "table"), (record.rows, "row"), (record.size, "byte"))
    what = ", ".join(counted(count, noun) for count, noun in counts)
    show(line((record.file, STRONG), f"  {what}, by {record.tool}"))
    if record.verified:
        text = (
            "  restored into a scratch database: every table has its shape, its rows and the sums of every column "
            "that is not computed"
        )
        show(line(("verified", GOOD), f"{text} ({moment(record.verified)})"))
    elif record.problems:
        show(line(("NOT VERIFIED", BAD)))
        show(indented(*(line(problem) for problem in record.problems)))
    elif not tried:
        show(line(("not verified", WARN), f"  'trueup backup --verify {record.file}' restores and compares it"))
    for limit in record.limits:
        show(line((f"not guaranteed: {limit}", DIM)))
