"""Bugs that the fault suite must not miss. Here each on one engine; `make chaos-selftest` tries it on all."""

from collections.abc import Callable

import pytest

from tests.chaos.__main__ import hunt
from tests.chaos.arena import Arena
from tests.chaos.bugs import bugs

#: A change that lands is held against the same plays as the one before; `make chaos-selftest` looks for others.
SEED = 4000
#: Worlds in which bugs were seen: a hunt begins with that one, and goes on from there.
SEEN = {
    "bare_table_names": ("postgresql", 7_000_045),
    "children_not_locked": ("postgresql", 7_000_117),
    "computed_columns_believed": ("postgresql", 7_000_022),
    "dry_run_asks_no_rights": ("postgresql", 7_000_037),
    "exchanged_names_ignored": ("postgresql", 7_001_298),
    "first_chunk_is_the_measure": ("sqlite", 7_000_817),
    "identity_ignored": ("sqlite", 7_000_120),
    "image_types_of_the_application": ("postgresql", 7_000_085),
    "names_of_one_session": ("postgresql", 7_000_045),
    "not_valid_not_rehearsed": ("postgresql", 7_000_048),
    "parent_collation_ignored": ("sqlite", 7_001_143),
    "premise_not_locked": ("postgresql", 7_000_667),
    "published_journal": ("postgresql", 7_000_037),
    "readable_plan": ("sqlite", 7_000_000),
    "references_skipped_with_keys_off": ("postgresql", 7_001_256),
    "rest_digest_ignored": ("sqlite", 7_000_037),
    "rules_believed": ("postgresql", 7_000_050),
    "sqlite_or_abort_dropped": ("sqlite", 7_000_229),
    "stale_stamp": ("sqlite", 7_004_424),
    "time_zone_ignored": ("mariadb", 7_000_065),
    "triggers_believed": ("sqlite", 7_000_062),
    "undo_without_preflight": ("sqlite", 7_000_454),
    "verdicts_differ": ("sqlite", 7_000_303),
    "writes_of_rules_uncounted": ("postgresql", 7_000_047),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_there_are_as_many_as_docs_reliability_says() -> None:
    assert len(bugs()) >= 50


@pytest.mark.parametrize(
    ("name", "engine"),
    [(name, SEEN[name][0] if name in SEEN else bug.engines[0]) for name, bug in bugs().items()],
    indirect=["engine"],
)
def test_a_planted_bug_is_caught(name: str, engine: str, arenas: Callable[[str], Arena]) -> None:
    seed, world = divmod(SEEN[name][1], 1000) if name in SEEN else (SEED, 0)
    assert hunt(arenas(engine), name, bugs()[name], seed, world)
