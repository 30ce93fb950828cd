"""Start-up: how long `trueup --help` and a scan of an empty database take, against Python that does nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks._measure import Answer, alternate, lines, verdict
from benchmarks._place import Place

PROGRAM = Path(sys.executable).with_name("trueup")


def measure(place: Place) -> Iterator[Answer]:
    name = "bench_empty"
    place.create(name)
    if place.engine == "sqlite":
        place.do(name, "CREATE TABLE t (id INTEGER PRIMARY KEY)")

    def run(*command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=place.folder)
        assert done.returncode == 0, done.stdout + done.stderr

    contestants = {
        "python -c pass": lambda: run(sys.executable, "-c", "pass"),
        "trueup scan URL, an empty database": lambda: run(str(PROGRAM), "scan", place.url(name)),
    }
    if place.engine == "sqlite":
        contestants["trueup --help"] = lambda: run(str(PROGRAM), "--help")
        contestants["python -c 'import sqlalchemy'"] = lambda: run(sys.executable, "-c", "import sqlalchemy")
    seconds = alternate(contestants, 3 if place.quick else max(11, place.rounds))
    place.drop(name)
    told = "trueup --help"
    aims = (verdict("--help, ms", 1000 * median(seconds[told]), 150),) if told in seconds else ()
    yield Answer(
        "startup",
        place.engine,
        place.version,
        "Start-up of the command line",
        lines(seconds, {"x python": "python -c pass"}),
        3 if place.quick else max(11, place.rounds),
        aims,
    )
