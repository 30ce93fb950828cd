"""`make chaos`: many kills on each engine, or the planted bugs; exit 1 for a violation, a blind run, a missed bug."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.binaries import Unavailable
from tests.chaos.arena import Arena
from tests.chaos.planted import BUGS
from tests.chaos.rounds import Score, campaign, hunt
from tests.engines import ENGINES
from tests.servers import SERVERS


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--engine", action="append", choices=ENGINES, help="one engine (again for more); all of them")
    parser.add_argument("--kills", type=int, default=100, help="for each engine; 100")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--planted", action="store_true", help="only see whether the planted bugs are found")
    parser.add_argument("--bug", action="append", choices=list(BUGS), help="with --planted: this one (again for more)")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    good = True
    for engine in options.engine or ENGINES:
        try:
            with arena(engine) as place:
                if options.planted:
                    good &= planted(place, options.bug or list(BUGS), options.seed)
                else:
                    good &= kills(place, options.kills, options.seed)
        except Unavailable as error:
            print(f"{engine:10} not there: {error}", flush=True)
            good = False
    return 0 if good else 1


@contextmanager
def arena(engine: str) -> Iterator[Arena]:
    """A database to fight over, on a server as durable as in production."""
    with tempfile.TemporaryDirectory(prefix="trueup-chaos-") as name:
        folder = Path(name)
        if engine == "sqlite":
            file = folder / "app.db"
            file.touch()
            with closing(Arena(engine, f"sqlite:///{file}", folder)) as place:
                yield place
            return
        with SERVERS[engine](durable=True) as server:
            server.create_database("chaos")
            with closing(Arena(engine, server.url("chaos"), folder, server=server)) as place:
                yield place


def kills(place: Arena, count: int, seed: int) -> bool:
    """Kill the tool `count` times; print what was seen, and whether all held."""
    score = campaign(place, count, seed, tell=show_progress)
    print(score.line(), flush=True)
    for text, times in score.errors.most_common(10):
        print(f"  {times} times the tool ended with: {text}")
    for text in score.violations[:20]:
        print(f"  VIOLATION {text}")
    for text in score.blind():
        print(f"  BLIND there was not {text}")
    return score.sound


def show_progress(score: Score) -> None:
    """How far it is, on one line of a terminal."""
    if sys.stderr.isatty():
        print(f"{score.engine:10} {score.kills.total()} kills", end="\r", file=sys.stderr, flush=True)


def planted(place: Arena, bugs: list[str], seed: int) -> bool:
    """Look for each planted bug; print how soon it was seen."""
    caught = 0
    for bug in bugs:
        score = hunt(place, bug, seed)
        caught += bool(score.violations)
        seen = score.violations[0] if score.violations else "NOT SEEN"
        spent = f"{score.kills.total():3} kills {score.rounds:2} rounds {score.seconds:3.0f} s"
        print(f"{place.engine:10} {bug:18} {spent}: {seen[:150]}", flush=True)
    print(f"{place.engine:10} planted bugs caught: {caught} of {len(bugs)}", flush=True)
    return caught == len(bugs)


if __name__ == "__main__":
    sys.exit(main())
