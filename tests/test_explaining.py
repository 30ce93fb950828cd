"""`explain` finds the pattern that was planted, and claims none where there is none."""

import json
import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.engines import Database
from tests.proof import config_of, run_script
from trueup.checks.missing import Missing
from trueup.checks.orphan import Orphan
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.explain.explainer import Explanation
from trueup.explain.patterns import log_tail
from trueup.reports.documents.explanation import explanation_html, explanation_json
from trueup.results import Scan
from trueup.run import scan
from trueup.verbs.explain import explain

START = datetime(2025, 11, 1)  # noqa: DTZ001 - as an application without zones stores it
TYPES = ("content_viewed", "quiz_started", "quiz_completed", "quiz_answer_submitted", "lesson_clicked")
CHECK = WrongJsonType(table="events", column="metadata", expected=("object",), name="metadata", group_by="event_type")
TABLE = (
    "CREATE TABLE events (id INTEGER PRIMARY KEY, user_id INTEGER, event_type VARCHAR(50), happened {TIMESTAMP}, "
    "source VARCHAR(20), metadata {JSON})"
)

Event = tuple[int, int, str, datetime, str, bool]


def events(seed: int, *, planted: bool, rows: int = 4000) -> tuple[list[Event], dict[str, object]]:
    """Rows of ten days; planted: nearly all of one user's events of one type in one hour, and a few elsewhere."""
    chance = random.Random(seed)
    user, kind, hour = chance.randrange(30), chance.choice(TYPES), chance.randrange(240)
    made: list[Event] = []
    for number in range(1, rows + 1):
        at = START + timedelta(seconds=chance.randrange(864000))
        who, what = chance.randrange(30), chance.choice(TYPES)
        # a crowd in that hour, of that user and of that type, so that no term alone tells all
        if chance.random() < 0.06:
            at = START + timedelta(hours=hour, seconds=chance.randrange(1200))
            who, what = (user if chance.random() < 0.7 else who), (kind if chance.random() < 0.7 else what)
        inside = who == user and what == kind and at.replace(minute=0, second=0) == START + timedelta(hours=hour)
        bad = chance.random() < ((0.95 if inside else 0.002) if planted else 0.03)
        made.append((number, who, what, at, chance.choice(("web", "app", "import")), bad))
    terms = {
        "user_id": str(user),
        "event_type": kind,
        "hour of happened": f"{START + timedelta(hours=hour):%Y-%m-%d %H}",
    }
    return made, dict(terms)


def fill(database: Database, made: list[Event]) -> None:
    run_script(database, [TABLE, *inserts(made)])


def inserts(made: list[Event]) -> Iterator[str]:
    for start in range(0, len(made), 500):
        values = ", ".join(
            f"({number}, {who}, '{what}', '{at:%Y-%m-%d %H:%M:%S}', '{source}', '{42 if bad else '{}'}')"
            for number, who, what, at, source, bad in made[start : start + 500]
        )
        yield f"INSERT INTO events VALUES {values}"


def told(found: Explanation) -> dict[str, object]:
    assert found.pattern is not None, found.sentences
    return {term.name: term.value for term in found.pattern.terms}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("seed", range(20))
def test_the_planted_pattern_is_found(database: Database, seed: int) -> None:
    made, terms = events(seed, planted=True)
    fill(database, made)
    found = explain(config_of(database, CHECK), "metadata")
    assert told(found) == terms
    assert found.broken == sum(event[-1] for event in made)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("seed", range(20))
def test_no_pattern_is_claimed_where_damage_is_random(database: Database, seed: int) -> None:
    made, _ = events(seed, planted=False)
    fill(database, made)
    found = explain(config_of(database, CHECK), "metadata")
    assert found.pattern is None
    assert found.sentences[0] == (
        f"no column or moment tells the {found.broken} broken rows from the others: they are spread evenly"
    )


def test_every_engine_finds_it_and_says_it_in_a_sentence(database: Database) -> None:
    made, terms = events(100, planted=True, rows=2000)
    fill(database, made)
    found = explain(config_of(database, CHECK), "metadata")
    assert told(found) == terms
    inside = [e for e in made if (str(e[1]), e[2], f"{e[3]:%Y-%m-%d %H}") == tuple(terms.values())]
    bad = [event for event in inside if event[-1]]
    pattern = found.pattern
    assert pattern is not None
    assert (pattern.rows, pattern.broken) == (len(inside), len(bad))
    low, high = min(event[3] for event in bad), max(event[3] for event in bad)
    assert f"fall between {low:%Y-%m-%d %H:%M} and {high:%H:%M}" in found.sentences[0]
    assert f"have event_type = '{terms['event_type']}'" in found.sentences[0]
    assert found.types == (("integer", found.broken),)
    all_bad = sorted(event[3] for event in made if event[-1])
    assert (found.first[1], found.last[1]) == (f"{all_bad[0]:%Y-%m-%d %H:%M}", f"{all_bad[-1]:%Y-%m-%d %H:%M}")
    days = next(one for one in found.breakdowns if one.by == "day of happened")
    assert sum(one.broken for one in days.slices) == found.broken
    assert [one.value for one in days.slices] == sorted(one.value for one in days.slices)


