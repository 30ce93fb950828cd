"""Bugs that the fault suite must not miss. Here each on one engine; `make chaos-selftest` tries it on all."""

from collections.abc import Callable

import pytest

from tests.chaos.__main__ import hunt
from tests.chaos.arena import Arena
from tests.chaos.bugs import bugs

#: A change that lands is held against the same plays as the one before; `make chaos-selftest` looks for others.
SEED = 4000

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


def test_there_are_as_many_as_docs_reliability_says() -> None:
    assert len(bugs()) >= 50


@pytest.mark.parametrize(
    ("name", "engine"), [(name, bug.engines[0]) for name, bug in bugs().items()], indirect=["engine"]
)
def test_a_planted_bug_is_caught(name: str, engine: str, arenas: Callable[[str], Arena]) -> None:
    assert hunt(arenas(engine), name, bugs()[name], SEED)
