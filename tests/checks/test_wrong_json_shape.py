import json
import sqlite3
from typing import Any

import psycopg
import pymysql
import pytest

from tests.engines import Database
from tests.planted import Case, people
from tests.proof import config_of, prove, run_script
from trueup.checks._json_schema import SUPPORTED
from trueup.checks.wrong_json_shape import WrongJsonShape
from trueup.config.config import Config, build_check, check_options
from trueup.config.json_text import JsonText
from trueup.errors import Refused, UsageError
from trueup.results import PartCount
from trueup.run import scan
from trueup.verbs.guard import guard

#: For tests/test_planted_secrets.py.
PLANTED = Case(
    people("doc JSON", """('{"zorblatt": 1, "age": "7734077"}'), ('{"age": 1}'), ('{"age": "1"}'), ('zorblatt')"""),
    {
        "column": "doc",
        "schema": {
            "type": "object",
            "required": ["age", "name"],
            "additionalProperties": False,
            "properties": {"age": {"type": ["integer", "null"], "enum": [1, 2]}, "name": {"default": "none"}},
        },
    },
    ("fill", "decode"),
)  # fmt: skip

pytestmark = pytest.mark.each_engine

MLM = {
    "type": "object",
    "required": ["isFounder", "hasPioneerBonus", "rank"],
    "properties": {
        "isFounder": {"type": "boolean", "default": False},
        "hasPioneerBonus": {"type": "boolean"},
        "rank": {
            "type": "object",
            "required": ["level"],
            "properties": {
                "level": {"type": "integer", "minimum": 0, "maximum": 9},
                "share": {"type": ["number", "null"], "maximum": 1},
                "name": {"enum": ["bronze", "silver", None]},
            },
        },
    },
}
CHECK = WrongJsonShape(table="users", column="mlmStatus", schema=JsonText.of(MLM))


def document(**changes: Any) -> str:
    """A good document with changes; a value of `...` takes its key out."""
    whole = {"isFounder": True, "hasPioneerBonus": False, "rank": {"level": 3, "share": 0, "name": "silver"}, **changes}
    return json.dumps({key: value for key, value in whole.items() if value is not ...}, ensure_ascii=False)


def users(*documents: str | None) -> list[str]:
    """A table of these documents, the first under key 1."""
    values = ["NULL" if text is None else f"'{text}'" for text in documents]
    rows = ", ".join(f"({n}, {value})" for n, value in enumerate(values, 1))
    return ["CREATE TABLE users (id INTEGER PRIMARY KEY, {Q}mlmStatus{Q} {JSON})", f"INSERT INTO users VALUES {rows}"]


def quoted(database: Database, script: list[str]) -> list[str]:
    quote = "`" if database.engine in ("mysql", "mariadb") else '"'
    return [statement.replace("{Q}", quote) for statement in script]


USERS = users(
    document(),
    None,
    document(rank={"level": 0}),
    document(rank={"level": 1.0, "share": None, "name": None}),
    document(hasPioneerBonus="true"),  # 5
    document(isFounder=...),
    document(isFounder=..., hasPioneerBonus="yes"),
    document(rank={"level": "7", "share": "0.5"}),
    document(rank={"level": "7.5"}),
    document(rank={"level": 10}),  # 10
    document(rank={"level": -1, "share": 1.5}),
    document(rank=...),
    document(rank=[]),
    document(rank={"level": 1, "name": "gold"}),
    document(rank={"level": 1, "share": "half"}),  # 15
    '"text"',
    "[]",
    document(isFounder=..., hasPioneerBonus="false", rank={"level": "2"}, other={"kept": [1, "é"]}),
    document(rank={"level": True, "share": {}}),
)