def test_a_check_against_other_rows_is_explained_too(database: Database) -> None:
    rows = ", ".join(
        f"({n}, {n % 7 + (900 if n % 4 == 0 else 0)}, '{'import' if n % 4 == 0 else 'web'}')" for n in range(1, 201)
    )
    run_script(
        database,
        [
            "CREATE TABLE users (id INTEGER PRIMARY KEY)",
            "INSERT INTO users VALUES (0), (1), (2), (3), (4), (5), (6)",
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER, source VARCHAR(20))",
            f"INSERT INTO orders VALUES {rows}",
        ],
    )
    check = Orphan(table="orders", column="user_id", references="users.id", name="orders")
    found = explain(config_of(database, check), "orders")
    assert (found.rows, found.broken) == (200, 50)
    assert told(found) == {"source": "import"}
    assert found.sentences[0] == (
        "50 of 50 have source = 'import', where 100.0 % of 50 rows are broken; elsewhere the rate is 0 %"
    )


def test_a_healthy_table_needs_no_explanation(database: Database) -> None:
    run_script(database, [TABLE, "INSERT INTO events VALUES (1, 1, 'x', '2025-11-03 03:00:00', 'web', '{}')"])
    found = explain(config_of(database, CHECK), "metadata")
    assert (found.rows, found.broken, found.pattern, found.breakdowns) == (1, 0, None, ())


BROKEN, MANY = "CASE WHEN i % 2 = 0 THEN 'x' END", "FROM generate_series(1, 400) i"
SEEN = "CASE i % 4 WHEN 0 THEN '2024-01-01'::{} WHEN 2 THEN NULL ELSE '{}' END"
#: What PostgreSQL holds and Python has no value for.
BEYOND = {
    "tstzrange": "tstzrange('2024-01-01', 'infinity')",
    "daterange": "daterange('2024-01-01', 'infinity')",
    "date[]": "ARRAY['infinity'::date, '0044-03-15 BC']",
    "timestamptz[]": "ARRAY['20000-01-01'::timestamptz]",
    "interval": "'-178000000 years'::interval",
    "timestamptz": "'20000-01-01'",
    "time": "'24:00'",
    "timetz": "'24:00-15:59'",
}


@pytest.mark.parametrize("engine", ["postgresql", "postgresql18"], indirect=True)
@pytest.mark.parametrize("kind", BEYOND)
def test_what_the_driver_has_no_value_for_is_grouped_as_text(database: Database, kind: str) -> None:
    run_script(
        database,
        [
            f"CREATE TABLE t (id int PRIMARY KEY, name text, v {kind})",
            f"INSERT INTO t SELECT i, {BROKEN}, CASE WHEN i % 2 = 1 THEN {BEYOND[kind]}::{kind} END {MANY}",
        ],
    )
    found = explain(config_of(database, Missing(table="t", column="name", name="n", fill="z", repair=("fill",))), "n")
    assert found.pattern is not None
    assert (found.pattern.broken, found.pattern.rows) == (200, 200)


@pytest.mark.parametrize("engine", ["postgresql", "postgresql18"], indirect=True)
@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "date"])
@pytest.mark.parametrize("value", ["infinity", "-infinity"])
def test_a_moment_that_is_infinite_is_told_by_its_name(database: Database, kind: str, value: str) -> None:
    run_script(
        database,
        [
            f"CREATE TABLE t (id int PRIMARY KEY, name text, seen {kind})",
            f"INSERT INTO t SELECT i, {BROKEN}, {SEEN.format(kind, value)} {MANY}",
        ],
    )
    found = explain(config_of(database, Missing(table="t", column="name", name="n", fill="z", repair=("fill",))), "n")
    assert found.sentences[0].startswith(f"200 of 200 have seen = '{value}', where 100.0 % of 200 rows are broken")
    assert found.first == ("1", value)
    days = next(one for one in found.breakdowns if one.by == "day of seen")
    assert {one.value for one in days.slices} == {"NULL", "2024-01-01", value}
    explanation_html(found)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_text_with_many_values_is_shown_by_its_length(database: Database) -> None:
    rows = ", ".join(f"({n}, {n}, 'person{n}@example.org', NULL, 'web', '42')" for n in range(1, 101))
    run_script(database, [TABLE.replace("VARCHAR(50)", "VARCHAR(100)"), f"INSERT INTO events VALUES {rows}"])
    check = WrongJsonType(table="events", column="metadata", expected=("object",), name="metadata")
    config = config_of(database, check)
    assert "@example.org" not in explanation_json(explain(config, "metadata"))
    assert "@example.org" in explanation_json(explain(config, "metadata", values=True))


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_page_is_one_file_without_script_or_address(database: Database) -> None:
    made, _ = events(3, planted=True, rows=1000)
    fill(database, [(*event[:2], "<script>alert(1)</script>", *event[3:]) for event in made])
    page = explanation_html(explain(config_of(database, CHECK), "metadata"))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<rect") > 10


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_document_agrees_with_the_scan(database: Database) -> None:
    made, _ = events(4, planted=True, rows=1000)
    fill(database, made)
    config = config_of(database, CHECK)
    document = json.loads(explanation_json(explain(config, "metadata")))
    seen: Scan = scan(config)
    assert document["broken"] == seen.findings
    by_type = next(one for one in document["breakdowns"] if one["by"] == "event_type")
    assert {one["value"]: one["broken"] for one in by_type["slices"]} == {
        group.group: group.count for group in seen.results[0].groups
    }


@pytest.mark.parametrize(("rows", "broken", "drawn", "seen"), [(50, 10, 8, 6), (200, 20, 30, 12), (1000, 30, 40, 9)])
def test_the_chance_of_a_pattern_is_bounded_from_above_and_closely(
    rows: int, broken: int, drawn: int, seen: int
) -> None:
    def ways(k: int) -> int:
        return math.comb(broken, k) * math.comb(rows - broken, drawn - k)

    exact = math.log(sum(ways(k) for k in range(seen, min(broken, drawn) + 1)) / math.comb(rows, drawn))
    assert exact <= log_tail(rows, broken, drawn, seen) + 1e-9 < exact + 0.2
