"""Figures of the fault suite in docs/reliability.md: lines between two markers, written by the run that saw them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.chaos.arena import Tally

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
#: Columns of the table of all scenarios, and of that of worlds, by what is counted.
SCENARIOS = {
    "kills": "kills",
    "cut connections": "cuts",
    "server kills": "server kills",
    "power cuts": "power cuts",
    "writer commits checked": "commits checked",
    "conflicts": "conflicts",
    "deadlocks": "deadlocks",
    "fenced operators": "fenced",
}
WORLDS = {
    "worlds": "worlds",
    "written to": "worlds written",
    "rows written": "rows written",
    "taken back": "worlds undone",
    "kills": "kills in worlds",
    "acts beside": "acts in worlds",
}
#: Begins what counts the worlds in which nothing was written for a reason; so many reasons are shown.
REFUSED, SHOWN = "refused: ", 20


def enter(part: str, lines: Sequence[str]) -> None:
    """Put `lines` between the markers of `part`. Raises ValueError."""
    begin, end = f"<!-- chaos {part} -->", f"<!-- end of chaos {part} -->"
    text = PAGE.read_text()
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{PAGE.name} has no markers {begin} and {end}")
    body = "\n".join([begin, *lines, end])
    PAGE.write_text(re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: body, text, flags=re.DOTALL))


def of_scenarios(tallies: Mapping[str, Tally], run: str) -> list[str]:
    """What all scenarios saw, an engine a line."""
    rows = {
        engine: [*counts(tally, SCENARIOS), str(len(tally.violations)), f"{tally.stall:.2f} s"]
        for engine, tally in tallies.items()
    }
    heads = ["engine", *SCENARIOS, "violations", "longest write of the application"]
    return [f"The last long run: {run}.", "", *table(heads, rows)]


def of_worlds(tallies: Mapping[str, Tally], run: str) -> list[str]:
    """What worlds saw, an engine a line; and why nothing was written in the others, in a share of all worlds."""
    rows = {
        engine: [*counts(tally, WORLDS), share(tally, "worlds written"), str(len(tally.violations))]
        for engine, tally in tallies.items()
    }
    reasons = {name for tally in tallies.values() for name in tally.seen if name.startswith(REFUSED)}
    often = sorted(reasons, key=lambda name: (-sum(tally.seen[name] for tally in tallies.values()), name))[:SHOWN]
    whys = {
        name.removeprefix(REFUSED).replace("|", "\\|"): [share(tally, name) for tally in tallies.values()]
        for name in often
    }
    return [
        *[f"The last long run of worlds: {run}.", ""],
        *table(["engine", *WORLDS, "share written to", "violations"], rows),
        *["", "Why nothing was written in the others (a world may have several reasons):", ""],
        *table(["reason", *tallies], whys),
    ]


def counts(tally: Tally, columns: Mapping[str, str]) -> list[str]:
    """What was counted, for people."""
    return [f"{tally.seen[name]:,}" for name in columns.values()]


def share(tally: Tally, name: str) -> str:
    """What part of all worlds."""
    return f"{100 * tally.seen[name] / tally.seen['worlds']:.1f} %" if tally.seen["worlds"] else "-"


def table(heads: Sequence[str], rows: Mapping[str, Sequence[str]]) -> list[str]:
    """A table in Markdown, numbers to the right."""
    ruler = "|".join(["---", *["--:"] * (len(heads) - 1)])
    return [
        f"| {' | '.join(heads)} |",
        f"|{ruler}|",
        *(f"| {' | '.join([name, *cells])} |" for name, cells in rows.items()),
    ]
