"""Play worlds by hand: `python -m tests.chaos.worlds sqlite FIRST COUNT`, or a file that the shrinker wrote."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.servers import SERVERS


def main() -> int:
    """See the module."""
    os.environ["TRUEUP_TESTING"] = "1"
    faulthandler.register(signal.SIGUSR1)
    file = sys.argv[1] if len(sys.argv) == 2 else ""
    engine = Path(file).name.partition("-")[0] if file else sys.argv[1]
    seeds = [] if file else list(range(int(sys.argv[2]), int(sys.argv[2]) + int(sys.argv[3])))
    url = os.environ.get("WORLDS_URL", "")
    with tempfile.TemporaryDirectory() as folder:
        if url or engine == "sqlite":
            return go(engine, url, Path(folder), seeds, file)
        with SERVERS[engine]() as server:
            server.create_database("chaos")
            return go(engine, server.url("chaos"), Path(folder), seeds, file)


def go(engine: str, url: str, folder: Path, seeds: list[int], file: str) -> int:
    """Play them; say what was seen."""
    from tests.chaos.bugs import bugs
    from tests.chaos.worlds import worker
    from tests.chaos.worlds.generator import generate
    from tests.chaos.worlds.model import read
    from tests.chaos.worlds.places import Ground
    from tests.chaos.worlds.results import Result

    bug = os.environ.get("WORLDS_BUG", "")
    worker.prepare(bug)
    focus = os.environ.get("WORLDS_FOCUS", "").split(",") if "WORLDS_FOCUS" in os.environ else []
    focus += bugs()[bug].focus if bug else ()
    kept = Path(os.environ["TRUEUP_WORLDS"]) if "TRUEUP_WORLDS" in os.environ else None
    ground = Ground(engine, url, folder)
    if file:
        told = worker.play(read(Path(file).read_text()), ground)
        print(*(told.story, told.faults) if isinstance(told, Result) else [told], sep="\n")
        return 0
    written, bad, refused, unbuilt, rows = 0, 0, Counter[str](), 0, 0
    began = time.monotonic()
    seeds = [seed for seed in seeds if worker.concerned(generate(engine, seed), focus)]
    for seed in seeds:
        start = time.monotonic()
        features, result, path = worker.one(engine, seed, ground, kept)
        if "WORLDS_TIMES" in os.environ:
            print(f"{seed}: {time.monotonic() - start:.1f} s", flush=True)
        if isinstance(result, str):
            unbuilt += 1
            print(seed, "HARNESS", result[-700:], flush=True)
            continue
        written += bool(result.written)
        rows += result.written
        refused.update(set(result.refusals) if not result.written else ())
        if result.faults:
            bad += 1
            print(seed, features, path, *(f"\n    {fault[:400]}" for fault in result.faults[:3]), flush=True)
        if len(seeds) == 1:
            print("\n".join(result.story))
    spent = time.monotonic() - began
    print(
        f"{len(seeds)} worlds in {spent:.1f} s, written {written} ({rows} rows), with faults {bad}, unbuilt {unbuilt}"
    )
    for reason, count in refused.most_common(25):
        print(f"  {count:4} {reason}")
    ground.close()
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
