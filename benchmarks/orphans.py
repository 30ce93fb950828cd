"""Orphans: events against 200,000 users, trueup against the two ways to write it by hand.

An index stands on the children's side. One event in 1,000 refers to a user that is not there, one in 10,000 to nobody
(NULL), which is no orphan. trueup reads each orphan a second time and brings its evidence along. Great Expectations is
given the join by hand; Soda Core has a check of its own for references.
"""

from __future__ import annotations

from collections.abc import Iterator

import trueup
from benchmarks._measure import Answer, Contestant, alternate, lines, ratio, verdict
from benchmarks._peers import peers
from benchmarks._place import Place
from trueup.checks.orphan import Orphan

HEADING = "Orphans"
#: The ratio that the page shows, and what it is.
RATIO = ("x trueup", "times trueup's time")
CHECK = Orphan(table="events", column="user_id", references="users.id")
FLOOR = "SELECT count(*) FROM events WHERE amount <> -7"
JOINED = (
    "SELECT e.id, e.user_id FROM events e LEFT JOIN users u ON u.id = e.user_id "
    "WHERE e.user_id IS NOT NULL AND u.id IS NULL"
)
EXISTS = (
    "SELECT e.id, e.user_id FROM events e WHERE e.user_id IS NOT NULL "
    "AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = e.user_id)"
)


def measure(place: Place) -> Iterator[Answer]:
    events = place.events(place.rows, place.rows // 1000, orphans=place.rows // 1000)
    name = events.name
    place.add_users(name)
    config = place.config(name, CHECK)

    keys: list[int] = []
    trueup.scan(config, sink=lambda finding: keys.append(int(finding.where.key[0])))  # type: ignore[union-attr]  # of a row
    assert sorted(keys) == sorted(events.lost), "trueup found other orphans than were planted"

    def by_hand(sql: str) -> Contestant:
        def work() -> None:
            assert {row[0] for row in place.ask(name, sql)} == events.lost

        return work

    def scan() -> None:
        (result,) = trueup.scan(config).results
        assert result.findings == len(events.lost), result.reason

    seconds = alternate(
        {
            "floor: count(*) by a cheap predicate": lambda: place.ask(name, FLOOR),
            "by hand, LEFT JOIN ... IS NULL": by_hand(JOINED),
            "by hand, NOT EXISTS": by_hand(EXISTS),
            "trueup scan": scan,
        },
        place.rounds,
    )
    with peers(place, name, ("gx", "soda"), {"orphans": JOINED}, question="orphans") as asked:
        slow = {"trueup scan": scan, **asked.contestants({"orphans": len(events.lost)})}
        few = alternate(slow, min(3, place.rounds), warm=False)
        others = [line for line in lines(few, {"x trueup": "trueup scan"}, asked.notes()) if line.name in asked.ready]
        remarks = asked.remarks()
    place.drop(name)
    hands = ("by hand, LEFT JOIN ... IS NULL", "by hand, NOT EXISTS")
    best = max(ratio(seconds, "trueup scan", hand) for hand in hands)
    yield Answer(
        "orphans",
        place.engine,
        place.version,
        f"{len(events.lost):,} orphans among {events.rows:,} events of 200,000 users: all and only they found",
        (*lines(seconds, {"x join": hands[0], "x exists": hands[1], "x trueup": "trueup scan"}), *others),
        place.rounds,
        (verdict("orphans: scan against the better statement by hand", best, 1.1), *remarks),
    )
