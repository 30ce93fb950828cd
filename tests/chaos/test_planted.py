"""Bugs that the fault suite must not miss. Here on SQLite and PostgreSQL; `make chaos-selftest` tries all engines."""

import random
from collections.abc import Callable

import pytest

from tests.chaos.__main__ import hunt
from tests.chaos.arena import Arena
from tests.chaos.bugs import bugs

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


def test_there_are_as_many_as_docs_reliability_says() -> None:
    assert len(bugs()) == 25


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("name", bugs())
def test_a_planted_bug_is_caught(name: str, engine: str, arenas: Callable[[str], Arena]) -> None:
    if engine not in bugs()[name].engines:
        pytest.skip(f"{name} does not show on {engine}")
    assert hunt(arenas(engine), name, bugs()[name], random.SystemRandom().randrange(10**6))
