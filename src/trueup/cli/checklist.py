"""`trueup checklist`: what is proven of a run."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from trueup.cli.common import Command, config_option, read_config, run_argument, say, show, store_option


@click.command(cls=Command, epilog="trueup checklist last")
@run_argument
@config_option
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the boxes as JSON.")
def checklist(run_id: str, path: str | None, store: str, as_json: bool) -> int:
    """Print the checklist of a run, phase by phase; only what the records prove is ticked.

    Exits with 1 while a box is open.
    """
    from trueup.cli.progress import ProgressBar
    from trueup.reports.text.layout import DIM, GOOD, STRONG, line
    from trueup.verbs import checklist as verb

    with ProgressBar() as progress:
        boxes = verb.checklist(read_config(path, store), run_id, store_name=store, progress=progress)
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
