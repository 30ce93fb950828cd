"""Play worlds by hand: `python -m tests.chaos.worlds sqlite FIRST COUNT`, or a file that the shrinker wrote."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path


def main() -> int:
    """See the module."""
    os.environ["TRUEUP_TESTING"] = "1"
    from tests.chaos.__main__ import arena
    from tests.chaos.worlds import worker
    from tests.chaos.worlds.model import read
    from tests.chaos.worlds.places import Ground
    from tests.chaos.worlds.generator import generate

    if len(sys.argv) == 2:
        world = read(Path(sys.argv[1]).read_text())
        engine, seeds = world.engine, [world.seed]
    else:
        engine, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        seeds = list(range(first, first + count))
    url = os.environ.get("WORLDS_URL", "")
    with tempfile.TemporaryDirectory() as folder:
        if url or engine == "sqlite":
            return go(engine, url, Path(folder), seeds)
        with arena(engine) as place:
            return go(engine, place.url, Path(folder), seeds)


def go(engine: str, url: str, folder: Path, seeds: list[int]) -> int:
    """Play them; say what was seen."""
    from tests.chaos.worlds import worker
    from tests.chaos.worlds.places import Ground

    worker.prepare(os.environ.get("WORLDS_BUG", ""))
    ground = Ground(engine, url, folder)
    written, bad, refused, unbuilt = 0, 0, Counter[str](), 0
    began = time.monotonic()
    for seed in seeds:
        features, result = worker.one(engine, seed, ground)
        if isinstance(result, str):
            unbuilt += 1
            print(seed, "HARNESS", result[-1500:], flush=True)
            continue
        written += bool(result.written)
        refused.update(set(result.refusals) if not result.written else ())
        if result.faults:
            bad += 1
            print(seed, features, *(f"\n    {fault[:400]}" for fault in result.faults[:3]), flush=True)
            if len(seeds) == 1:
                print("\n".join(result.story))
    spent = time.monotonic() - began
    print(f"{len(seeds)} worlds in {spent:.1f} s, written {written}, with faults {bad}, unbuilt {unbuilt}")
    for reason, count in refused.most_common(25):
        print(f"  {count:4} {reason}")
    ground.close()
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
