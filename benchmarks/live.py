"""What the application feels: the latency of its writes while trueup applies and undoes, against the same load alone.

Four writers in a process of their own commit one UPDATE of a random row each, 100 a second in all, by the clock and not
by when the last one ended. trueup runs as shipped, with its rests, from another process; quiet spells and runs take
turns. The latency of a write is the time from when it was due to its commit. SQLite is in WAL mode, as an application
with several writers has it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from benchmarks._bed import Bed
from benchmarks._measure import Answer, Line, verdict
from benchmarks._place import Place

HEADING = "Cost to live traffic"
ROOT = Path(__file__).parent.parent
RATE = 100
IDLE = "the application alone"


def measure(place: Place) -> Iterator[Answer]:
    count = 500 if place.quick else 20_000
    quiet = 3.0 if place.quick else 15.0
    rounds = 1 if place.quick else min(3, place.rounds)
    events = place.events(min(place.rows, 400_000), count)
    bed = Bed(place, events)
    if place.engine == "sqlite":
        place.do(events.name, "PRAGMA journal_mode = WAL")
    spells: list[tuple[str, float, float]] = []

    def spell(name: str, work: Callable[[], None]) -> None:
        began = time.monotonic()
        work()
        spells.append((name, began, time.monotonic()))

    bed.live = True
    bed.plan()
    writers = start(place, events.name, events.rows)
    time.sleep(2)
    for _ in range(rounds):
        spell(IDLE, lambda: time.sleep(quiet))
        spell("during trueup apply", lambda: bed.apply(rests=True))
        spell("during trueup undo", lambda: bed.undo(rests=True))
        bed.plan()
    written = [(float(due), float(took)) for due, took in json.loads(writers.communicate()[0])]
    place.drop(events.name)
    of: dict[str, list[list[float]]] = {}
    for name, began, ended in spells:
        of.setdefault(name, []).append(sorted(took for due, took in written if began <= due < ended))
    yield Answer(
        "live",
        place.engine,
        place.version,
        f"Latency of {RATE} writes a second while {count:,} rows are repaired as shipped, ms",
        tuple(line(name, groups, of[IDLE]) for name, groups in of.items()),
        rounds,
        (verdict("p99 during apply against the application alone", p99(of, "during trueup apply"), 1.2),),
        {"writes": {name: sum(map(len, groups)) for name, groups in of.items()}},
    )


def start(place: Place, name: str, rows: int) -> subprocess.Popen[str]:
    """The writers."""
    url = urlsplit(place.url(name))
    address = f"{url.hostname} {url.port} {url.username} {name}" if place.server else str(place.folder / f"{name}.db")
    command = [sys.executable, "-m", "benchmarks._writers", place.engine, address, str(rows), str(RATE)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def line(name: str, groups: list[list[float]], idle: list[list[float]]) -> Line:
    """p50, p99 and the longest, each the median of the rounds, in milliseconds; and how it compares."""
    figures = {what: 1000 * middle(groups, part) for what, part in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0))}
    against = {"p99 x alone": middle(groups, 0.99) / middle(idle, 0.99)}
    writes = sum(map(len, groups))
    return Line(name, 0.0, {**figures, **against}, f"{writes:,} writes")


def middle(groups: list[list[float]], part: float) -> float:
    """The median of the rounds' own percentiles."""
    return median(group[min(len(group) - 1, int(part * len(group)))] for group in groups)


def p99(of: dict[str, list[list[float]]], name: str) -> float:
    """The median over the rounds of p99 in a run against p99 in the quiet spell before it."""
    pairs = zip(of[name], of[IDLE], strict=True)
    return median(middle([busy], 0.99) / middle([quiet], 0.99) for busy, quiet in pairs)
