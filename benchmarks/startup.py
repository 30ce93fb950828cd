"""Start-up: how long `trueup --help` and a scan of an empty database take, against Python that does nothing.

The time of the processor beside the time that passed tells what a busy machine added.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks._measure import Answer, alternate, duration, lines, verdict
from benchmarks._place import Place

HEADING = "Start-up"
#: The ratio that the page shows, and what it is.
RATIO = ("x python", "times an empty Python's time")
#: Before an aim in the table of aims.
AIM_OF = "trueup "
PROGRAM = Path(sys.executable).with_name("trueup")
HELP = "trueup --help"


def measure(place: Place) -> Iterator[Answer]:
    name = "bench_empty"
    place.create(name)
    if place.engine == "sqlite":
        place.do(name, "CREATE TABLE t (id INTEGER PRIMARY KEY)")

    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "trueup scan URL, an empty database": [str(PROGRAM), "scan", place.url(name)],
    }
    if place.engine == "sqlite":
        commands[HELP] = [str(PROGRAM), "--help"]
        commands["python -c 'import sqlalchemy'"] = [sys.executable, "-c", "import sqlalchemy"]
    processor: dict[str, list[float]] = {told: [] for told in commands}

    def run(told: str) -> None:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(commands[told], capture_output=True, text=True, check=False, cwd=place.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor[told].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    rounds = 3 if place.quick else max(11, place.rounds)
    seconds = alternate({told: partial(run, told) for told in commands}, rounds)
    place.drop(name)
    notes = {told: f"{duration(median(some))} of a processor" for told, some in processor.items()}
    aims = (verdict("--help, ms", 1000 * median(seconds[HELP]), 150),) if HELP in seconds else ()
    table = lines(seconds, {"x python": "python -c pass"}, notes)
    yield Answer("startup", place.engine, place.version, "Start-up of the command line", table, rounds, aims)
