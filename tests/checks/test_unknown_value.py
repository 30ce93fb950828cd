import pytest

from tests.engines import Database
from tests.planted import Case, people
from tests.proof import prove
from trueup.checks.unknown_value import UnknownValue

#: For tests/test_planted_secrets.py.
PLANTED = Case(
    people("state TEXT", "('zorblatt9')", "('OPEN')", "('open')"),
    {"column": "state", "allowed": ["open"], "context": ["note"]},
    ("respell", "nullify"),
)  # fmt: skip

ORDERS = [
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, status {TEXT_KEY}, stage INTEGER NOT NULL, settings {JSON})",
    """INSERT INTO orders VALUES (1, 'open', 1, '{"language": "en"}'), (2, 'paid', 2, '{"language": null}'),
       (3, 'Paid', 3, '{"language": "EN"}'), (4, ' paid ', 9, '{}'), (5, 'payed', -1, '[]'),
       (6, NULL, 1, NULL), (7, '', 1, '{"language": 7}')""",
]
KNOWN = ("open", "paid")


@pytest.mark.quick_on("sqlite")
def test_a_value_that_is_not_in_the_list_is_found_byte_for_byte(database: Database) -> None:
    check = UnknownValue(table="orders", column="status", allowed=KNOWN, replace={"payed": "paid"})
    proof = prove(
        check,
        database,
        ORDERS,
        broken=[3, 4, 5, 7],
        repairs={"respell": [3, 4], "replace": [5], "nullify": [3, 4, 5, 7]},
        mended={
            "respell": {("status", 3): "paid", ("status", 4): "paid"},
            "replace": {("status", 5): "paid"},
            "nullify": {("status", 7): None},
        },
    )
    assert proof.messages()["5"] == "orders.status is payed, which is none of open, paid"
    assert proof.masked_messages()["5"] == "orders.status is none of open, paid"


def test_null_is_broken_where_there_must_be_a_value(database: Database) -> None:
    check = UnknownValue(
        table="orders", column="status", allowed=("open", "paid", "Paid", " paid ", "payed", ""), null=False
    )
    proof = prove(check, database, ORDERS, broken=[6], repairs={"respell": []})
    assert proof.messages() == {"6": "orders.status is NULL, it must be one of open, paid, Paid,  paid , payed, "}


def test_a_spelling_that_two_values_share_is_not_guessed(database: Database) -> None:
    check = UnknownValue(table="orders", column="status", allowed=("open", "paid", "PAID", "payed", ""))
    prove(check, database, ORDERS, broken=[3, 4], repairs={"respell": []})


def test_whole_numbers_are_compared_as_numbers(database: Database) -> None:
    check = UnknownValue(table="orders", column="stage", allowed=("1", "2", "3"), replace={"9": "3"})
    proof = prove(
        check,
        database,
        ORDERS,
        broken=[4, 5],
        repairs={"replace": [4], "nullify": []},
        mended={"replace": {("stage", 4): "3"}},
    )
    assert proof.messages()["5"] == "orders.stage is -1, which is none of 1, 2, 3"


def test_a_key_inside_json_is_found_and_left_to_a_person(database: Database) -> None:
    check = UnknownValue(table="orders", column="settings.language", allowed=("en", "de"))
    proof = prove(check, database, ORDERS, broken=[3, 7], repairs={"respell": [], "nullify": []})
    assert proof.messages()["3"] == "orders.settings.language is EN, which is none of en, de"


def test_a_table_of_known_values_is_clean(database: Database) -> None:
    prove(UnknownValue(table="orders", column="stage", allowed=("1", "2", "3", "9", "-1")), database, ORDERS, broken=[])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allowed": ()}, "unknown-value needs a value in 'allowed'"),
        (
            {"allowed": ("a",), "replace": {"x": "b"}},
            "unknown-value cannot replace 'x' by 'b', which is not among 'allowed'",
        ),
        ({"allowed": ("a",), "replace": {"a": "a"}}, "unknown-value replaces 'a', which is among 'allowed'"),
    ],
)
def test_options_that_say_nothing_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match="unknown-value") as caught:
        UnknownValue(table="orders", column="status", **options)  # type: ignore[arg-type]
    assert str(caught.value) == message
