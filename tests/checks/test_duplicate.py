import random
import unicodedata

import pytest

from tests.engines import Database
from tests.planted import Case, people
from tests.proof import config_of, prove, run_script
from trueup.checks.duplicate import Duplicate
from trueup.run import scan

#: For tests/test_planted_secrets.py.
PLANTED = Case(
    people("email TEXT, name TEXT", "('zorblatt', 'a')", "(' Zorblatt', 'a')", "('quxified', 'b')"),
    {"columns": ["email", "name"], "ignore": ["case", "space"]},
    ("quarantine",),
)  # fmt: skip

USERS = [
    "CREATE TABLE users (id INTEGER PRIMARY KEY, email {TEXT_KEY}, tenant INTEGER)",
    """INSERT INTO users VALUES (9, 'ann@x.org', 1), (2, 'ann@x.org', 2), (30, 'ann@x.org', 1), (4, 'Ann@x.org', 1),
       (5, NULL, 1), (6, NULL, 1), (7, 'bob@x.org', 1), (8, 'bob@x.org ', 1), (10, 'bob@x.org', NULL),
       (11, '  bob@x.org', 3), (12, 'bób@x.org', 3)""",
]


def test_only_equal_bytes_are_equal_and_one_row_of_a_group_stays(database: Database) -> None:
    check = Duplicate(table="users", column="email")
    proof = prove(check, database, USERS, broken=[9, 30, 10], repairs={"quarantine": [9, 30, 10]})
    assert proof.messages() == {
        "9": "users.email is ann@x.org, which repeats row 2",
        "30": "users.email is ann@x.org, which repeats row 2",
        "10": "users.email is bob@x.org, which repeats row 7",
    }
    assert proof.masked_messages()["9"] == "users.email repeats row 2"


def test_the_last_row_may_be_the_one_that_stays(database: Database) -> None:
    check = Duplicate(table="users", column="email", keep="last")
    proof = prove(check, database, USERS, broken=[2, 9, 7], repairs={"quarantine": [2, 9, 7]})
    assert proof.messages()["2"] == "users.email is ann@x.org, which repeats row 30"


def test_nothing_is_moved_unless_asked(database: Database) -> None:
    proof = prove(Duplicate(table="users", column="email"), database, USERS, broken=[9, 30, 10])
    assert [(one.repair, one.count) for one in proof.result.repairs] == [("", 3)]


def test_case_and_space_may_make_no_difference(database: Database) -> None:
    check = Duplicate(table="users", column="email", ignore=("case", "space"))
    rows = [4, 8, 9, 10, 11, 30]
    proof = prove(check, database, USERS, broken=rows, repairs={"quarantine": rows})
    assert proof.messages()["4"] == "users.email is Ann@x.org, which repeats row 2 (ignoring case, space)"


def test_several_columns_must_all_be_equal(database: Database) -> None:
    check = Duplicate(table="users", columns=("email", "tenant"))
    proof = prove(check, database, USERS, broken=[30], repairs={"quarantine": [30]})
    assert proof.messages() == {"30": "users.(email, tenant) is (ann@x.org, 1), which repeats row 9"}
    assert proof.masked_messages() == {"30": "users.(email, tenant) repeats row 9"}


def test_rows_are_told_apart_by_a_key_of_several_columns(database: Database) -> None:
    script = [
        "CREATE TABLE marks (who {TEXT_KEY}, place INTEGER, word {TEXT_KEY}, PRIMARY KEY(who, place))",
        "INSERT INTO marks VALUES ('b', 1, 'x'), ('a', 10, 'x'), ('a', 9, 'x'), ('b', 2, 'y')",
    ]
    check = Duplicate(table="marks", column="word")
    quote = "'" if database.engine == "sqlite" else ""
    rows = [(f"{quote}a{quote}", 10), (f"{quote}b{quote}", 1)]
    proof = prove(check, database, script, broken=rows)
    assert proof.masked_messages()[f"{quote}b{quote}/1"] == "marks.word repeats row a, 9"


NAMES = {
    1: unicodedata.normalize("NFC", "José"),
    2: unicodedata.normalize("NFD", "José"),
    3: unicodedata.normalize("NFD", "Jose"),
    4: unicodedata.normalize("NFC", "Trần Thị Bích Ngọc"),
    5: unicodedata.normalize("NFD", "Trần Thị Bích Ngọc"),
    6: "e\u0323\u0301 x",
    7: "e\u0301\u0323 x",
    8: "\u1eb9\u0301 x",
    9: "e\u0301 x",
    10: "\u00e9 x",
    11: "\u212b",
    12: "A\u030a",
    13: "\u00c5",
    14: unicodedata.normalize("NFC", "한국"),
    15: unicodedata.normalize("NFD", "한국"),
    16: "q\u0303",
    17: "q\u0303\u0303",
    18: "\u0301\u0323a",
    19: "\u0323\u0301a",
    20: "😀 e\u0301",
    21: "😀 \u00e9",
    22: unicodedata.normalize("NFD", "josé"),
}


