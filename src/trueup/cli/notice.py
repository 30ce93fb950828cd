"""`trueup notice`: what to tell people about a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from trueup.cli.common import Command, config_option, read_config, run_argument, say, store_option

if TYPE_CHECKING:
    from trueup.verbs.notice import Kind


@click.command(
    cls=Command,
    epilog="""
    trueup notice plan.jsonl --kind before
    trueup notice last --kind after --format txt
    """,
)
@run_argument
@config_option
@store_option
@click.option("--kind", type=click.Choice(["before", "after", "rollback"]), required=True, help="Which notice.")
@click.option("--format", "form", type=click.Choice(["md", "txt"]), default="md", help="Markdown or plain text.")
def notice(run_id: str, path: str | None, store: str, kind: str, form: str) -> int:
    """Print a notice about a run, ready to send. RUN may be 'last', or for 'before' the file of a plan.

    A folder of templates of your own (`notices: FOLDER` in the configuration) stands in for trueup's.
    """
    from trueup.reports._words import safe
    from trueup.verbs import notice as verb

    text = verb.notice(read_config(path, store), run_id, cast("Kind", kind), form, store_name=store)
    say("\n".join(safe(line) for line in text.splitlines()))
    return 0
