"""`trueup notice` and `trueup checklist`: what to tell people, and what is proven."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import cast

import click

from trueup.cli.common import Command, config_option, read_config, say, show, store_option


@click.command(
    cls=Command,
    epilog="""
    trueup notice plan.jsonl --kind before
    trueup notice last --kind after --format txt
    """,
)
@click.argument("run_id", metavar="RUN")
@config_option
@store_option
@click.option("--kind", type=click.Choice(["before", "after", "rollback"]), required=True, help="Which notice.")
@click.option("--format", "form", type=click.Choice(["md", "txt"]), default="md", help="Markdown or plain text.")
def notice(run_id: str, path: str | None, store: str, kind: str, form: str) -> int:
    """Print a notice about a run, ready to send. RUN may be 'last', or for 'before' the file of a plan.

    A folder of templates of your own (`notices: FOLDER` in the configuration) stands in for trueup's.
    """
    from trueup.reports._words import safe
    from trueup.verbs import notice as tell
    from trueup.verbs.noticing import Kind

    text = tell.notice(read_config(path, store), run_id, cast("Kind", kind), form, store_name=store)
    say("\n".join(safe(line) for line in text.splitlines()))
    return 0


@click.command(cls=Command, epilog="trueup checklist last")
@click.argument("run_id", metavar="RUN")
@config_option
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the boxes as JSON.")
def checklist(run_id: str, path: str | None, store: str, as_json: bool) -> int:
    """Print the checklist of a run, phase by phase; only what the records prove is ticked.

    Exits with 1 while a box is open.
    """
    from trueup.cli.progress import Shown
    from trueup.reports.text.layout import DIM, GOOD, STRONG, line
    from trueup.verbs import notice as tell

    with Shown() as progress:
        boxes = tell.boxes(read_config(path, store), run_id, store_name=store, progress=progress)
    if as_json:
        say(json.dumps({"format": 1, "boxes": [asdict(box) for box in boxes]}, indent=2))
    else:
        phase = ""
        for box in boxes:
            if box.phase != phase:
                phase = box.phase
                show(line((phase, STRONG)))
            mark = ("[x]", GOOD) if box.done else "[ ]"
            show(line("  ", mark, f" {box.text}", *([] if box.done or not box.proof else [(f"  ({box.proof})", DIM)])))
    return 0 if all(box.done for box in boxes) else 1