def test_unicode_spells_one_letter_in_two_ways(database: Database) -> None:
    rows = ", ".join(f"({key}, '{text}')" for key, text in NAMES.items())
    check = Duplicate(table="people", column="name", ignore=("unicode",))
    broken = [2, 5, 7, 8, 10, 12, 13, 15, 19, 21]
    prove(
        check,
        database,
        ["CREATE TABLE people (id INTEGER PRIMARY KEY, name {TEXT_KEY})", f"INSERT INTO people VALUES {rows}"],
        broken=broken,
        repairs={"quarantine": broken},
    )


def test_every_rule_at_once(database: Database) -> None:
    rows = ", ".join(f"({key}, '{text}')" for key, text in NAMES.items())
    check = Duplicate(table="people", column="name", ignore=("case", "space", "unicode"))
    broken = [2, 5, 7, 8, 10, 12, 13, 15, 19, 21, 22]
    prove(
        check,
        database,
        ["CREATE TABLE people (id INTEGER PRIMARY KEY, name {TEXT_KEY})", f"INSERT INTO people VALUES {rows}"],
        broken=broken,
    )


def test_canonical_forms_agree_with_nfc_on_made_up_text(database: Database) -> None:
    chance = random.Random(7)
    marks = ["\u0301", "\u0323", "\u0302", "\u031b", "\u0308", "\u0327"]
    texts = ["".join(chance.choices([*"aeoucAE ", *marks], k=chance.randint(1, 5))) for _ in range(400)]
    rows = ", ".join(f"({key}, '{text}')" for key, text in enumerate(texts))
    seen: set[str] = set()
    broken = []
    for key, text in enumerate(texts):
        normal = unicodedata.normalize("NFC", text)
        broken += [key] if normal in seen else []
        seen.add(normal)
    prove(
        Duplicate(table="people", column="name", ignore=("unicode",)),
        database,
        ["CREATE TABLE people (id INTEGER PRIMARY KEY, name {TEXT_KEY})", f"INSERT INTO people VALUES {rows}"],
        broken=broken,
    )


@pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)
def test_more_sequences_than_a_statement_can_hold_are_not_checked(database: Database) -> None:
    syllables = [unicodedata.normalize("NFD", chr(0xAC00 + number)) for number in range(0, 8000, 10)]
    rows = ", ".join(f"({key}, '{text}')" for key, text in enumerate(syllables))
    run_script(
        database,
        [
            "CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(20) CHARACTER SET utf8mb4)",
            f"INSERT INTO people VALUES {rows}",
        ],
    )
    told = scan(config_of(database, Duplicate(table="people", column="name", ignore=("unicode",))))
    assert (told.exit_code, told.results[0].reason) == (
        3,
        """people.name holds more than 500 different sequences of characters that are not in NFC, \
and this engine cannot normalise; leave 'unicode' out of 'ignore'""",
    )


@pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)
def test_as_many_sequences_as_allowed_fit_into_a_statement(database: Database) -> None:
    syllables = [chr(0xAC00 + number) for number in range(0, 5000, 10)]
    rows = ", ".join(
        f"({key}, '{text}'), ({key + 1000}, '{unicodedata.normalize('NFD', text)}')"
        for key, text in enumerate(syllables)
    )
    check = Duplicate(table="people", column="name", ignore=("unicode",))
    script = [
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(20) CHARACTER SET utf8mb4)",
        f"INSERT INTO people VALUES {rows}",
    ]
    prove(check, database, script, broken=range(1000, 1500))


def test_columns_with_a_unique_index_have_nothing_to_look_for(database: Database) -> None:
    script = ["CREATE TABLE t (id INTEGER PRIMARY KEY, code INTEGER UNIQUE)", "INSERT INTO t VALUES (1, 1), (2, 2)"]
    prove(Duplicate(table="t", columns=("code", "id")), database, script, broken=[])


def test_a_table_without_a_key_is_not_checked(database: Database) -> None:
    run_script(database, ["CREATE TABLE t (code INTEGER)", "INSERT INTO t VALUES (1), (1)"])
    told = scan(config_of(database, Duplicate(table="t", column="code")))
    assert (told.exit_code, told.results[0].reason) == (
        3,
        "t has no key, so none of two equal rows can be told from the other",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "duplicate needs 'columns'"),
        ({"column": "a", "columns": ("b",)}, "duplicate takes 'column' or 'columns', not both"),
        (
            {"column": "a", "ignore": ("accents",)},
            "duplicate cannot ignore 'accents'; it can ignore case, space, unicode",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        Duplicate(table="users", **options)  # type: ignore[arg-type]  # the values are of many types
    assert str(caught.value) == message
