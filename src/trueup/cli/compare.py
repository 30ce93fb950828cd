"""`trueup compare`: two environments side by side."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from trueup.cli.common import Command, say, show

if TYPE_CHECKING:
    from rich.console import RenderableType

    from trueup.scan.environments import Comparison, Pair, Side


@click.command(
    cls=Command,
    epilog="""
    trueup compare local.json production.json       files of 'trueup scan --json FILE'
    """,
)
@click.argument("left")
@click.argument("right")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def compare(left: str, right: str, as_json: bool) -> int:
    """Show two scans of two environments (files of 'trueup scan --json') side by side.

    Exits with 1 where they do not show the same sorts of damage.
    """
    from trueup.scan import environments

    found = environments.compare(left, right)
    if as_json:
        document = {"format": 1, **asdict(found)}
        say(json.dumps(document, indent=2))
    else:
        show(_report(found))
    return 0 if all(pair.same for pair in found.pairs) else 1


def _report(found: Comparison) -> RenderableType:
    from rich.console import Group

    from trueup.reports.text.layout import GOOD, STRONG, WARN, blank, line, table

    parts: list[RenderableType] = []
    for pair in found.pairs:
        word = ("the same sorts", GOOD) if pair.same else ("not the same", WARN)
        parts.append(line((pair.check, STRONG), f"  {pair.table}  ", word))
        head = ("", found.left, found.right)
        parts += [table(_rows(pair), head=head, right=(1, 2)), blank()]
    stores = [line(f"{name}: {what}") for name, what in zip((found.left, found.right), found.stores, strict=True)]
    return Group(*parts, *stores)


def _rows(pair: Pair) -> list[tuple[str, str, str]]:
    from trueup.reports._words import number, percent

    sides = (pair.left, pair.right)

    def cells(label: str, *values: str) -> tuple[str, str, str]:
        return label, values[0], values[1]

    def of(side: Side | None, value: str) -> str:
        return "no such check" if side is None else value

    rows = [
        cells("status", *(of(side, side.status if side else "") for side in sides)),
        cells("rows", *(of(side, number(side.rows) if side else "") for side in sides)),
        cells("broken", *(of(side, number(side.findings) if side else "") for side in sides)),
        cells("share", *(of(side, percent(side.findings, side.rows) if side else "") for side in sides)),
        cells("strategy", *(of(side, side.letter if side else "") for side in sides)),
    ]
    for kind in ("words", "groups"):
        names = dict.fromkeys(name for side in sides if side for name in getattr(side, kind))
        for name in names:
            counts = [getattr(side, kind).get(name, 0) if side else 0 for side in sides]
            rows.append(cells(f"  {name or '(none)'}", *(number(count) for count in counts)))
    return rows
