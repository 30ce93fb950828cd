"""One JSON column checked for objects: trueup against the best statement by hand, and against fetching everything.

All return the keys and kinds of the broken rows, except the floor, which only counts by a cheap predicate, and the
usual `GROUP BY` of types, which returns no keys. Trusting the first byte means that what begins as an object is taken
for one: right for MariaDB's and PostgreSQL's JSON columns, wrong for SQLite's text. trueup reads each broken row a
second time and brings groups, evidence and the default repair along.

Other tools: Great Expectations and Soda Core are given the condition of the best statement, for neither knows JSON in a
database; they return counts and some sample rows. Those that check data frames read the table first, which is counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import orjson
import pymysql

import trueup
from benchmarks._measure import Answer, Contestant, alternate, lines, ratio, verdict
from benchmarks._peers import peers
from benchmarks._place import Place
from trueup.checks.wrong_json_type import WrongJsonType

HEADING = "JSON types"
#: The ratio that the page shows, and what it is.
RATIO = ("x trueup", "times trueup's time")
CHECK = WrongJsonType(
    table="events",
    column="metadata",
    expected=("object",),
    group_by="event_type",
    critical={"high": ("quiz_start", "quiz_end"), "low": ("view",)},
    context=("created", "user_id"),
)

FLOOR = "SELECT count(*) FROM events WHERE amount <> -7"

BEST = {
    "sqlite": (
        "SELECT id, CASE WHEN json_valid(metadata) THEN json_type(metadata) ELSE 'invalid' END FROM events "
        "WHERE metadata NOT GLOB '{*' OR (json_valid(metadata) = 0 AND metadata IS NOT NULL)"
    ),
    "postgresql": "SELECT id, jsonb_typeof(metadata) FROM events WHERE jsonb_typeof(metadata) <> 'object'",
    "mysql": (
        "SELECT id, json_type(metadata) FROM events WHERE json_type(metadata) <> _utf8mb4'OBJECT' COLLATE utf8mb4_bin"
    ),
    "mariadb": (
        "SELECT id, json_type(metadata) FROM events WHERE metadata NOT LIKE '{%' AND json_type(metadata) <> 'OBJECT'"
    ),
}
TRUSTING = {"sqlite": "SELECT id, json_type(metadata) FROM events WHERE metadata NOT GLOB '{*'"}
USUAL = {
    "sqlite": "SELECT json_type(metadata), count(*) FROM events GROUP BY 1",
    "postgresql": "SELECT jsonb_typeof(metadata), count(*) FROM events GROUP BY 1",
    "mysql": "SELECT json_type(metadata), count(*) FROM events GROUP BY 1",
}
USUAL["mariadb"] = USUAL["mysql"]


#: Given the condition by hand, or the value of every row.
BY_CONDITION, BY_VALUE = ("gx", "soda"), ("django_orm",)
IN_MEMORY = ("pandera_pandas", "pointblank_pandas", "gx_pandas")
IN_MEMORY_ROWS = 20_000


def condition(engine: str) -> str:
    """What the best statement asks of a row."""
    return BEST[engine].partition(" WHERE ")[2]


def fetched(place: Place, name: str, loads: Callable[[str], Any] = json.loads) -> int:
    """Every value to Python, `loads` of each: what a script does. Returns the number of broken rows."""
    broken = 0
    with closing(place.connect(name)) as connection:
        if place.engine == "postgresql":
            connection.autocommit = False
            cursor = connection.cursor(name="all")
            cursor.itersize = 10_000
            # as text: psycopg's own decoding of jsonb is slower than json.loads
            rows = cursor.execute("SELECT id, metadata::text FROM events")
        else:
            cursor = connection.cursor(pymysql.cursors.SSCursor) if place.server else connection.cursor()
            cursor.execute("SELECT id, metadata FROM events")
            rows = cursor
        for _, text in rows:
            if text is not None and not isinstance(loads(text), dict):
                broken += 1
    return broken


def found(place: Place, name: str) -> int:
    """trueup's scan, the whole verb."""
    (result,) = trueup.scan(place.config(name, CHECK)).results
    if result.status == "not checked":
        raise RuntimeError(result.reason)
    return result.findings


def measure(place: Place) -> Iterator[Answer]:
    yield in_database(place)
    yield in_memory(place)