@pytest.mark.quick_on("sqlite")
def test_what_is_wrong_is_told_key_by_key_and_mended_in_three_ways_as_it_was_meant(database: Database) -> None:
    (column,) = quoted(database, ["{Q}mlmStatus{Q}"])
    proof = prove(
        CHECK,
        database,
        quoted(database, USERS),
        broken=range(5, 20),
        repairs={"fill": [6], "decode": [5, 6, 8, 18], "nullify": [5, 6, 8, 15, 18]},
        mended={
            "decode": {
                (column, 5): json.loads(document(hasPioneerBonus=True)),
                (column, 6): json.loads(document(isFounder=False)),
                (column, 8): json.loads(document(rank={"level": 7, "share": 0.5})),
                (column, 18): json.loads(
                    document(isFounder=False, hasPioneerBonus=False, rank={"level": 2}, other={"kept": [1, "é"]})
                ),
            },
            "nullify": {(column, 15): json.loads(document(rank={"level": 1, "share": None}))},
        },
    )
    assert proof.messages() == {
        "5": "users.mlmStatus.hasPioneerBonus is a string, must be a boolean",
        "6": "users.mlmStatus.isFounder is missing",
        "7": "users.mlmStatus.isFounder is missing; users.mlmStatus.hasPioneerBonus is a string, must be a boolean",
        "8": "users.mlmStatus.rank.level is a string, must be an integer; "
        "users.mlmStatus.rank.share is a string, must be a number or null",
        "9": "users.mlmStatus.rank.level is a string, must be an integer",
        "10": "users.mlmStatus.rank.level is above the maximum 9",
        "11": "users.mlmStatus.rank.level is below the minimum 0; users.mlmStatus.rank.share is above the maximum 1",
        "12": "users.mlmStatus.rank is missing",
        "13": "users.mlmStatus.rank is an array, must be an object",
        "14": 'users.mlmStatus.rank.name is none of "bronze", "silver", null',
        "15": "users.mlmStatus.rank.share is a string, must be a number or null",
        "16": "users.mlmStatus is a string, must be an object",
        "17": "users.mlmStatus is an array, must be an object",
        "18": "users.mlmStatus.isFounder is missing; users.mlmStatus.hasPioneerBonus is a string, must be a boolean; "
        "users.mlmStatus.rank.level is a string, must be an integer",
        "19": "users.mlmStatus.rank.level is a boolean, must be an integer; "
        "users.mlmStatus.rank.share is an object, must be a number or null",
    }
    assert proof.masked_messages() == proof.messages()
    assert [(one.repair, one.count) for one in proof.result.repairs] == [
        ("decode", 2), ("nullify", 1), ("", 12),
    ]  # fmt: skip
    assert proof.result.parts == (
        PartCount("mlmStatus.isFounder", "boolean", "", 13, 18),
        PartCount("mlmStatus.hasPioneerBonus", "boolean", "", 13, 18),
        PartCount("mlmStatus.rank", "object", "", 14, 18),
        PartCount("mlmStatus.rank.level", "integer", "", 8, 18),
        PartCount("mlmStatus.rank.share", "number or null", "", 10, 18),
        PartCount("mlmStatus.rank.name", "any", "", 13, 18),
    )


def test_the_evidence_names_places_and_what_is_wrong_there(database: Database) -> None:
    check = WrongJsonShape(
        table="d",
        column="doc",
        by="kind",
        schemas={"a; b": JsonText.of({"properties": {"x=;y": {"type": "string"}, "n": {"minimum": 1}}})},
    )
    script = ["CREATE TABLE d (id INTEGER PRIMARY KEY, kind VARCHAR(20), doc {JSON})"]
    script += ["""INSERT INTO d VALUES (1, 'a; b', '{"x=;y": 1, "n": 0}')"""]
    proof = prove(check, database, script, broken=[1])
    assert proof.findings["1"].evidence["wrong"] == "a%3B%20b: x%3D%3By type=integer; a%3B%20b: n minimum; "
    assert proof.messages() == {"1": "d.doc.x=;y is an integer, must be a string; d.doc.n is below the minimum 1"}
    assert [part.right for part in proof.result.parts] == [0, 0]


def test_text_that_is_no_json_never_meets_a_schema(database: Database) -> None:
    script = ["CREATE TABLE d (id INTEGER PRIMARY KEY, doc TEXT)"]
    script += ["""INSERT INTO d VALUES (1, 'nothing'), (2, '{"a": 1}'), (3, '{"a": 1'), (4, '7'), (5, ''), (6, '{}')"""]
    any_type = WrongJsonShape(table="d", column="doc", schema=JsonText.of({"required": ["a"]}))
    proof = prove(any_type, database, script, broken=[1, 3, 5, 6])
    assert proof.messages()["1"] == "d.doc is text that is not JSON, must be JSON"
    assert [(part.right, part.rows) for part in proof.result.parts] == [(1, 2)]
    an_object = WrongJsonShape(table="d", column="doc", schema=JsonText.of({"type": "object", "required": ["a"]}))
    told = scan(config_of(database, an_object)).results[0]
    assert told.findings == 5
    assert [(part.right, part.rows) for part in told.parts] == [(1, 6)]


