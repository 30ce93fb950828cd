"""Every scenario of the fault suite, once, on every engine it is for, on servers as durable as in production."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.binaries import Unavailable
from tests.chaos.__main__ import arena
from tests.chaos.arena import Arena, Tally
from tests.chaos.scenarios import scenarios

# seconds where nothing else runs
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def arenas() -> Iterator[Callable[[str], Arena]]:
    """One durable server an engine, for all scenarios."""
    known: dict[str, Arena] = {}
    with ExitStack() as stack:

        def get(engine: str) -> Arena:
            if engine not in known:
                try:
                    known[engine] = stack.enter_context(arena(engine))
                except Unavailable as error:
                    pytest.skip(f"{engine}: {error}")
            return known[engine]

        yield get


@pytest.mark.parametrize("name", scenarios())
def test_nothing_is_lost(name: str, engine: str, arenas: Callable[[str], Arena]) -> None:
    scenario = scenarios()[name]
    if engine not in scenario.engines:
        pytest.skip(f"{name} is not for {engine}")
    seed, tally = random.SystemRandom().randrange(10**6), Tally(engine)
    scenario.play(arenas(engine), seed, tally)
    assert tally.violations == []
    assert [what for what in scenario.seen(engine) if not tally.seen[what]] == [], f"blind, seed {seed}"