def in_database(place: Place) -> Answer:
    """The whole table."""
    events = place.events(place.rows, place.rows // 1000)
    name, expected = events.name, set(events.planted)

    keys: list[int] = []
    trueup.scan(place.config(name, CHECK), sink=lambda finding: keys.append(int(finding.where.key[0])))  # type: ignore[union-attr]  # of a row
    assert sorted(keys) == sorted(expected), "trueup found other rows than were planted"

    def by_hand(sql: str) -> Contestant:
        def work() -> None:
            assert {row[0] for row in place.ask(name, sql)} == expected, sql

        return work

    def fetch(loads: Callable[[str], Any]) -> Contestant:
        def work() -> None:
            assert fetched(place, name, loads) == len(expected)

        return work

    def scan() -> None:
        count = found(place, name)
        assert count == len(expected), f"{count} found, {len(expected)} planted"

    contestants: dict[str, Contestant] = {
        "floor: count(*) by a cheap predicate": lambda: place.ask(name, FLOOR),
        "by hand, best": by_hand(BEST[place.engine]),
        "trueup scan": scan,
        "by hand, usual GROUP BY type": lambda: place.ask(name, USUAL[place.engine]),
    }
    if place.engine in TRUSTING:
        contestants["by hand, trusting the first byte"] = by_hand(TRUSTING[place.engine])
    slow: dict[str, Contestant] = {
        "trueup scan": scan,
        "fetch all, orjson": fetch(orjson.loads),
        "fetch all, json.loads": fetch(json.loads),
    }
    with peers(place, name, (*BY_CONDITION, *BY_VALUE), {"metadata": condition(place.engine)}) as asked:
        given = [peer.name for peer in asked.ready.values() if peer.tool in BY_CONDITION]
        tools = asked.contestants({"metadata": len(expected)})
        seconds = alternate(contestants | {tool: tools[tool] for tool in given}, place.rounds)
        slow |= {tool: work for tool, work in tools.items() if tool not in given}
        few = alternate(slow, 1, warm=False)
        notes, remarks = asked.notes(), asked.remarks()
    references = {"x floor": "floor: count(*) by a cheap predicate", "x best": "by hand, best"}
    result = list(lines(seconds, {**references, "x trueup": "trueup scan"}, notes))
    once = {tool: f"one round; {notes[tool]}" if tool in notes else "one round" for tool in few}
    result += [line for line in lines(few, {"x trueup": "trueup scan"}, once) if line.name != "trueup scan"]
    times = {tool: ratio(some, tool, "trueup scan") for some in (few, seconds) for tool in some}
    reading = set(few) - {"trueup scan"}
    verdicts = [verdict("scan against the best statement by hand", ratio(seconds, "trueup scan", "by hand, best"), 1.1)]
    for what, names in (("given that statement", given), ("that reads the values", reading)):
        if names:
            quickest = min(times[peer] for peer in names)
            verdicts.append(verdict(f"the quickest tool {what}, against scan", quickest, 5, at_least=True))
    return Answer(
        "scan_json",
        place.engine,
        place.version,
        f"One JSON check on {events.rows:,} events, {len(expected):,} broken in six kinds: all and only they found",
        tuple(result),
        place.rounds,
        (*verdicts, *remarks),
    )


def in_memory(place: Place) -> Answer:
    """A small table, for tools that hold it in memory."""
    events = place.events(IN_MEMORY_ROWS, IN_MEMORY_ROWS // 100)
    contestants: dict[str, Contestant] = {"trueup scan": lambda: found(place, events.name)}
    with peers(place, events.name, IN_MEMORY, {}) as asked:
        contestants |= asked.contestants({"metadata": len(events.planted)})
        seconds = alternate(contestants, 1)
        notes, remarks = asked.notes(), asked.remarks()
    place.drop(events.name)
    times = [ratio(seconds, name, "trueup scan") for name in asked.ready]
    return Answer(
        "scan_json",
        place.engine,
        place.version,
        f"The same check on {events.rows:,} events, against tools that read the table into memory",
        lines(seconds, {"x trueup": "trueup scan"}, notes),
        1,
        (
            *(
                [
                    verdict(
                        f"the quickest data-frame tool against scan, {events.rows:,} rows", min(times), 5, at_least=True
                    )
                ]
                if times
                else []
            ),
            *remarks,
        ),
    )
