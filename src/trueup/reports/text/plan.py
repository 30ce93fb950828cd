"""A plan as text: what would change, how gently, what is left for a person, and how to go on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from rich.console import Group, RenderableType

from trueup import changes
from trueup.config.strategy import MEANING
from trueup.reports._words import counted, number, safe
from trueup.reports.text.layout import BAD, DIM, GOOD, STRONG, WARN, blank, indented, line, steps, table
from trueup.results import Preview, moment

_STYLE = {"lossless": GOOD, "lossy": WARN, "destructive": BAD}
_WORDS = {
    "lossless": "nothing is lost",
    "lossy": "the old value leaves the table; undo brings it back",
    "destructive": "the journal keeps what is moved; undo brings it back",
}


def plan_report(preview: Preview, *, source: str = "", samples: int = 3) -> RenderableType:
    """The plan in `preview`: groups by effect, the first `samples` changes of each, and the next command."""
    plan, summary = preview.plan, preview.summary
    parts: list[RenderableType] = [
        line(
            (preview.path, STRONG), f": {counted(summary.count, 'change')} for {counted(summary.findings, 'finding')}"
        ),
        indented(
            line(
                f"environment {plan.environment}, store {plan.store}, digest {summary.digest[:8]}, ",
                f"good until {moment(plan.expires)}",
            ),
            line(
                (f"strategy {summary.letter}", BAD if summary.letter in "CD" else WARN),
                f": {MEANING.get(summary.letter, '')}",
            ),
            *([line("because: ", plan.because)] if plan.because else []),
        ),
        blank(),
    ]
    for index in _by_effect(preview):
        parts += [*_group(preview, index, samples), blank()]
    if summary.left:
        parts += [line(("left for a person", STRONG)), indented(_left(preview)), blank()]
    if summary.count:
        parts.append(
            steps(
                [
                    (
                        f"trueup apply {shlex.quote(preview.path)}{' ' + source if source else ''}",
                        "shows what would happen and changes nothing yet",
                    )
                ]
            )
        )
    else:
        parts.append(
            line(
                ("nothing to apply", WARN),
                ": what was found is left for a person" if summary.left else ": nothing was found",
            )
        )
    return Group(*parts)


def _by_effect(preview: Preview) -> list[int]:
    groups = preview.plan.groups
    return sorted(range(len(groups)), key=lambda index: changes.EFFECTS.index(groups[index].effect))


def _group(preview: Preview, index: int, samples: int) -> Iterator[RenderableType]:
    group = preview.plan.groups[index]
    count = preview.summary.by_group[index]
    moves = group.action == "delete"
    act = f"moves {counted(count, 'row')} out of" if moves else f"changes {counted(count, 'row')} of"
    columns = f" ({', '.join(group.columns)})" if group.columns and not moves else ""
    yield line((group.effect, _STYLE[group.effect]), "  ", (group.check, STRONG))
    yield indented(line(f"{group.repair} {act} {group.table}{columns}; ", (_WORDS[group.effect], DIM)))
    shown = preview.samples.get(index, ())[:samples]
    wide = 60 if len(group.columns) == 1 else 120
    rows: list[list[str | tuple[str, str]]] = [
        [safe(key, 60)] if moves else [safe(key, 60), (safe(before, wide), DIM), "→", safe(after, wide)]
        for key, before, after in shown
    ]
    if rows:
        yield indented(table(rows), by=4)
    if rows and len(rows) < count:
        yield indented(line((f"and {number(count - len(rows))} more", DIM)), by=4)


def _left(preview: Preview) -> RenderableType:
    return table([(number(left.count), left.check, left.reason) for left in preview.summary.left], right=(0,))
