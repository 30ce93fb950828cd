"""Bugs that the fault suite must not miss. Here each on one engine; `make chaos-selftest` tries it on all."""

from collections.abc import Callable

import pytest

from tests.chaos.__main__ import hunt
from tests.chaos.arena import Arena
from tests.chaos.bugs import bugs

#: A change that lands is held against the same plays as the one before; `make chaos-selftest` looks for others.
SEED = 4000
#: Where a bug is soon found, if that is not the first of its engines from the usual seed on.
SOON = {
    "not_valid_not_rehearsed": ("postgresql", 7000),
    "references_skipped_with_keys_off": ("postgresql", 7001),
    "sqlite_or_abort_dropped": ("sqlite", 7000),
    "stale_stamp": ("postgresql", 7000),
    "verdicts_differ": ("mariadb", 7000),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_there_are_as_many_as_docs_reliability_says() -> None:
    assert len(bugs()) >= 50


@pytest.mark.parametrize(
    ("name", "engine", "seed"),
    [(name, *SOON.get(name, (bug.engines[0], SEED))) for name, bug in bugs().items()],
    indirect=["engine"],
)
def test_a_planted_bug_is_caught(name: str, engine: str, seed: int, arenas: Callable[[str], Arena]) -> None:
    assert hunt(arenas(engine), name, bugs()[name], seed)
