"""`make chaos`: the scenarios, engine after engine, for as long as told; or the planted bugs.

Exit 1 for a violation, a run that was blind to what it should have seen, a bug that was not caught, a missing engine.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tests.binaries import Unavailable
from tests.chaos.arena import Arena, Tally
from tests.chaos.bugs import bugs
from tests.chaos.bugs.planting import Bug
from tests.chaos.figures import enter, of_scenarios, of_worlds
from tests.chaos.scenarios import Scenario, scenarios
from tests.engines import ENGINES
from tests.servers import SERVERS


def main() -> int:
    """Run what the command line asks for."""
    known = scenarios()
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--engine", action="append", choices=ENGINES, help="one engine (again for more); all of them")
    parser.add_argument("--scenario", action="append", choices=list(known), help="one scenario (again for more); all")
    parser.add_argument("--minutes", type=float, default=0, help="go round for so long; else each scenario once")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--planted", action="store_true", help="only see whether the planted bugs are caught")
    parser.add_argument(
        "--bug", action="append", choices=list(bugs()), help="with --planted: this one (again for more)"
    )
    parser.add_argument(
        "--write", action="store_true", help="enter the figures in docs/reliability.md, as --minutes does"
    )
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with ExitStack() as stack:
        try:
            arenas = {engine: stack.enter_context(arena(engine)) for engine in options.engine or ENGINES}
        except Unavailable as error:
            print(f"not there: {error}", flush=True)
            return 1
        if options.planted:
            # those that can show on these engines
            names = [name for name in options.bug or bugs() if set(bugs()[name].engines) & set(arenas)]
            caught = selftest(arenas, names, options.seed)
            if options.write and not options.bug:
                enter("planted", [f"Planted bugs caught: {caught} of {len(bugs())}"])
            return 0 if caught == len(names) else 1
        chosen = {name: known[name] for name in options.scenario or known}
        return 0 if go_round(arenas, chosen, options.seed, options.minutes, write=options.write) else 1


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


def go_round(
    arenas: dict[str, Arena], chosen: dict[str, Scenario], seed: int, minutes: float, *, write: bool = False
) -> bool:
    """Play each scenario on each engine, again and again for `minutes` (at least once); print what was seen."""
    began, number = time.monotonic(), 0
    tallies = {engine: Tally(engine) for engine in arenas}
    wanted: dict[str, set[str]] = {engine: set() for engine in arenas}
    while not number or time.monotonic() - began < 60 * minutes:
        for scenario in chosen.values():
            for engine, place in arenas.items():
                late = number and time.monotonic() - began > 60 * minutes
                if engine not in scenario.engines or late:
                    continue
                place.thorough = minutes > 0
                wanted[engine] |= set(scenario.seen(engine))
                tallies[engine].add(play(scenario, place, seed + number))
        number += 1
    spent = time.monotonic() - began
    verdicts = [conclude(tallies[engine], wanted[engine]) for engine in arenas]
    good = all(verdicts)
    print(f"{'sound' if good else 'NOT SOUND'}: {number} rounds from seed {seed}, {spent / 60:.1f} minutes", flush=True)
    told = f"{spent / 60:.0f} minutes, {number} rounds from seed {seed}"
    if (write or minutes) and len(chosen) == len(scenarios()):
        enter("figures", of_scenarios(tallies, told))
    if (write or minutes) and "worlds" in chosen:
        enter("worlds", of_worlds(tallies, told))
    return good


def play(scenario: Scenario, place: Arena, seed: int) -> Tally:
    """One scenario once; an error in it is a violation too, as it hides what it was to see."""
    tally, began = Tally(place.engine), time.monotonic()
    try:
        scenario.play(place, seed, tally)
    except Exception as error:  # noqa: BLE001  # the long run goes on and says so at the end
        tally.violations.append(f"{place.engine}, seed {seed}: the scenario broke: {error!r}"[:600])
        place.session.rollback()
    seen = ", ".join(f"{count} {name}" for name, count in sorted(tally.seen.items()))
    print(f"{place.engine:10} {scenario.name:12} seed {seed} {time.monotonic() - began:6.1f} s: {seen}", flush=True)
    for text in tally.violations[:10]:
        print(f"  VIOLATION {text}", flush=True)
    return tally


def conclude(tally: Tally, wanted: set[str]) -> bool:
    """One engine's last words."""
    blind = sorted(name for name in wanted if not tally.seen[name])
    for name in blind:
        print(f"{tally.engine:10} BLIND: never seen: {name}", flush=True)
    for text in tally.violations:
        print(f"{tally.engine:10} VIOLATION {text}", flush=True)
    return not blind and not tally.violations


def selftest(arenas: dict[str, Arena], names: list[str], seed: int) -> int:
    """Look for each planted bug on each engine it is for; how many were caught wherever they were planted."""
    known, caught = bugs(), 0
    for name in names:
        bug = known[name]
        places = [arenas[engine] for engine in bug.engines if engine in arenas]
        seen = [hunt(place, name, bug, seed) for place in places]
        caught += bool(seen) and all(seen)
    print(f"planted bugs caught: {caught} / {len(names)}", flush=True)
    return caught


def hunt(place: Arena, name: str, bug: Bug, seed: int, world: int = 0) -> bool:
    """Play the bug's scenario until it is caught, or as often as is reasonable; print how. `world`: the first one."""
    began, scenario = time.monotonic(), scenarios()[bug.scenario]
    place.bug, tally, number = name, Tally(place.engine), 0
    place.passed_over = world
    try:
        while not tally.violations and number < bug.rounds:
            scenario.play(place, seed + number, tally)
            number += 1
    finally:
        place.bug, place.passed_over = "", 0
        place.session.rollback()
    how = tally.violations[0][:200] if tally.violations else "NOT CAUGHT"
    spent = f"{number} plays of {bug.scenario}, {tally.seen['kills']} kills, {time.monotonic() - began:.0f} s"
    print(f"{place.engine:10} {name:22} {spent}: {how}", flush=True)
    return bool(tally.violations)


if __name__ == "__main__":
    sys.exit(main())
