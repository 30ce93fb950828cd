"""Timing by turns, and what comes of it: a small table for a person, a JSON line for the page."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

#: A contestant does its work and returns what it found, for the comparison of answers.
Contestant = Callable[[], Any]


@dataclass(frozen=True)
class Line:
    """One contestant: median seconds, and how many times the reference's (the median of the rounds' own ratios)."""

    name: str
    seconds: float
    ratios: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Answer:
    """The answer to one question on one engine."""

    question: str
    engine: str
    version: str
    title: str
    lines: tuple[Line, ...]
    rounds: int
    aims: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def alternate(
    contestants: Mapping[str, Contestant],
    rounds: int,
    *,
    prepare: Callable[[str], None] | None = None,
    warm: bool = True,
) -> dict[str, list[float]]:
    """Seconds of each contestant in each round, all taking turns; a first round is not counted.

    `prepare` is called with the name before each, untimed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + warm):
        for name, work in contestants.items():
            if prepare:
                prepare(name)
            began = time.perf_counter()
            work()
            took = time.perf_counter() - began
            if number or not warm:
                seconds[name].append(took)
    return seconds


def ratio(seconds: Mapping[str, Sequence[float]], name: str, reference: str) -> float:
    """The median of the rounds' ratios: a neighbour's load falls on both sides of each."""
    return median(a / b for a, b in zip(seconds[name], seconds[reference], strict=True))


def lines(
    seconds: Mapping[str, Sequence[float]], references: Mapping[str, str], notes: Mapping[str, str] | None = None
) -> tuple[Line, ...]:
    """A line each; `references` maps the heading of a ratio to the contestant that is 1."""
    return tuple(
        Line(
            name,
            median(seconds[name]),
            {heading: ratio(seconds, name, other) for heading, other in references.items()},
            (notes or {}).get(name, ""),
        )
        for name in seconds
    )


def duration(seconds: float) -> str:
    """Seconds for a reader: three digits."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:.0f} s"


def show(answer: Answer) -> None:
    """Print an answer as a table."""
    headings = list(dict.fromkeys(name for line in answer.lines for name in line.ratios))
    timed = any(line.seconds for line in answer.lines)
    rows = [["", *(["median"] if timed else []), *headings, ""]]
    rows += [
        [
            line.name,
            *([duration(line.seconds)] if timed else []),
            *(f"{line.ratios[name]:.2f}" if name in line.ratios else "" for name in headings),
            line.note,
        ]
        for line in answer.lines
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print(f"\n{answer.title}   [{answer.engine} {answer.version}, {answer.rounds} rounds]")
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)),
        ]
        print("  " + "  ".join([*cells, row[-1]]).rstrip())
    for aim in answer.aims:
        print(f"  {aim}")


def verdict(text: str, figure: float, aim: float, *, at_least: bool = False) -> str:
    """One sentence: the figure, the aim, and whether it was met."""
    met = figure >= aim if at_least else figure <= aim
    return f"{'met   ' if met else 'MISSED'}  {text}: {figure:.2f}, aim {'at least' if at_least else 'at most'} {aim:g}"


def keep(answer: Answer, out: Path | None, about: Mapping[str, Any]) -> None:
    """Append an answer to `<out>/<question>.jsonl`."""
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    with (out / f"{answer.question}.jsonl").open("a") as file:
        file.write(json.dumps({**asdict(answer), **about}) + "\n")


def quietly(work: Callable[[], Any]) -> None:
    """Do what may fail without harm."""
    with suppress(Exception):
        work()