def test_documents_that_meet_their_schema_are_left_alone(database: Database) -> None:
    script = quoted(database, users(document(), None, document(extra=[1]), document(rank={"level": 9})))
    proof = prove(CHECK, database, script, broken=[])
    assert {part.right for part in proof.result.parts} == {3}
    assert {part.rows for part in proof.result.parts} == {3}


EVENTS = [
    "CREATE TABLE events (id INTEGER PRIMARY KEY, event_type VARCHAR(40), metadata {JSON})",
    """INSERT INTO events (id, event_type, metadata) VALUES
       (1, 'quiz_started', '{"quiz_id": 1}'), (2, 'quiz_started', '{"quiz_id": "one"}'), (3, 'seen', '{"page": "/"}'),
       (4, 'seen', '{"quiz_id": 1}'), (5, 'else', '{}'), (6, NULL, '[]'), (7, 'quiz_started', NULL),
       (8, 'Seen', '{}'), (9, 'seen', '{"page": 1}')""",
]
BY = {
    "quiz_started": JsonText.of(
        {"type": "object", "required": ["quiz_id"], "properties": {"quiz_id": {"type": "integer"}}}
    ),
    "seen": JsonText.of({"type": "object", "required": ["page"], "properties": {"page": {"type": "string"}}}),
}


def test_another_column_may_say_which_schema_is_meant(database: Database) -> None:
    check = WrongJsonShape(table="events", column="metadata", by="event_type", schemas=BY)
    proof = prove(check, database, EVENTS, broken=[2, 4, 9], repairs={"fill": [], "nullify": []})
    assert proof.messages() == {
        "2": "events.metadata.quiz_id is a string, must be an integer",
        "4": "events.metadata.page is missing",
        "9": "events.metadata.page is an integer, must be a string",
    }
    assert proof.result.parts == (
        PartCount("metadata.quiz_id", "integer", "quiz_started", 1, 2),
        PartCount("metadata.page", "string", "seen", 1, 3),
    )
    assert (proof.result.skipped, proof.result.skipped_because) == (3, "their event_type has no schema")


def test_all_other_values_may_have_a_schema_of_their_own(database: Database) -> None:
    schemas = {**BY, "default": JsonText.of({"type": "object"})}
    check = WrongJsonShape(table="events", column="metadata", by="event_type", schemas=schemas)
    proof = prove(check, database, EVENTS, broken=[2, 4, 6, 9])
    assert proof.messages()["6"] == "events.metadata is an array, must be an object"
    assert proof.result.skipped == 0


def test_null_is_broken_where_it_is_forbidden(database: Database) -> None:
    check = WrongJsonShape(table="users", column="mlmStatus", schema=JsonText.of(MLM), null=False)
    proof = prove(check, database, quoted(database, users(document(), None)), broken=[2], repairs={"nullify": []})
    assert proof.messages() == {"2": "users.mlmStatus is NULL, must be an object"}
    assert {(part.right, part.rows) for part in proof.result.parts} == {(1, 2)}


RULES = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "code": {"type": "string", "pattern": "^[A-Z]{2}\\d+$", "minLength": 3, "maxLength": 5},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
        "rate": {"exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "kind": {"const": "a"},
        "list": {"items": {"type": "object", "required": ["x"]}},
    },
}


def test_every_keyword_has_its_words(database: Database) -> None:
    found = {
        '{"code": "AB1", "tags": ["a"], "rate": 0.5, "kind": "a", "list": [{"x": 1}]}': None,
        '{"code": "ab1"}': "d.doc.code does not match the pattern '^[A-Z]{2}\\\\d+$'",
        '{"code": "AB"}': (
            "d.doc.code is shorter than 3 characters; d.doc.code does not match the pattern '^[A-Z]{2}\\\\d+$'"
        ),
        '{"code": "AB1234"}': "d.doc.code is longer than 5 characters",
        '{"tags": ["a", 1]}': "d.doc.tags has an element that is not a string",
        '{"tags": []}': "d.doc.tags has fewer than 1 element",
        '{"tags": ["a", "b", "c"]}': "d.doc.tags has more than 2 elements",
        '{"rate": 0}': "d.doc.rate is not above 0",
        '{"rate": 1}': "d.doc.rate is not below 1",
        '{"kind": "b"}': 'd.doc.kind is not "a"',
        '{"list": [{}]}': "d.doc.list has an element that is not as it must be",
        '{"surplus": 1}': "d.doc has a key that is not 'code' or 'tags' or 'rate' or 'kind' or 'list'",
    }
    rows = ", ".join(f"({n}, '{text}')" for n, text in enumerate(found))
    script = ["CREATE TABLE d (id INTEGER PRIMARY KEY, doc {JSON})", f"INSERT INTO d VALUES {rows}"]
    check = WrongJsonShape(table="d", column="doc", schema=JsonText.of(RULES))
    proof = prove(check, database, script, broken=range(1, len(found)), repairs={"nullify": []})
    assert proof.messages() == {str(n): message for n, message in enumerate(found.values()) if message}


