"""`trueup plan`: writing down each change before any is made."""

from __future__ import annotations

from pathlib import Path

import click

from trueup.cli.common import (
    Command,
    check_option,
    config_flags,
    config_option,
    read_config,
    show,
    sign_option,
    store_option,
    words,
)
from trueup.errors import UsageError


@click.command(
    cls=Command,
    epilog="""
    trueup plan -o plan.jsonl
    trueup plan --check orders-have-users --repair orders-have-users=quarantine -o plan.jsonl
    trueup plan -o plan.jsonl --because 'importer of 3 May wrote text, fixed in 4f2a1c'
    """,
)
@config_option
@store_option
@check_option
@click.option("-o", "--output", default="plan.jsonl", show_default=True, metavar="FILE", help="Where the plan goes.")
@click.option("--force", is_flag=True, help="Replace a plan that is there; a run that is not finished needs its own.")
@click.option(
    "--repair", "repairs", multiple=True, metavar="CHECK=REPAIR", help="Mend a check this way; may be repeated."
)
@click.option(
    "--because",
    callback=words,
    default="",
    metavar="TEXT",
    help="The cause, kept with the plan and the run; C and D need it.",
)
@click.option(
    "--accept-rate", multiple=True, metavar="CHECK", help="Believe a check that finds most of its table broken."
)
@sign_option
@click.option("--show-values", "values", is_flag=True, help="Show and write values instead of their type and length.")
def plan(
    path: str | None,
    store: str,
    only: tuple[str, ...],
    output: str,
    force: bool,
    repairs: tuple[str, ...],
    because: str,
    accept_rate: tuple[str, ...],
    sign_key: str,
    values: bool,
) -> int:
    """Write a plan: each change that would mend a finding, before and after. The data is not touched."""
    chosen = _repairs(repairs)
    config = read_config(path, store, sign_key)
    if Path(output).exists() and not force:
        raise UsageError(f"{output!r} is there already; choose another name with -o, or replace it with --force")
    from trueup.cli.progress import ProgressBar
    from trueup.reports.text.plan import plan_report
    from trueup.verbs.plan import make_plan

    with ProgressBar() as progress:
        preview = make_plan(
            config,
            output,
            only=only,
            repairs=chosen,
            because=because,
            accept_rate=accept_rate,
            values=values,
            progress=progress,
        )
    show(plan_report(preview, source=config_flags(path, store)))
    return 0


def _repairs(words: tuple[str, ...]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for word in words:
        # a check's name may hold '=', a repair's never does
        check, sign, repair = word.rpartition("=")
        if not sign or not check or not repair:
            raise UsageError(f"--repair takes CHECK=REPAIR, as in orders-have-users=nullify; it is {word!r}")
        if check in chosen:
            raise UsageError(f"--repair is given twice for {check}")
        chosen[check] = repair
    return chosen
