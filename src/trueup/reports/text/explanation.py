"""An explanation as text: the pattern first, then the counts."""

from __future__ import annotations

from rich.console import Group, RenderableType

from trueup.explain.explainer import Explanation, share
from trueup.reports._words import duration, number
from trueup.reports.text.layout import BAD, DIM, GOOD, STRONG, blank, indented, line, table

#: Slices of a breakdown that are shown.
SHOWN = 10


def explanation_report(found: Explanation) -> RenderableType:
    """The text: the pattern first, then the counts."""
    if not found.broken:
        return line(("healthy", GOOD), f": {found.check} has no broken row among {number(found.rows)}")
    head = line((found.check, STRONG), "  ", (f"{number(found.broken)} broken", BAD), f" of {number(found.rows)} rows")
    parts: list[RenderableType] = [head, indented(*(line(sentence) for sentence in found.sentences)), blank()]
    for one in found.breakdowns:
        shown = sorted((s for s in one.slices if s.broken), key=lambda s: -s.broken)[:SHOWN]
        rows = [(s.value, number(s.broken), number(s.rows), share(s.broken, s.rows)) for s in shown]
        parts.append(table(rows, head=(one.by, "broken", "rows", "rate"), right=(1, 2, 3)))
        more = one.distinct - len(shown)
        if more > 0:
            parts.append(line((f"and {number(more)} more", DIM)))
        parts.append(blank())
    parts.append(line((f"counted in the database in {duration(found.seconds)}; nothing was changed", DIM)))
    return Group(*parts)