GUARDED = {
    "type": "object",
    "required": ["code"],
    "properties": {
        "code": {"type": "string", "minLength": 2, "enum": ["ab", "a'b"]},
        "rate": {"type": "number", "minimum": 0.5},
        "deep": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}},
    },
}


def guarded(database: Database, check: WrongJsonShape) -> Config:
    script = ["CREATE TABLE d (id INTEGER PRIMARY KEY, kind VARCHAR(20), doc {JSON})"]
    run_script(database, [*script, """INSERT INTO d VALUES (1, 'a', '{"code": "ab"}'), (2, 'b', NULL)"""])
    return config_of(database, check)


def taken(database: Database, document: str) -> bool:
    """Whether the application, on a session of its own, may write a document into row 1."""
    try:
        run_script(database, [f"UPDATE d SET doc = '{document}' WHERE id = 1"])
    except (sqlite3.Error, psycopg.Error, pymysql.Error):
        return False
    return True


@pytest.mark.parametrize("by", [False, True])
def test_a_guard_refuses_what_does_not_meet_the_schema(database: Database, by: bool) -> None:
    schema = JsonText.of(GUARDED)
    options: dict[str, Any] = {"by": "kind", "schemas": {"a": schema}} if by else {"schema": schema}
    check = WrongJsonShape(table="d", column="doc", name="guarded", **options)
    report = guard(guarded(database, check), "guarded", act="apply")
    assert report.trial is not None
    assert report.trial.held, report.trial.said
    good = ['{"code": "a\'\'b", "rate": 0.5}', '{"code": "ab", "deep": {"n": 1}, "more": []}', '{"code": "ab"}']
    bad = ["{}", "7", '{"code": "x"}', '{"code": "ab", "rate": 0.25}', '{"code": "ab", "deep": {}}']
    assert [taken(database, document) for document in good] == [True] * len(good)
    assert [taken(database, document) for document in bad] == [False] * len(bad)


def test_what_no_constraint_can_ask_has_no_guard(database: Database) -> None:
    schema = JsonText.of({"properties": {"tags": {"items": {"type": "string"}}}})
    check = WrongJsonShape(table="d", column="doc", name="guarded", schema=schema)
    with pytest.raises(Refused) as caught:
        guard(guarded(database, check), "guarded", act="apply")
    assert str(caught.value) == "guarded has no guard: no constraint can look at each of the 'items' of an array"


