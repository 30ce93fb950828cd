import pytest

from tests.engines import Database
from tests.planted import Case, people
from tests.proof import prove
from trueup.checks.missing import Missing

#: For tests/test_planted_secrets.py.
PLANTED = Case(
    people("email TEXT, name TEXT", "('zorblatt1', NULL)", "('zorblatt2', ' ')"),
    {"column": "name", "blank": True, "fill": "nobody", "context": ["email", "phone"]},
    ("fill", "quarantine"),
    shows_values=False,
)  # fmt: skip

USERS = [
    "CREATE TABLE users (id INTEGER PRIMARY KEY, email {TEXT_KEY}, age INTEGER, settings {JSON})",
    """INSERT INTO users VALUES (1, 'ann@x.org', 30, '{"language": "en"}'), (2, NULL, NULL, '{"language": null}'),
       (3, '', 31, '{}'), (5, ' x ', 0, '{"language": " "}'), (6, '0', 1, '[]')""",
    "INSERT INTO users VALUES (4, '  \t\n ', NULL, NULL)",
]


def test_null_is_missing_and_an_empty_text_is_not(database: Database) -> None:
    check = Missing(table="users", column="email", fill="unknown@x.org")
    proof = prove(
        check,
        database,
        USERS,
        broken=[2],
        repairs={"fill": [2], "quarantine": [2]},
        mended={"fill": {("email", 2): "unknown@x.org", ("email", 3): ""}},
    )
    assert proof.messages() == proof.masked_messages() == {"2": "users.email is NULL"}


def test_text_of_nothing_but_white_space_is_missing_when_blank_says_so(database: Database) -> None:
    check = Missing(table="users", column="email", blank=True, fill="-")
    proof = prove(
        check,
        database,
        USERS,
        broken=[2, 3, 4],
        repairs={"fill": [2, 3, 4], "quarantine": [2, 3, 4]},
        mended={"fill": {("email", 4): "-"}},
    )
    assert proof.messages() == {
        "2": "users.email is NULL",
        "3": "users.email is blank",
        "4": "users.email is blank",
    }


def test_of_several_columns_each_must_be_there(database: Database) -> None:
    check = Missing(table="users", columns=("email", "age"), blank=True)
    proof = prove(check, database, USERS, broken=[2, 3, 4], repairs={"quarantine": [2, 3, 4]})
    assert proof.messages()["2"] == "users.email is NULL, users.age is NULL"
    assert proof.messages()["4"] == "users.email is blank, users.age is NULL"


def test_a_number_is_filled_in_as_a_number(database: Database) -> None:
    check = Missing(table="users", column="age", fill="18")
    prove(check, database, USERS, broken=[2, 4], repairs={"fill": [2, 4]}, mended={"fill": {("age", 2): "18"}})


def test_a_key_inside_json_may_be_required(database: Database) -> None:
    check = Missing(table="users", column="settings.language", blank=True)
    proof = prove(check, database, USERS, broken=[2, 3, 4, 5, 6], repairs={"quarantine": [2, 3, 4, 5, 6]})
    assert proof.messages()["5"] == "users.settings.language is blank"
    assert proof.messages()["6"] == "users.settings.language is NULL"


def test_a_table_where_nothing_is_missing_is_clean(database: Database) -> None:
    prove(Missing(table="users", column="id"), database, USERS, broken=[])


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_text_that_begins_with_nul_is_not_blank(database: Database) -> None:
    check = Missing(table="users", column="email", blank=True)
    prove(
        check, database, [USERS[0], "INSERT INTO users (id, email) VALUES (1, char(0, 97)), (2, char(32))"], broken=[2]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "missing needs 'column'"),
        ({"column": "a", "columns": ("b",)}, "missing takes 'column' or 'columns', not both"),
        ({"columns": ("a", "b"), "fill": "x"}, "missing can fill one column, not 2"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        Missing(table="users", **options)  # type: ignore[arg-type]  # the values are of many types
    assert str(caught.value) == message
