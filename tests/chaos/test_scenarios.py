"""Every scenario of the fault suite, once, on every engine it is for, on servers as durable as in production."""

from collections.abc import Callable

import pytest

from tests.chaos.arena import Arena, Tally
from tests.chaos.scenarios import scenarios

#: The plays of a change that lands are always the same; `make chaos` looks for others.
SEED = 9000
#: A play may see too little by chance, on a busy machine above all.
PLAYS = 3

# seconds where nothing else runs
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


@pytest.mark.parametrize("name", scenarios())
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
