"""`python -m benchmarks._page FOLDER`: the results of a run as tables, into `docs/performance.md` below its marker.

A question is a section: what its module says of itself, a table an answer, and the aims. The newest answer of each
engine counts. What stands above the marker is written by hand.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks._measure import duration
from benchmarks._place import ENGINES

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
MARKER = "<!-- below: python -m benchmarks._page -->\n"
#: The questions in the order of the page: their heading, and the ratio that their cells show ("": plain figures).
QUESTIONS = {
    "scan_json": ("JSON types", "x trueup"),
    "ten_checks": ("Ten checks on one table", "x trueup"),
    "orphans": ("Orphans", "x trueup"),
    "apply": ("Repairs, and taking them back", "x 500"),
    "live": ("Cost to live traffic", ""),
    "growth_rows": ("Growth by rows", ""),
    "growth_findings": ("Growth by findings", ""),
    "startup": ("Start-up", "x python"),
}
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB"}
MEANING = {
    "x trueup": "times trueup's time",
    "x 500": "times the chunked UPDATE's time",
    "x python": "times an empty Python's time",
}
AIM = re.compile(r"(met|MISSED) +(.*): ([\d.]+), (aim .*)")

Answer = Mapping[str, Any]


def main() -> None:
    """Rewrite the page below its marker."""
    folder = Path(sys.argv[1])
    sections = [section(folder / f"{name}.jsonl", name, *about) for name, about in QUESTIONS.items()]
    head, marker, _ = PAGE.read_text().partition(MARKER)
    if not marker:
        raise SystemExit(f"{PAGE} has no line {MARKER!r}")
    PAGE.write_text(head + MARKER + "".join(sections))


def section(path: Path, name: str, heading: str, ratio: str) -> str:
    """One question; empty where it has no results."""
    if not path.exists():
        return ""
    titles: dict[str, dict[str, Answer]] = {}
    for text in path.read_text().splitlines():
        answer = json.loads(text)
        # the same question on another number of rows belongs into the same table; repairs differ by their number
        title = answer["title"] if name == "apply" else re.sub(r"[\d,]*\d", "", answer["title"])
        titles.setdefault(title, {})[answer["engine"]] = answer
    about = (importlib.import_module(f"benchmarks.{name}").__doc__ or "").strip()
    parts = [f"\n## {heading}\n\n{about}\n"]
    for answers in titles.values():
        inside = [answers[engine] for engine in ENGINES if engine in answers]
        table = timed(inside, ratio) if ratio else figures(inside)
        parts.append("\n" + "\n".join(table) + "\n")
    return "".join(parts)


def timed(answers: Sequence[Answer], heading: str) -> Iterator[str]:
    """A row a contestant, a column an engine."""
    yield f"{'; '.join(titles(answers))}. In bold: {MEANING[heading]}."
    yield ""
    names = list(dict.fromkeys(line["name"] for answer in answers for line in answer["lines"]))
    yield from head([f"{NAMES[answer['engine']]} {answer['version']}" for answer in answers])
    for name in names:
        lines = [next((line for line in answer["lines"] if line["name"] == name), None) for answer in answers]
        cells = ["" if line is None else cell(line, heading) for line in lines]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield from aims(answers)


def titles(answers: Sequence[Answer]) -> list[str]:
    """Each title once, with the engines that it is of where they differ."""
    found: dict[str, list[str]] = {}
    for answer in answers:
        found.setdefault(answer["title"], []).append(NAMES[answer["engine"]])
    return [title if len(found) == 1 else f"{', '.join(engines)}: {title}" for title, engines in found.items()]


def cell(line: Mapping[str, Any], heading: str) -> str:
    """`**1.07** (2.1 s)`; only the time where there is no ratio, and what is to be said of it."""
    known = line["ratios"].get(heading)
    note = f"; {line['note']}" if line["note"] else ""
    if known is None:
        return duration(line["seconds"]) + note
    return f"**{known:.2f}** ({duration(line['seconds'])}{note})"


def figures(answers: Sequence[Answer]) -> Iterator[str]:
    """A row a line and engine, a column a figure."""
    yield f"{answers[0]['title']}."
    yield ""
    names = list(dict.fromkeys(name for answer in answers for line in answer["lines"] for name in line["ratios"]))
    yield from head([*names, ""])
    for answer in answers:
        for line in answer["lines"]:
            known = [line["ratios"].get(name) for name in names]
            cells = ["" if value is None else f"{value:.3g}" if value < 100 else f"{value:,.0f}" for value in known]
            yield f"| {NAMES[answer['engine']]}: {line['name']} | {' | '.join([*cells, line['note']])} |"
    yield ""
    yield from aims(answers)


def aims(answers: Sequence[Answer]) -> Iterator[str]:
    """A line an aim with the figure of each engine, a line for each tool that was not run, and where it comes from."""
    found: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    for answer in answers:
        engine = NAMES[answer["engine"]]
        for aim in answer["aims"]:
            if match := AIM.fullmatch(aim):
                word, text, figure, limit = match.groups()
                found.setdefault(f"{text} ({limit})", []).append(f"{engine} {figure} {word.lower()}")
            else:
                others.setdefault(" ".join(aim.split()), []).append(engine)
    for text, reached in found.items():
        yield f"- {text}: {', '.join(reached)}"
    for text, engines in others.items():
        yield f"- {', '.join(engines)}: {text}"
    rounds = [f"{NAMES[answer['engine']]} {answer['rounds']}" for answer in answers]
    commits = sorted({answer["commit"] for answer in answers})
    yield f"- rounds: {', '.join(rounds)}; commit {', '.join(commits)}"


def head(names: Sequence[str]) -> Iterator[str]:
    """The first two lines of a table."""
    yield f"| | {' | '.join(names)} |"
    yield f"|---|{'---:|' * len(names)}"


if __name__ == "__main__":
    main()
