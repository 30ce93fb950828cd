"""Figures of the fault suite in docs/reliability.md: lines between two markers, written by the run that saw them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
HEADS = (
    "engine | kills | cut connections | server kills | power cuts | writer commits checked | conflicts | deadlocks "
    "| fenced operators | violations | longest write of the application"
)


def enter(part: str, facts: Mapping[str, str]) -> None:
    """Put `facts` between the markers of `part`: a line each, or a table of the engines. Raises ValueError."""
    begin, end = f"<!-- chaos {part} -->", f"<!-- end of chaos {part} -->"
    text = PAGE.read_text()
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{PAGE.name} has no markers {begin} and {end}")
    lines = [f"{name}: {value}" for name, value in facts.items()]
    if "" in facts:
        table = [f"| {name} | {value} |" for name, value in facts.items() if name]
        ruler = "|".join(["---", *["--:"] * HEADS.count("|")])
        lines = [f"The last long run: {facts['']}.", "", f"| {HEADS} |", f"|{ruler}|", *table]
    body = "\n".join([begin, *lines, end])
    PAGE.write_text(re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: body, text, flags=re.DOTALL))
