import pytest

from tests.engines import Database
from tests.planted import Case, people
from tests.proof import config_of, prove, run_script
from trueup.check import Check
from trueup.checks.wrong_json_type import WrongJsonType
from trueup.run import propose, scan

#: For tests/test_planted_secrets.py.
PLANTED = Case(
    people("doc JSON", """('"{\\"zorblatt\\": 1}"')""", "('7734077')", """('["zorblatt"]')""", "('zorblatt{')"),
    {"column": "doc", "expected": ["object"], "context": ["doc"]},
    ("decode", "wrap", "nullify"),
)  # fmt: skip

pytestmark = pytest.mark.each_engine

EVENTS = [
    "CREATE TABLE events (id INTEGER PRIMARY KEY, kind VARCHAR(40), metadata {JSON})",
    """INSERT INTO events (id, kind, metadata) VALUES
       (1, 'seen', '{"quiz_id": 1}'), (2, 'seen', NULL), (3, 'done', '{}'), (4, 'seen', '42'), (5, 'seen', '42.5'),
       (6, 'done', '"text"'), (7, 'done', '[1, 2]'), (8, 'done', 'true'), (9, 'done', 'null'),
       (10, 'done', '"{\\"a\\": 1}"'), (11, 'lost', '""'), (12, 'seen', '{"a": {"b": [null]}}')""",
]
METADATA = WrongJsonType(table="events", column="metadata", expected=("object",))


@pytest.mark.quick_on("sqlite")
def test_every_type_but_the_expected_one_is_found_and_mended_in_three_ways(database: Database) -> None:
    proof = prove(
        METADATA,
        database,
        EVENTS,
        broken=[4, 5, 6, 7, 8, 9, 10, 11],
        repairs={"decode": [10], "wrap": [4, 5, 6, 7, 8, 10, 11], "nullify": [4, 5, 6, 7, 8, 9, 10, 11]},
        mended={
            "decode": {("metadata", 10): {"a": 1}},
            "wrap": {
                ("metadata", 4): {"raw_value": 42},
                ("metadata", 5): {"raw_value": 42.5},
                ("metadata", 6): {"raw_value": "text"},
                ("metadata", 7): {"raw_value": [1, 2]},
                ("metadata", 8): {"raw_value": True},
                ("metadata", 10): {"raw_value": '{"a": 1}'},
            },
            "nullify": {("metadata", 4): None, ("metadata", 9): None},
        },
    )
    assert proof.messages() == {
        "4": "events.metadata is 42 (an integer), not an object",
        "5": "events.metadata is 42.5 (a double), not an object",
        "6": 'events.metadata is "text" (a string), not an object',
        "7": "events.metadata is [1, 2] (an array), not an object",
        "8": "events.metadata is true (a boolean), not an object",
        "9": "events.metadata holds JSON null, not an object",
        "10": 'events.metadata is "{\\"a\\": 1}" (an object encoded twice), not an object',
        "11": 'events.metadata is "" (a string), not an object',
    }
    assert proof.masked_messages() == {
        "4": "events.metadata holds an integer, not an object",
        "5": "events.metadata holds a double, not an object",
        "6": "events.metadata holds a string, not an object",
        "7": "events.metadata holds an array, not an object",
        "8": "events.metadata holds a boolean, not an object",
        "9": "events.metadata holds JSON null, not an object",
        "10": "events.metadata holds an object encoded twice, not an object",
        "11": "events.metadata holds a string, not an object",
    }


def test_the_distribution_tells_json_null_from_sql_null(database: Database) -> None:
    proof = prove(METADATA, database, EVENTS, broken=[4, 5, 6, 7, 8, 9, 10, 11])
    assert {word: (healthy, count) for word, healthy, count in proof.result.distribution} == {
        "object": (True, 3),
        "SQL NULL": (True, 1),
        "string": (False, 3),
        "integer": (False, 1),
        "double": (False, 1),
        "array": (False, 1),
        "boolean": (False, 1),
        "null": (False, 1),
    }


def test_by_default_a_value_is_saved_before_it_is_given_up(database: Database) -> None:
    proof = prove(METADATA, database, EVENTS, broken=[4, 5, 6, 7, 8, 9, 10, 11])
    assert [(one.repair, one.count) for one in proof.result.repairs] == [("decode", 1), ("wrap", 6), ("nullify", 1)]