def test_a_pattern_is_guarded_where_the_engine_knows_patterns(database: Database) -> None:
    schema = JsonText.of({"properties": {"code": {"type": "string", "pattern": "^[a-z]+\\s?\\d*$"}}})
    check = WrongJsonShape(table="d", column="doc", name="guarded", schema=schema)
    config = guarded(database, check)
    if database.engine == "sqlite":
        with pytest.raises(Refused, match="no function of its own"):
            guard(config, "guarded", act="apply")
        return
    report = guard(config, "guarded", act="apply")
    assert report.trial is not None
    assert report.trial.held, report.trial.said
    assert [taken(database, f'{{"code": "{code}"}}') for code in ("ab", "ab 12", "AB", "12")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            {"oneOf": []},
            f"wrong-json-shape does not check 'oneOf'; it checks {', '.join(SUPPORTED)}",
        ),
        (
            {"properties": {"a": {"minimun": 1}}},
            "wrong-json-shape does not check 'minimun' at a; did you mean 'minimum'?",
        ),
        ({"type": "strnig"}, "JSON Schema knows no type 'strnig'; did you mean 'string'?"),
        ({"pattern": "(?=a)"}, "the pattern '(?=a)' uses '(?=', which engines read differently"),
        ({"pattern": "(a"}, "the pattern '(a' has a '(' that is never closed"),
        ({"enum": [{}]}, "'enum' may list text, numbers, booleans and null, no object and no array"),
        ({"enum": 3}, "'enum' must be a list of values"),
        ({"minimum": "1"}, "'minimum' must be a number"),
        ({"minLength": -1}, "'minLength' must be a whole number"),
        (
            {"additionalProperties": {}},
            "'additionalProperties' may be true or false; a schema for them is not checked",
        ),
        (
            {"properties": {"a": {"type": "string", "default": 1}}},
            "the 'default' at a does not meet its own schema",
        ),
        ({"required": "a"}, "'required' must be a list of keys"),
        ([], "a schema must be a mapping, as in {type: object}"),
    ],
)
def test_what_is_not_checked_is_refused_in_one_line(schema: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        WrongJsonShape(table="d", column="doc", schema=JsonText.of(schema))
    assert str(caught.value) == message


def test_a_schema_or_schemas_must_be_given() -> None:
    with pytest.raises(ValueError, match=r"^wrong-json-shape needs 'schema', or 'by' and 'schemas'$"):
        WrongJsonShape(table="d", column="doc")
    with pytest.raises(ValueError, match=r"^schema 'a': wrong-json-shape does not check 'x'"):
        WrongJsonShape(table="d", column="doc", by="k", schemas={"a": JsonText.of({"x": 1})})


def test_a_check_reads_back_from_a_plan() -> None:
    schema = JsonText('{"properties": {"a": {"minimum": 0.50, "enum": [1, "x", null, true]}}}')
    check = WrongJsonShape(table="d", column="doc", schema=schema)
    assert build_check(check.kind, check_options(check)) == check
    with pytest.raises(UsageError, match="'schema' must be a mapping"):
        build_check(check.kind, {**check_options(check), "schema": "beside.json"})


def test_a_column_of_numbers_is_refused_in_one_line(database: Database) -> None:
    check = WrongJsonShape(table="d", column="amount", schema=JsonText.of({"type": "object"}))
    run_script(database, ["CREATE TABLE d (id INTEGER PRIMARY KEY, amount INTEGER)"])
    told = scan(config_of(database, check))
    assert (told.exit_code, told.results[0].reason) == (3, "d.amount is a column of numbers, which hold no JSON")


@pytest.mark.quick_on("sqlite")
def test_a_large_schema_fits_into_the_statements_of_every_engine(database: Database) -> None:
    keys = {f"key{n}": {"type": ["integer", "null"], "minimum": 0, "default": n} for n in range(15)}
    deep: dict[str, Any] = {"type": "object", "required": [*keys], "properties": keys}
    for name in ("d", "c", "b", "a"):
        deep = {"type": "object", "required": [name, "on"], "properties": {name: deep, "on": {"type": "boolean"}}}
    check = WrongJsonShape(table="d", column="doc", schema=JsonText.of(deep))
    good: dict[str, Any] = dict.fromkeys(keys, 1)
    some: dict[str, Any] = {"key1": "-1", "key2": "7", "key3": None}
    for name in ("d", "c", "b", "a"):
        good, some = {name: good, "on": True}, {name: some, "on": "true"}
    documents = [good, some, {"a": []}]
    rows = ", ".join(f"({n}, '{json.dumps(one)}')" for n, one in enumerate(documents))
    script = ["CREATE TABLE d (id INTEGER PRIMARY KEY, doc {JSON})", f"INSERT INTO d VALUES {rows}"]
    proof = prove(check, database, script, broken=[1, 2], repairs={"nullify": [1]})
    assert proof.messages()["1"].startswith("d.doc.a.b.c.d.key0 is missing; d.doc.a.b.c.d.key1 is a string, must be an")
    assert proof.messages()["1"].endswith("; and 15 more")


def test_a_key_with_a_dot_or_a_dollar_is_not_taken_for_another_place(database: Database) -> None:
    inner = {"type": "object", "properties": {"b": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"a.b": {"type": "string"}, "a": inner, "$": {"type": "integer"}}}
    script = [
        "CREATE TABLE users (id INTEGER PRIMARY KEY, settings {JSON})",
        """INSERT INTO users VALUES (1, '{"a.b": 1, "a": {"b": 1}}'), (2, '{"a.b": "x", "a": {"b": "x"}}'),
           (3, '{"$": "x"}'), (4, '[]'), (5, '{"a.b": "x", "a": {"b": 1}, "$": 1}')""",
    ]
    check = WrongJsonShape(table="users", column="settings", schema=JsonText.of(schema))
    assert prove(check, database, script, broken=[1, 2, 3, 4]).messages() == {
        "1": "users.settings.a.b is an integer, must be a string",
        "2": "users.settings.a.b is a string, must be an integer",
        "3": "users.settings.$ is a string, must be an integer",
        "4": "users.settings is an array, must be an object",
    }
