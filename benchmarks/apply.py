"""Repairs written: trueup with journal, comparison and verification against a plain chunked UPDATE by ids.

The same repairs on both sides: strings that hold an object are decoded, other values are put into an object, JSON null
becomes NULL. The plan, and the ids of the rows by hand, are made before and not timed. By hand: one UPDATE by ids and
one COMMIT a chunk. trueup is measured twice: without its rests (`dialect.nice = 0`, nothing else differs) for the
comparison, and as shipped, where it leaves most of the time to the application. Production's durability on the servers.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import trueup
from benchmarks._data import Events
from benchmarks._measure import Answer, alternate, lines, ratio, verdict
from benchmarks._place import Place
from trueup import discovery
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.store import Dialect

CHECK = WrongJsonType(table="events", column="metadata", expected=("object",), repair=("decode", "wrap", "nullify"))
DECODED = {
    "sqlite": "json_extract(metadata, '$')",
    "postgresql": "(metadata #>> '{}')::jsonb",
    "mysql": "CAST(json_unquote(metadata) AS json)",
    "mariadb": "json_unquote(metadata)",
}
WRAPPED = {
    "sqlite": "'{\"raw_value\": ' || metadata || '}'",
    "postgresql": "jsonb_build_object('raw_value', metadata)",
    "mysql": "json_object('raw_value', metadata)",
    "mariadb": "concat('{\"raw_value\": ', metadata, '}')",
}
BROKEN = {
    "sqlite": "metadata NOT GLOB '{*'",
    "postgresql": "jsonb_typeof(metadata) <> 'object'",
    "mysql": "json_type(metadata) <> _utf8mb4'OBJECT' COLLATE utf8mb4_bin",
    "mariadb": "metadata NOT LIKE '{%'",
}


class Bed:
    """A table with broken rows, and a copy of them to put back."""

    def __init__(self, place: Place, events: Events) -> None:
        self.place, self.events, self.name = place, events, events.name
        self.folder = Path(tempfile.mkdtemp(dir=place.folder))
        self.config = place.config(self.name, CHECK)
        self.dialect = type(discovery.load("dialects", place.engine, Dialect)())
        self.nice = self.dialect.nice
        place.do(
            self.name,
            "CREATE TABLE kept AS SELECT id, metadata FROM events WHERE " + BROKEN[place.engine],
            "CREATE UNIQUE INDEX kept_id ON kept (id)",
        )
        self.ids: dict[str, list[int]] = {"decode": [], "wrap": [], "nullify": []}
        for number, kind in sorted(events.planted.items()):
            self.ids[{"encoded twice": "decode", "JSON null": "nullify"}.get(kind, "wrap")].append(number)
        self.plans = 0
        self.path = ""

    def plan(self) -> None:
        """A fresh plan: one is used once."""
        self.plans += 1
        self.path = str(self.folder / f"{self.plans}.jsonl")
        summary = trueup.make_plan(self.config, self.path, because="benchmark").summary
        assert summary.count == len(self.events.planted), summary

    def apply(self, *, rests: bool) -> None:
        """The verb, from opening the plan to the settled run."""
        self.dialect.nice = self.nice if rests else 0.0
        report = trueup.apply(self.config, self.path, confirm="yes", because="benchmark")
        assert report.states == {"applied": len(self.events.planted)}, (report.states, report.reason)

    def undo(self, *, rests: bool) -> None:
        """Take the newest run back."""
        self.dialect.nice = self.nice if rests else 0.0
        report = trueup.undo(self.config, "last", confirm="yes")
        assert report.states == {"undone": len(self.events.planted)}, (report.states, report.reason)

    def by_hand(self, chunk: int) -> None:
        """Three kinds of UPDATE, `chunk` ids and one COMMIT each."""
        new = {"decode": DECODED[self.place.engine], "wrap": WRAPPED[self.place.engine], "nullify": "NULL"}
        with closing(self.place.connect(self.name)) as connection:
            if self.place.engine == "sqlite":
                connection.execute("PRAGMA synchronous = EXTRA")
            cursor = connection.cursor()
            for repair, ids in self.ids.items():
                for start in range(0, len(ids), chunk):
                    some = ", ".join(map(str, ids[start : start + chunk]))
                    cursor.execute(f"UPDATE events SET metadata = {new[repair]} WHERE id IN ({some})")
                    assert cursor.rowcount == len(ids[start : start + chunk])

    def put_back(self) -> None:
        """The broken values as they were, and no leavings of the last contestant."""
        self.place.do(
            self.name,
            "UPDATE events SET metadata = (SELECT metadata FROM kept WHERE kept.id = events.id) "
            "WHERE id IN (SELECT id FROM kept)",
        )
        self.tidy()

    def tidy(self) -> None:
        """Dead rows away, pages to the disk: each contestant finds the table alike."""
        if self.place.engine == "postgresql":
            self.place.do(self.name, "VACUUM events", "CHECKPOINT")


def measure(place: Place) -> Iterator[Answer]:
    counts: Sequence[int] = [200] if place.quick else [2_000, 100_000]
    for count in counts:
        yield compare(place, count)


def compare(place: Place, count: int) -> Answer:
    """One number of repairs."""
    events = place.events(max(place.rows, count * 4), count)
    bed = Bed(place, events)
    rounds = place.rounds if count < 10_000 else min(3, place.rounds)
    work: dict[str, Any] = {
        "by hand, chunks of 500": lambda: bed.by_hand(500),
        "by hand, chunks of 1000": lambda: bed.by_hand(1000),
        "trueup apply, no rests": lambda: bed.apply(rests=False),
        "trueup undo, no rests": lambda: bed.undo(rests=False),
    }

    def prepare(name: str) -> None:
        if name.startswith("by hand"):
            bed.put_back()
        elif "apply" in name:
            bed.put_back()
            bed.plan()
        else:
            bed.tidy()

    began = time.perf_counter()
    seconds = alternate(work, rounds, prepare=prepare, warm=count < 10_000)
    bed.put_back()
    bed.plan()
    shipped: dict[str, list[float]] = {}
    for name, verb in (("trueup apply, as shipped", bed.apply), ("trueup undo, as shipped", bed.undo)):
        began = time.perf_counter()
        verb(rests=True)
        shipped[name] = [time.perf_counter() - began]
    bed.dialect.nice = bed.nice
    left = place.ask(events.name, "SELECT count(*) FROM events WHERE " + BROKEN[place.engine])[0][0]
    assert left == count, f"undo left {left} broken rows of {count}"
    place.drop(events.name)
    references = {"x 500": "by hand, chunks of 500", "x 1000": "by hand, chunks of 1000"}
    notes = {"trueup undo, no rests": "by hand there is no undo"}
    return Answer(
        "apply",
        place.engine,
        place.version,
        f"{count:,} repairs in a table of {events.rows:,} rows, journaled and verified",
        (*lines(seconds, references, notes), *lines(shipped, {}, dict.fromkeys(shipped, "one round, rests included"))),
        rounds,
        (
            verdict(
                "apply against plain chunked UPDATE (chunks of 500)",
                ratio(seconds, "trueup apply, no rests", "by hand, chunks of 500"),
                2.5,
            ),
        ),
        {"count": count},
    )