def test_groups_named_critical_are_judged_by_their_own_severity(database: Database) -> None:
    check = WrongJsonType(
        table="events",
        column="metadata",
        expected=("object",),
        group_by="kind",
        critical={"high": ("done",), "low": ("lost",)},
    )
    proof = prove(check, database, EVENTS, broken=[4, 5, 6, 7, 8, 9, 10, 11])
    severities = {key: finding.severity for key, finding in proof.findings.items()}
    assert severities == dict.fromkeys(["6", "7", "8", "9", "10"], "high") | {"4": "medium", "5": "medium", "11": "low"}


def test_several_types_may_be_expected_and_null_forbidden(database: Database) -> None:
    check = WrongJsonType(table="events", column="metadata", expected=("number", "array"), null=False)
    proof = prove(check, database, EVENTS, broken=[1, 2, 3, 6, 8, 9, 10, 11, 12], repairs={"decode": [], "nullify": []})
    assert proof.messages()["2"] == "events.metadata is NULL, not a number or an array"
    assert {word for word, healthy, _ in proof.result.distribution if healthy} == {"integer", "double", "array"}


def test_json_null_is_healthy_where_it_is_expected(database: Database) -> None:
    check = WrongJsonType(table="events", column="metadata", expected=("object", "null"))
    prove(check, database, EVENTS, broken=[4, 5, 6, 7, 8, 10, 11])


TIMES = [
    "CREATE TABLE events (id INTEGER PRIMARY KEY, metadata {JSON})",
    """INSERT INTO events (id, metadata) VALUES
       (1, '{"time": {"ms": 12}}'), (2, '{"time": {"ms": "12"}}'), (3, '{"time": {"ms": null}}'), (4, '{"time": {}}'),
       (5, '{"time": 5}'), (6, NULL), (7, '[{"time": {"ms": "12"}}]'), (8, '"text"'), (9, '{"time": {"ms": 1.5}}'),
       (10, '{"time": {"ms": []}, "kept": "é"}')""",
]


def test_a_path_is_judged_only_where_it_is_there(database: Database) -> None:
    check = WrongJsonType(table="events", column="metadata.time.ms", expected=("number",))
    proof = prove(check, database, TIMES, broken=[2, 3, 10], repairs={"nullify": [], "decode": []})
    assert proof.messages() == {
        "2": "events.metadata.time.ms is 12 (a number encoded twice), not a number",
        "3": "events.metadata.time.ms holds JSON null, not a number",
        "10": "events.metadata.time.ms is [] (an array), not a number",
    }


def test_a_path_is_set_to_json_null_where_that_is_expected(database: Database) -> None:
    check = WrongJsonType(table="events", column="metadata.time.ms", expected=("number", "null"))
    prove(
        check,
        database,
        TIMES,
        broken=[2, 10],
        repairs={"nullify": [2, 10]},
        mended={
            "nullify": {
                ("metadata", 2): {"time": {"ms": None}},
                ("metadata", 10): {"time": {"ms": None}, "kept": "é"},
            }
        },
    )


def test_a_path_that_must_be_there_is_missed(database: Database) -> None:
    check = WrongJsonType(table="events", column="metadata.time.ms", expected=("number", "null", "string"), null=False)
    proof = prove(check, database, TIMES, broken=[4, 5, 6, 7, 8, 10])
    assert proof.messages()["4"] == (
        "events.metadata.time.ms is not there, it must be a number or JSON null or a string"
    )


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_json_kept_as_text_by_postgresql_keeps_its_bytes_through_undo(database: Database) -> None:
    prove(
        METADATA,
        database,
        [
            "CREATE TABLE events (id INTEGER PRIMARY KEY, metadata JSON)",
            """INSERT INTO events VALUES (1, '{ "b":1, "a":1, "b":2 }'), (2, '  [1,   2]'), (3, ' "{\\"z\\":  1}" ')""",
        ],
        broken=[2, 3],
        repairs={"decode": [3], "wrap": [2, 3], "nullify": [2, 3]},
        mended={"decode": {("metadata", 3): '{"z":  1}'}},
    )


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("declared", ["TEXT", "JSON", "", "VARCHAR(100)"])
def test_sqlite_holds_anything_in_a_column_of_any_type(database: Database, declared: str) -> None:
    prove(
        METADATA,
        database,
        [
            f"CREATE TABLE events (id INTEGER PRIMARY KEY, metadata {declared})",
            "INSERT INTO events VALUES (1, '{\"a\": 1}'), (2, 'not json'), (3, 7), (4, 1.5), (5, x'00ff'), (6, '')",
            "INSERT INTO events VALUES (7, '{\"a\": 1'), (8, '{} {}'), (9, char(123, 0, 125)), (10, ' {}'), (11, NULL)",
            "INSERT INTO events VALUES (12, '9007199254740'), (13, '1e400'), (14, CAST(x'7b2261223a20ff7d' AS TEXT))",
        ],
        broken=[2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14],
        repairs={"decode": [], "nullify": [2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14]},
    )


