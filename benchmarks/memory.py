"""Memory: the peak of scan, plan, apply, verify and undo, each in a process of its own, as rows and as findings grow.

The slope is what a million more rows (or findings) cost, by the least and the most of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks._measure import Answer, Line, verdict
from benchmarks._place import Place

ROOT = Path(__file__).parent.parent
VERBS = ("nothing", "scan", "plan", "apply", "verify", "undo")
MB = 1_000_000
AIM = 250


def child(verb: str, url: str, path: Path) -> dict[str, Any]:
    """Run one verb in a process of its own."""
    command = [sys.executable, "-m", "benchmarks._child", verb, url, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(place: Place) -> Iterator[Answer]:
    whole = place.engine in ("sqlite", "postgresql")
    million = 1_000_000
    by_rows = [(n * million, n * 1000) for n in ([1, 2, 5, 10] if whole else [1, 2])]
    by_findings = [(2 * million, n) for n in ([0, 10_000, 100_000, million] if whole else [0, 10_000, 100_000])]
    if place.quick:
        by_rows, by_findings = [(50_000, 50), (100_000, 100)], [(50_000, 0), (50_000, 10_000)]
    yield grow(place, "memory as the table grows, 0.1 % of it broken", by_rows, rows=True)
    yield grow(place, f"memory as findings grow, in {by_findings[0][0]:,} rows", by_findings, rows=False)


def grow(place: Place, title: str, sizes: list[tuple[int, int]], *, rows: bool) -> Answer:
    """One table of peaks: a line a verb, a column a size."""
    peaks: dict[str, dict[str, float]] = {verb: {} for verb in VERBS}
    seconds: dict[str, dict[str, float]] = {verb: {} for verb in VERBS}
    headings = []
    for count, broken in sizes:
        events = place.events(count, broken)
        heading = short(count if rows else broken)
        headings.append(heading)
        for verb in VERBS:
            plan = place.folder / "memory.jsonl"
            if verb == "plan":
                plan.unlink(missing_ok=True)
            if verb in ("apply", "verify", "undo") and not broken:
                continue
            found = child(verb, place.url(events.name), plan)
            if verb not in ("nothing", "verify") and found["count"] != broken:
                raise RuntimeError(f"{verb} on {count:,} rows: {found['count']:,} of {broken:,}")
            peaks[verb][heading] = found["peak"] / MB
            seconds[verb][heading] = found["seconds"]
        place.drop(events.name)
    return Answer(
        "memory",
        place.engine,
        place.version,
        f"Peak {title}, MB",
        tuple(Line(verb, 0.0, peaks[verb], slope(peaks[verb], headings, sizes, rows=rows)) for verb in VERBS),
        1,
        (verdict("the highest peak, MB", max(max(line.values()) for line in peaks.values() if line), AIM),),
        {"seconds": seconds, "rows": rows},
    )


def slope(peaks: dict[str, float], headings: list[str], sizes: list[tuple[int, int]], *, rows: bool) -> str:
    """What a million more cost."""
    known = [
        (size[0 if rows else 1], peaks[heading])
        for heading, size in zip(headings, sizes, strict=True)
        if heading in peaks
    ]
    (low, least), (high, most) = known[0], known[-1]
    return f"{(most - least) / (high - low) * 1e6:+.2f} MB a million" if high > low else ""


def short(count: int) -> str:
    """`2 M`, `100 k`, `50`."""
    for size, letter in ((1_000_000, " M"), (1000, " k")):
        if count >= size:
            return f"{count / size:g}{letter}"
    return str(count)
