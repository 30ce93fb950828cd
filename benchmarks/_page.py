"""`python -m benchmarks._page FOLDER`: the results of a run as Markdown tables, for `docs/performance.md`.

A cell is the ratio to the contestant that is 1.00, and the median time; the newest answer of each engine counts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks._measure import duration
from benchmarks._place import ENGINES

#: The ratio that a question's table shows; others are in the terminal's tables.
REFERENCE = {
    "scan_json": "x best",
    "ten_checks": "x fused by hand",
    "apply": "x 500",
    "orphans": "x join",
    "startup": "x python",
}

Answer = Mapping[str, Any]


def main() -> None:
    """Print a section for each question that has results."""
    folder = Path(sys.argv[1])
    for question in [*REFERENCE, "memory"]:
        path = folder / f"{question}.jsonl"
        if not path.exists():
            continue
        titles: dict[str, dict[str, Answer]] = {}
        for line in path.read_text().splitlines():
            answer = json.loads(line)
            titles.setdefault(answer["title"], {})[answer["engine"]] = answer
        for title, answers in titles.items():
            inside = [answers[engine] for engine in ENGINES if engine in answers]
            print(f"\n### {title}\n")
            print("\n".join(memory(inside) if question == "memory" else timed(inside, REFERENCE[question])))


def timed(answers: Sequence[Answer], heading: str) -> Iterator[str]:
    """A row a contestant, a column an engine."""
    names = list(dict.fromkeys(line["name"] for answer in answers for line in answer["lines"]))
    yield from head([f"{answer['engine']} {answer['version']}" for answer in answers])
    for name in names:
        cells = []
        for answer in answers:
            line = next((line for line in answer["lines"] if line["name"] == name), None)
            cells.append("" if line is None else cell(line, heading))
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    for answer in answers:
        for aim in answer["aims"]:
            word, _, rest = aim.partition("  ")
            yield f"- {answer['engine']}: {word.strip().lower()}: {rest.strip()}"
    rounds = sorted({answer["rounds"] for answer in answers})
    yield f"- rounds: {', '.join(map(str, rounds))}; commit {', '.join(sorted({a['commit'] for a in answers}))}"


def cell(line: Mapping[str, Any], heading: str) -> str:
    """`**1.07** (2.1 s)`; only the time where there is no ratio."""
    ratios = line["ratios"]
    known = ratios.get(heading) or ratios.get("x trueup")
    if known is None:
        return duration(line["seconds"])
    of = " of trueup" if heading not in ratios else ""
    return f"**{known:.2f}**{of} ({duration(line['seconds'])})"


def memory(answers: Sequence[Answer]) -> Iterator[str]:
    """A table an engine: a row a verb, a column a size, and the slope."""
    for answer in answers:
        sizes = list(dict.fromkeys(size for line in answer["lines"] for size in line["ratios"]))
        yield f"{answer['engine']} {answer['version']}, commit {answer['commit']}:"
        yield ""
        yield from head([*sizes, "slope"])
        for line in answer["lines"]:
            cells = [f"{line['ratios'][size]:.0f}" if size in line["ratios"] else "" for size in sizes]
            yield f"| {line['name']} | {' | '.join([*cells, line['note']])} |"
        yield ""


def head(names: Sequence[str]) -> Iterator[str]:
    """The first two lines of a table."""
    yield f"| | {' | '.join(names)} |"
    yield f"|---|{'---:|' * len(names)}"


if __name__ == "__main__":
    main()
