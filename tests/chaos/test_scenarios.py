"""Every scenario of the fault suite, once, on one of the engines it is for, as durable as in production.

`make chaos` plays each on all of them.
"""

from collections.abc import Callable

import pytest

from tests.chaos.arena import Arena, Tally
from tests.chaos.scenarios import scenarios

#: The plays of a change that lands are always the same; `make chaos` looks for others.
SEED = 9000
#: A play may see too little by chance, on a busy machine above all.
PLAYS = 3

# seconds where nothing else runs
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def plays() -> list[tuple[str, str]]:
    """Each scenario on one of the engines it is for, by turns."""
    found = []
    for number, (name, scenario) in enumerate(scenarios().items(), start=1):
        engines = scenario.engines or ["sqlite"]
        found.append((name, engines[number % len(engines)]))
    return found


@pytest.mark.parametrize(("name", "engine"), plays(), indirect=["engine"])
def test_nothing_is_lost(name: str, engine: str, arenas: Callable[[str], Arena]) -> None:
    scenario = scenarios()[name]
    if engine not in scenario.engines:
        pytest.skip(scenario.reason)
    tally = Tally(engine)
    for number in range(PLAYS):
        scenario.play(arenas(engine), SEED + number, tally)
        assert tally.violations == []
        unseen = [what for what in scenario.seen(engine) if not tally.seen[what]]
        if not unseen:
            return
    assert unseen == [], f"blind, seed {SEED}"
