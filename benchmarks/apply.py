"""Repairs written and taken back: trueup with journal, comparison and verification against what one does by hand.

The same repairs on all sides: strings that hold an object are decoded, other values are put into an object, JSON null
becomes NULL. The plan, and the ids of the rows for the chunked UPDATE, are made before and not timed; one UPDATE by the
condition, and the walk along the key in pt-archiver's way (copy aside, then write), find their rows themselves. trueup
is measured twice: without its rests (`dialect.nice = 0`, nothing else differs) for the comparison, and as shipped,
where it leaves most of the time to the application. By hand undo is bringing the table back from a dump, which also
takes back what the application wrote since. Production's durability on the servers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks._bed import BROKEN, Bed
from benchmarks._dump import Dump
from benchmarks._measure import Answer, alternate, lines, ratio, verdict
from benchmarks._place import Place

HAND, APPLY, UNDO = "by hand, chunks of 500", "trueup apply, no rests", "trueup undo, no rests"


HEADING = "Repairs, and taking them back"
#: The ratio that the page shows, and what it is.
RATIO = ("x 500", "times the chunked UPDATE's time")
#: Before an aim in the table of aims.
AIM_OF = "{count:,} repairs: "


def measure(place: Place) -> Iterator[Answer]:
    counts: Sequence[int] = [200] if place.quick else [2_000, 100_000]
    if place.rows >= 4_000_000:
        counts = [1_000_000]
    for count in counts:
        yield compare(place, count)


def compare(place: Place, count: int) -> Answer:
    """One number of repairs."""
    events = place.events(max(place.rows, count * 4), count)
    bed = Bed(place, events)
    dump = Dump(place, events.name, "events")
    rounds = place.rounds if count < 10_000 else max(1, place.rounds // 2) if count < 1_000_000 else 1
    work: dict[str, Callable[[], None]] = {
        HAND: lambda: bed.by_hand(500),
        "by hand, chunks of 1000": lambda: bed.by_hand(1000),
        "by hand, one UPDATE": bed.one_update,
        "by hand, copied aside, chunks of 500": lambda: bed.archiver(500),
        APPLY: lambda: bed.apply(rests=False),
        UNDO: lambda: bed.undo(rests=False),
    }

    def prepare(name: str) -> None:
        if name == UNDO:
            bed.tidy()
            return
        bed.put_back()
        if name == APPLY:
            bed.plan()

    seconds = alternate(work, rounds, prepare=prepare, warm=count < 10_000)
    bed.put_back()
    bed.plan()
    once: dict[str, list[float]] = {}
    for name, verb in (
        ("trueup apply, as shipped", lambda: bed.apply(rests=True)),
        ("trueup undo, as shipped", lambda: bed.undo(rests=True)),
        ("by hand, the table from a dump", dump.restore),
    ):
        if verb == dump.restore:
            bed.by_hand(500)
        began = time.perf_counter()
        verb()
        once[name] = [time.perf_counter() - began]
        left = place.ask(events.name, "SELECT count(*) FROM events WHERE " + BROKEN[place.engine])[0][0]
        assert left == (0 if "apply" in name else count), f"{name} left {left} broken rows of {count}"
    bed.dialect.nice = bed.nice
    place.drop(events.name)
    notes = dict.fromkeys(once, "one round, rests included")
    notes["by hand, the table from a dump"] = f"one round, {dump.how}, {dump.size / 1e6:,.0f} MB"
    back = once["by hand, the table from a dump"][0] / seconds[UNDO][-1]
    return Answer(
        "apply",
        place.engine,
        place.version,
        f"{count:,} repairs in a table of {events.rows:,} rows, journaled and verified",
        (*lines(seconds, {"x 500": HAND, "x 1000": "by hand, chunks of 1000"}), *lines(once, {}, notes)),
        rounds,
        (
            verdict("apply against plain chunked UPDATE (chunks of 500)", ratio(seconds, APPLY, HAND), 2.0),
            verdict("the table from a dump against undo", back, 1, at_least=True),
        ),
        {"count": count},
    )
