"""Ten row checks on one table: fused by trueup, one after another, and by hand in ten statements and in one.

By hand, fused: one statement that returns the key and a mask of every broken row, JSON read as seldom as the engine
allows, cheap tests first. The ten statements by hand return the keys of one check each, by the quickest exact test.
Other tools use the checks they have for missing values and ranges, and are given the conditions of the rest by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import trueup
from benchmarks._data import DEFECTS
from benchmarks._measure import Answer, alternate, lines, ratio, verdict
from benchmarks._peers import peers
from benchmarks._place import Place
from trueup.check import Check
from trueup.checks.missing import Missing
from trueup.checks.out_of_range import OutOfRange
from trueup.checks.wrong_json_type import WrongJsonType

HEADING = "Ten checks on one table"
#: The ratio that the page shows, and what it is.
RATIO = ("x trueup", "times trueup's time")
CHECKS: dict[str, Check] = {
    "user_id": Missing(table="events", column="user_id"),
    "created": Missing(table="events", column="created"),
    "event_type": Missing(table="events", column="event_type", blank=True),
    "amount": OutOfRange(table="events", column="amount", minimum="0", maximum="1000000"),
    "score": OutOfRange(table="events", column="score", minimum="0", maximum="1"),
    "duration": OutOfRange(table="events", column="duration", minimum="0", maximum="86400"),
    "metadata": WrongJsonType(table="events", column="metadata", expected=("object",)),
    "quiz_id": WrongJsonType(table="events", column="metadata.quiz_id", expected=("integer",)),
    "user.name": WrongJsonType(table="events", column="metadata.user.name", expected=("string",)),
    "time_spent_ms": WrongJsonType(table="events", column="metadata.time_spent_ms", expected=("number", "null")),
}

_PLAIN = {
    "user_id": "user_id IS NULL",
    "created": "created IS NULL",
    "event_type": "event_type IS NULL OR trim(event_type) = ''",
    "amount": "amount < 0 OR amount > 1000000",
    "score": "score < 0 OR score > 1",
    "duration": "duration < 0 OR duration > 86400",
}
#: Of each engine the tests of the JSON; the first is for any value, the others for what is an object.
JSON = {
    "sqlite": {
        "metadata": "metadata NOT GLOB '{*' OR (json_valid(metadata) = 0 AND metadata IS NOT NULL)",
        "quiz_id": "json_type(metadata, '$.quiz_id') <> 'integer'",
        "user.name": "json_type(metadata, '$.user.name') <> 'text'",
        "time_spent_ms": "json_type(metadata, '$.time_spent_ms') NOT IN ('integer', 'real', 'null')",
    },
    "postgresql": {
        "metadata": "jsonb_typeof(metadata) <> 'object'",
        "quiz_id": "jsonb_typeof(metadata -> 'quiz_id') <> 'number' OR metadata ->> 'quiz_id' ~ '[.eE]'",
        "user.name": "jsonb_typeof(metadata -> 'user' -> 'name') <> 'string'",
        "time_spent_ms": "jsonb_typeof(metadata -> 'time_spent_ms') NOT IN ('number', 'null')",
    },
    "mysql": {
        "metadata": "json_type(metadata) <> _utf8mb4'OBJECT' COLLATE utf8mb4_bin",
        "quiz_id": "json_type(metadata -> '$.quiz_id') <> 'INTEGER'",
        "user.name": "json_type(metadata -> '$.user.name') <> 'STRING'",
        "time_spent_ms": "json_type(metadata -> '$.time_spent_ms') NOT IN ('INTEGER', 'DOUBLE', 'DECIMAL', 'NULL')",
    },
    "mariadb": {
        "metadata": "metadata NOT LIKE '{%' AND json_type(metadata) <> 'OBJECT'",
        "quiz_id": "json_type(json_extract(metadata, '$.quiz_id')) <> 'INTEGER'",
        "user.name": "json_type(json_extract(metadata, '$.user.name')) <> 'STRING'",
        "time_spent_ms": "json_type(json_extract(metadata, '$.time_spent_ms')) NOT IN ('INTEGER', 'DOUBLE', 'NULL')",
    },
}
_GUARD = {
    # json_type() of a path raises where the text is no JSON
    "sqlite": "CASE WHEN json_valid(metadata) THEN {} ELSE 0 END",
    "postgresql": "{}",
    "mysql": "{}",
    "mariadb": "{}",
}


def tests(engine: str) -> dict[str, str]:
    """The condition of each check, for a statement of its own."""
    first, *rest = JSON[engine].items()
    return {**_PLAIN, first[0]: first[1], **{name: _GUARD[engine].format(test) for name, test in rest}}


def fused(engine: str) -> str:
    """Key and mask of every broken row, in one statement."""
    names = list(CHECKS)
    plain = [f"CASE WHEN {test} THEN {1 << names.index(name)} ELSE 0 END" for name, test in _PLAIN.items()]
    inner = [f"CASE WHEN {test} THEN {1 << names.index(name)} ELSE 0 END" for name, test in JSON[engine].items()]
    if engine == "sqlite":
        # one json_valid() for all; json_type() of several paths parses a text once
        whole = "json_valid(metadata) AND metadata GLOB '{*'"
        json = f"CASE WHEN metadata IS NULL THEN 0 WHEN {whole} THEN {' + '.join(inner[1:])} ELSE 64 END"
    else:
        json = " + ".join(inner)
    mask = " + ".join([*plain, json])
    if engine in ("mysql", "mariadb"):
        return f"SELECT id, {mask} AS mask FROM events HAVING mask <> 0"
    # without a barrier the mask would be computed once to filter and once to return it
    barrier = {"sqlite": "LIMIT -1", "postgresql": "OFFSET 0"}[engine]
    return f"SELECT id, mask FROM (SELECT id, {mask} AS mask FROM events {barrier}) AS m WHERE mask <> 0"


def measure(place: Place) -> Iterator[Answer]:
    events = place.events(place.rows, place.rows // 1000)
    name = events.name
    expected = Counter(events.defects.values())
    expected["metadata"] = len(events.planted)
    total = sum(expected.values())
    assert set(CHECKS) == {*DEFECTS, "metadata"}

    def counted(results: dict[str, int]) -> None:
        assert results == dict(expected), {key: (results.get(key), expected[key]) for key in expected}

    def together() -> None:
        results = trueup.scan(place.config(name, *CHECKS.values())).results
        assert all(result.status == "findings" for result in results), [result.reason for result in results]
        counted({key: result.findings for key, result in zip(CHECKS, results, strict=True)})

    def apart() -> None:
        counted({key: trueup.scan(place.config(name, check)).findings for key, check in CHECKS.items()})

    def ten() -> None:
        sql = {key: f"SELECT id FROM events WHERE {test}" for key, test in tests(place.engine).items()}
        counted({key: len(place.ask(name, statement)) for key, statement in sql.items()})

    def one() -> None:
        found: Counter[str] = Counter()
        for _, mask in place.ask(name, fused(place.engine)):
            found.update(key for bit, key in enumerate(CHECKS) if int(mask) >> bit & 1)
        counted(dict(found))

    hand, ours = "by hand, one fused statement", "trueup, ten checks in one scan"
    seconds = alternate({hand: one, ours: together, "by hand, ten statements": ten}, place.rounds)
    with peers(place, name, ("gx", "soda"), tests(place.engine)) as asked:
        slow = {ours: together, "trueup, ten scans": apart, **asked.contestants(expected)}
        few = alternate(slow, min(2, place.rounds), warm=False)
        alone = [line for line in lines(few, {"x trueup": ours}, asked.notes()) if line.name != ours]
        remarks = asked.remarks()
    aims = [
        verdict("ten checks against the statement fused by hand", ratio(seconds, ours, hand), 1.15),
        verdict("ten statements against ten checks", ratio(seconds, "by hand, ten statements", ours), 2, at_least=True),
    ]
    if asked.ready:
        quickest = min(ratio(few, peer, ours) for peer in asked.ready)
        aims.append(verdict("the quickest other tool against ten checks", quickest, 5, at_least=True))
    yield Answer(
        "ten_checks",
        place.engine,
        place.version,
        f"Ten checks on {events.rows:,} events, {total:,} findings: each check found what was planted",
        (
            *lines(seconds, {"x fused by hand": hand, "x ten by hand": "by hand, ten statements", "x trueup": ours}),
            *alone,
        ),
        place.rounds,
        (*aims, *remarks),
    )