def test_names_that_need_quoting_are_quoted(database: Database) -> None:
    quote = "`" if database.engine in ("mysql", "mariadb") else '"'
    table, column, key = (f"{quote}{name}{quote}" for name in ("select % é", "order by", "it's"))
    check = WrongJsonType(table="select % é", column="order by", expected=("object",), group_by="it's")
    run_script(
        database,
        [
            f"CREATE TABLE {table} ({key} INTEGER PRIMARY KEY, {column} {{JSON}})",
            f"INSERT INTO {table} VALUES (1, '{{}}'), (2, '7')",
        ],
    )
    assert scan(config_of(database, check)).findings == 1


def test_a_column_of_numbers_is_refused_in_one_line(database: Database) -> None:
    check = WrongJsonType(table="events", column="amount", expected=("object",))
    run_script(database, ["CREATE TABLE events (id INTEGER PRIMARY KEY, amount INTEGER)"])
    told = scan(config_of(database, check))
    assert (told.exit_code, told.results[0].reason) == (3, "events.amount is a column of numbers, which hold no JSON")


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (("objekt",), "wrong-json-type knows no JSON type 'objekt'; did you mean 'object'?"),
        (
            (),
            "wrong-json-type needs a type in 'expected': object, array, string, integer, double, boolean, null, number",
        ),
    ],
)
def test_an_unknown_type_is_refused(expected: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        WrongJsonType(table="events", column="metadata", expected=expected)
    assert str(caught.value) == message


def proposals(database: Database, script: list[str]) -> list[Check]:
    run_script(database, script)
    return [check for check in propose(config_of(database)) if isinstance(check, WrongJsonType)]


def test_a_column_that_nearly_always_holds_objects_is_proposed(database: Database) -> None:
    rows = ", ".join(f"({number}, '{{}}')" for number in range(100, 140))
    assert proposals(database, [*EVENTS, "DELETE FROM events WHERE id BETWEEN 5 AND 11",
                                f"INSERT INTO events (id, metadata) VALUES {rows}"]) == [METADATA]  # fmt: skip


def test_a_mixture_few_values_and_plain_text_are_not_proposed(database: Database) -> None:
    words = ", ".join(f"({number}, '{number}', '[draft {number}')" for number in range(20))
    assert proposals(database, [
        *EVENTS,
        "CREATE TABLE few (id INTEGER PRIMARY KEY, extra {JSON})", "INSERT INTO few VALUES (1, '{}'), (2, '{}')",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, code VARCHAR(20), body TEXT)", f"INSERT INTO notes VALUES {words}",
    ]) == []  # fmt: skip


def test_json_null_that_is_common_is_taken_to_be_meant(database: Database) -> None:
    rows = ", ".join(f"({number}, '{'null' if number % 3 else '[]'}')" for number in range(30))
    found = proposals(
        database, ["CREATE TABLE e (id INTEGER PRIMARY KEY, tags {JSON})", f"INSERT INTO e VALUES {rows}"]
    )
    assert found == [WrongJsonType(table="e", column="tags", expected=("array", "null"))]


def test_a_column_of_context_with_the_name_of_a_fact_leaves_the_message_alone(database: Database) -> None:
    run_script(
        database,
        [
            "CREATE TABLE e (id INTEGER PRIMARY KEY, type VARCHAR(20), body {JSON})",
            "INSERT INTO e VALUES (1, 'page', '[]')",
        ],
    )
    check = WrongJsonType(table="e", column="body", expected=("object",), context=("type",))
    (result,) = scan(config_of(database, check)).results
    (finding,) = result.samples
    assert finding.message == "e.body holds an array, not an object"
    assert finding.evidence["type"] == "4 characters"
    assert result.in_message == {"encoded_twice"}
