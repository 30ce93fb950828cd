"""How verbs grow: each in a process of its own, for its time and the peak of its memory, as tables grow."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks._measure import Answer, Line, verdict
from benchmarks._place import Place

ROOT = Path(__file__).parent.parent
VERBS = ("nothing", "scan", "plan", "apply", "verify", "undo")
MB = 1_000_000
#: The most memory that any verb may hold, in MB, however large the table.
AIM = 250


def child(verb: str, url: str, path: Path) -> dict[str, Any]:
    """Run one verb in a process of its own."""
    command = [sys.executable, "-m", "benchmarks._child", verb, url, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def grow(place: Place, question: str, what: str, sizes: Sequence[tuple[int, int]], axis: int) -> Iterator[Answer]:
    """Two tables of one run, peaks and seconds: a line a verb, a column a size.

    A size is (rows, broken rows); `axis` says which of the two grows. `what` ends the tables' titles.
    """
    peaks: dict[str, dict[str, float]] = {verb: {} for verb in VERBS}
    seconds: dict[str, dict[str, float]] = {verb: {} for verb in VERBS}
    for count, broken in sizes:
        events = place.events(count, broken)
        heading = short((count, broken)[axis])
        plan = place.folder / "growth.jsonl"
        plan.unlink(missing_ok=True)
        for verb in VERBS:
            if verb in ("apply", "verify", "undo") and not broken:
                continue
            found = child(verb, place.url(events.name), plan)
            if verb not in ("nothing", "verify") and found["count"] != broken:
                raise RuntimeError(f"{verb} on {count:,} rows: {found['count']:,} of {broken:,}")
            peaks[verb][heading] = found["peak"] / MB
            seconds[verb][heading] = found["seconds"]
        place.drop(events.name)
    steps = {short(size[axis]): size[axis] for size in sizes}
    highest = max(max(line.values()) for line in peaks.values() if line)
    for title, figures, slope, aims in (
        ("Peak memory, MB", peaks, more("MB"), (verdict("the highest peak, MB", highest, AIM),)),
        ("Time, s", seconds, more("s"), ()),
    ):
        yield Answer(
            question,
            place.engine,
            place.version,
            f"{title}, {what}",
            tuple(Line(verb, 0.0, figures[verb], slope(figures[verb], steps)) for verb in VERBS),
            1,
            aims,
        )


def more(unit: str) -> Callable[[Mapping[str, float], Mapping[str, int]], str]:
    """The slope: what a million more cost, by the least and the most."""

    def slope(figures: Mapping[str, float], steps: Mapping[str, int]) -> str:
        known = [(steps[heading], figure) for heading, figure in figures.items()]
        (low, least), (high, most) = known[0], known[-1]
        return f"{(most - least) / (high - low) * 1e6:+.2f} {unit} a million" if high > low else ""

    return slope


def short(count: int) -> str:
    """`2 M`, `100 k`, `50`."""
    for size, letter in ((1_000_000, " M"), (1000, " k")):
        if count >= size:
            return f"{count / size:g}{letter}"
    return str(count)
