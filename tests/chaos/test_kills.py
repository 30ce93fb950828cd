"""`kill -9` at random points of apply and undo, next to four live writers; and bugs that this must not miss."""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos.arena import Arena
from tests.chaos.rounds import campaign, hunt
from tests.engines import Database

KILLS = 40
#: `make chaos-selftest` tries all of them, on all engines.
SEEN_HERE = ["journal_after", "journal_before", "no_compare", "whole_row", "blind_undo"]

# some seconds where nothing else runs
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


@pytest.fixture
def arena(database: Database, tmp_path: Path) -> Iterator[Arena]:
    with closing(Arena(database.engine, database.url, tmp_path)) as place:
        yield place


@pytest.fixture
def seed() -> int:
    """Another one each time, and named by every violation."""
    return random.SystemRandom().randrange(10**6)


def test_kills_lose_nothing(arena: Arena, seed: int, request: pytest.FixtureRequest) -> None:
    score = campaign(arena, KILLS, seed)
    request.node.user_properties.append(("closing line", f"chaos: {score.line()}"))
    assert score.violations == []
    assert score.blind() == []
    assert score.crashes == []


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("bug", SEEN_HERE)
def test_a_planted_bug_is_seen(arena: Arena, bug: str, seed: int) -> None:
    assert hunt(arena, bug, seed).violations
