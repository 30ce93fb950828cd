"""The academy's jobs on a million events: set-based, against a plain ORM version and the plainest SQL by hand.

All read the same events, a thousandth of them damaged. The job and the ORM version must come to the same figures. The
statement by hand stores nothing; a rating moves with every answer, so for abilities it only fetches what ratings need.
The ORM version asks once for each quiz and question, and once for each answer; it is slow, so it runs once, and that of
the abilities on a tenth of the learners, counted ten times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks._measure import Answer, lines, ratio, verdict
from benchmarks._place import Place

HEADING = "The academy's jobs"
#: The ratio that the page shows, and what it is.
RATIO = ("x the job", "times the job's time")
ROOT = Path(__file__).parent.parent
JOB, HAND, ORM = "the job", "one statement by hand", "a plain ORM version"


def measure(place: Place) -> Iterator[Answer]:
    events = 8_000 if place.quick else 1_000_000
    name = "bench_academy"
    place.create(name)
    within = "import django; django.setup(); from benchmarks import _academy; _academy.main()"
    command = [sys.executable, "-c", within, str(events), str(place.rounds)]
    paths = [str(ROOT / "examples/academy"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    told = {
        "DATABASE_URL": place.url(name),
        "DJANGO_SETTINGS_MODULE": "academy.settings",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, cwd=place.folder, env={**os.environ, **told}
    )
    place.drop(name)
    for job, seconds in json.loads(done.stdout).items():
        aims = (
            verdict(f"{job}: quicker than a plain ORM version", ratio(seconds, ORM, JOB), 50, at_least=True),
            verdict(f"{job} against one statement by hand", ratio(seconds, JOB, HAND), 1.5),
        )
        table = lines(seconds, {"x by hand": HAND, "x the job": JOB})
        title = f"{job} on {events:,} events"
        yield Answer("jobs", place.engine, place.version, title, table, len(seconds[JOB]), aims)
