"""`python -m benchmarks._page FOLDER`: the results of a run as tables, into `docs/performance.md` below its marker.

First the aims, and what was reached; then a section a question: what its module says of itself, and a table an answer.
The newest answer of each engine counts. What stands above the marker is written by hand.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.__main__ import QUESTIONS
from benchmarks._measure import duration
from benchmarks._place import ENGINES

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
MARKER = "<!-- below: python -m benchmarks._page -->\n"
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB"}
#: In the title of an answer that is of a size of its own.
LARGE = "10,000,000"
AIM = re.compile(r"(met|MISSED) +(.*): ([\d.]+), (aim .*)")

Answer = Mapping[str, Any]


def main() -> None:
    """Rewrite the page below its marker."""
    folder = Path(sys.argv[1])
    found = {name: answers(folder / f"{name}.jsonl", name) for name in QUESTIONS}
    head, marker, _ = PAGE.read_text().partition(MARKER)
    if not marker:
        raise SystemExit(f"{PAGE} has no line {MARKER!r}")
    parts = ["\n".join(aims([table for tables in found.values() for table in tables]))]
    parts += [section(name, tables) for name, tables in found.items() if tables]
    PAGE.write_text(head + MARKER + "\n" + "\n".join(parts))


def answers(path: Path, name: str) -> list[list[Answer]]:
    """The tables of one question: of each the newest answer of every engine."""
    tables: dict[str, dict[str, Answer]] = {}
    for text in path.read_text().splitlines() if path.exists() else ():
        answer = json.loads(text)
        # the same question on another number of rows belongs into the same table; repairs differ by their number
        title = answer["title"] if name == "apply" else re.sub(r"[\d,]*\d", "", answer["title"])
        tables.setdefault(large(answer) + title, {})[answer["engine"]] = answer
    return [[of[engine] for engine in ENGINES if engine in of] for of in tables.values()]


def large(answer: Answer) -> str:
    """What to put before the aims of the large size."""
    return "10 M rows: " if LARGE in answer["title"] else ""


def section(name: str, tables: Sequence[Sequence[Answer]]) -> str:
    """One question."""
    question = importlib.import_module(f"benchmarks.{name}")
    parts = [f"\n## {question.HEADING}\n\n{(question.__doc__ or '').strip()}\n"]
    ratio = getattr(question, "RATIO", None)
    for table in tables:
        lines = timed(table, *ratio) if ratio else figures(table)
        parts.append("\n" + "\n".join([*lines, *origin(table)]) + "\n")
    return "".join(parts)


def timed(table: Sequence[Answer], heading: str, meaning: str) -> Iterator[str]:
    """A row a contestant, a column an engine."""
    yield f"{'; '.join(titles(table))}. In bold: {meaning}."
    yield ""
    names = list(dict.fromkeys(line["name"] for answer in table for line in answer["lines"]))
    yield from head([f"{NAMES[answer['engine']]} {answer['version']}" for answer in table])
    for name in names:
        lines = [next((line for line in answer["lines"] if line["name"] == name), None) for answer in table]
        cells = ["" if line is None else cell(line, heading) for line in lines]
        yield f"| {name} | {' | '.join(cells)} |"


def titles(table: Sequence[Answer]) -> list[str]:
    """Each title once, with the engines that it is of where they differ."""
    found: dict[str, list[str]] = {}
    for answer in table:
        found.setdefault(answer["title"], []).append(NAMES[answer["engine"]])
    return [title if len(found) == 1 else f"{', '.join(engines)}: {title}" for title, engines in found.items()]


def cell(line: Mapping[str, Any], heading: str) -> str:
    """`**1.07** (2.1 s)`; only the time where there is no ratio, and what is to be said of it."""
    known = line["ratios"].get(heading)
    note = f"; {line['note']}" if line["note"] else ""
    if known is None:
        return duration(line["seconds"]) + note
    return f"**{known:.2f}** ({duration(line['seconds'])}{note})"


def figures(table: Sequence[Answer]) -> Iterator[str]:
    """A row a line and engine, a column a figure."""
    yield f"{table[0]['title']}."
    yield ""
    names = list(dict.fromkeys(name for answer in table for line in answer["lines"] for name in line["ratios"]))
    yield from head([*names, ""])
    for answer in table:
        for line in answer["lines"]:
            known = [line["ratios"].get(name) for name in names]
            cells = ["" if value is None else f"{value:.3g}" if value < 100 else f"{value:,.0f}" for value in known]
            yield f"| {NAMES[answer['engine']]}: {line['name']} | {' | '.join([*cells, line['note']])} |"


def aims(tables: Sequence[Sequence[Answer]]) -> Iterator[str]:
    """A table: a row an aim, a column an engine; what was missed is bold."""
    yield from head([*(NAMES[engine] for engine in ENGINES), "aim"])
    for table in tables:
        rows: dict[tuple[str, str], dict[str, str]] = {}
        for answer in table:
            for aim in answer["aims"]:
                if match := AIM.fullmatch(aim):
                    word, text, figure, limit = match.groups()
                    question = importlib.import_module(f"benchmarks.{answer['question']}")
                    about = large(answer) + getattr(question, "AIM_OF", "").format(**answer["facts"])
                    figure = figure if word == "met" else f"**{figure}**"
                    rows.setdefault((about + text, limit.removeprefix("aim ")), {})[answer["engine"]] = figure
        for (text, limit), cells in rows.items():
            yield f"| {text} | {' | '.join(cells.get(engine, '') for engine in ENGINES)} | {limit} |"


def origin(table: Sequence[Answer]) -> Iterator[str]:
    """Below a table: the tools that were not run, the rounds and the commit."""
    yield ""
    for answer in table:
        for aim in answer["aims"]:
            if not AIM.fullmatch(aim):
                yield f"- {NAMES[answer['engine']]}: {' '.join(aim.split())}"
    rounds = [f"{NAMES[answer['engine']]} {answer['rounds']}" for answer in table]
    yield f"- rounds: {', '.join(rounds)}; commit {', '.join(sorted({answer['commit'] for answer in table}))}"


def head(names: Sequence[str]) -> Iterator[str]:
    """The first two lines of a table."""
    yield f"| | {' | '.join(names)} |"
    yield f"|---|{'---:|' * len(names)}"


if __name__ == "__main__":
    main()
