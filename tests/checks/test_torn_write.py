from dataclasses import replace
from typing import Any

import pytest

from tests.engines import Database
from tests.planted import Case, people
from tests.proof import config_of, prove, run_script
from trueup.checks.torn_write import TornWrite
from trueup.errors import Refused
from trueup.run import scan
from trueup.stores.sql import SqlDatabase, SqlStore

#: For tests/test_planted_secrets.py.
PLANTED = Case(
    people("email TEXT, doc JSON", """('zorblatt1', '{"zorblatt": 1}'), ('zorblatt2', '{"email": "quxified"}')"""),
    {"expects": "doc.email", "from": {"doc.email": "email"}, "equals": True},
    ("restore",),
)  # fmt: skip

RANKS = [
    "CREATE TABLE users (id INTEGER PRIMARY KEY, position VARCHAR(20), status {JSON})",
    """CREATE TABLE history (id INTEGER PRIMARY KEY, user_id INTEGER, new_rank VARCHAR(20), at {TIMESTAMP},
       kind INTEGER)""",
    "CREATE INDEX history_of_user ON history (user_id)",
    """INSERT INTO history VALUES
       (1, 1, 'builder', '2024-01-31 08:30:00', 1), (2, 2, 'builder', '2024-02-01 00:00:00', 1),
       (3, 2, 'growth', '2024-03-01 12:00:00', 2), (4, 2, 'start', '2023-01-01 00:00:00', 1),
       (5, 3, 'director', '2024-04-01 00:00:00', 1), (6, 4, NULL, '2024-05-01 00:00:00', 1),
       (7, 5, 'growth', NULL, 1), (8, NULL, 'growth', '2024-05-01 00:00:00', 1),
       (9, 7, 'builder', '2024-06-01 00:00:00', 3), (10, 8, 'start', '2024-06-01 00:00:00', 1),
       (11, 8, 'growth', '2024-06-01 00:00:00', 1)""",
    """INSERT INTO users VALUES
       (1, 'builder', '{"rankQualifiedAt": "2024-01-31T08:30:00", "assignedRank": "builder"}'),
       (2, 'start', '{"rankQualifiedAt": null, "assignedRank": "old", "isFounder": false}'),
       (3, 'Director', NULL), (4, 'start', '{}'), (5, NULL, '{}'), (6, 'start', '{}'), (7, NULL, '[]'),
       (8, 'growth', '{"assignedRank": null}')""",
]
QUALIFIED = TornWrite(
    table="users",
    expects=("status.rankQualifiedAt",),
    exists="history",
    by=("history.user_id",),
    newest="at",
    from_={"status.rankQualifiedAt": "at", "status.assignedRank": "new_rank"},
)


def test_a_row_of_the_other_table_without_its_sign_in_json_is_found_and_restored_from_the_newest(
    database: Database,
) -> None:
    proof = prove(
        QUALIFIED,
        database,
        RANKS,
        broken=[2, 3, 4, 5, 7, 8],
        repairs={"restore": [2, 3, 4, 8]},
        mended={
            "restore": {
                ("status", 2): {"rankQualifiedAt": "2024-03-01T12:00:00", "assignedRank": "old", "isFounder": False},
                ("status", 3): {"rankQualifiedAt": "2024-04-01T00:00:00", "assignedRank": "director"},
                ("status", 4): {"rankQualifiedAt": "2024-05-01T00:00:00", "assignedRank": None},
                ("status", 8): {"rankQualifiedAt": "2024-06-01T00:00:00", "assignedRank": "growth"},
            }
        },
    )
    said = "users.status.rankQualifiedAt is not there, although history has a row for it"
    assert proof.messages() == proof.masked_messages() == dict.fromkeys("234578", said)


def test_only_rows_that_count_are_a_sign(database: Database) -> None:
    check = TornWrite(
        table="users",
        expects=("status.rankQualifiedAt", "status.isFounder"),
        exists="history",
        by=("user_id",),
        where={"kind": (">= 2",)},
        when={"position": ("not null",)},
    )
    proof = prove(check, database, RANKS, broken=[2])
    assert check.repairs() == []
    assert proof.messages() == {
        "2": "users.status.rankQualifiedAt is not there, although position is not null and history has a row for it "
        "where kind is >= 2"
    }


def test_whole_halves_are_passed_over_in_silence(database: Database) -> None:
    prove(QUALIFIED, database, [*RANKS, "DELETE FROM users WHERE id NOT IN (1, 6)"], broken=[])


def test_a_column_must_hold_what_the_newest_row_says(database: Database) -> None:
    check = TornWrite(
        table="users",
        expects=("position",),
        exists="history",
        by=("user_id",),
        newest="at",
        from_={"position": "new_rank"},
        equals=True,
    )
    proof = prove(
        check,
        database,
        RANKS,
        broken=[2, 3, 7],
        repairs={"restore": [2, 3, 7]},
        mended={"restore": {("position", 2): "growth", ("position", 3): "director", ("position", 7): "builder"}},
    )
    assert proof.messages() == {
        "2": "users.position is start, but the newest history.new_rank is growth",
        "3": "users.position is Director, but the newest history.new_rank is director",
        "7": "users.position is not there, but the newest history.new_rank is builder",
    }
    assert set(proof.masked_messages().values()) == {"users.position is not the newest history.new_rank"}


def test_a_key_must_hold_what_the_column_of_its_row_says(database: Database) -> None:
    check = TornWrite(
        table="users",
        expects=("status.assignedRank",),
        from_={"status.assignedRank": "position"},
        equals=True,
    )
    proof = prove(
        check,
        database,
        RANKS,
        broken=[2, 3, 4, 6, 8],
        repairs={"restore": [2, 3, 4, 6, 8]},
        mended={
            "restore": {
                ("status", 2): {"rankQualifiedAt": None, "assignedRank": "start", "isFounder": False},
                ("status", 3): {"assignedRank": "Director"},
            }
        },
    )
    assert proof.messages()["2"] == "users.status.assignedRank is old, but position is start"
    assert proof.messages()["3"] == "users.status.assignedRank is not there, but position is Director"


PIONEERS = [
    "CREATE TABLE users (id INTEGER PRIMARY KEY, telegram INTEGER, status {JSON})",
    """INSERT INTO users VALUES (1, 11, '{"hasPioneerBonus": true}'), (2, 12, '{"rank": 1.50}'), (3, 13, NULL),
       (4, 14, '{}')""",
    "CREATE TABLE purchases (id INTEGER PRIMARY KEY, buyer INTEGER, price DECIMAL(12, 2), at {TIMESTAMP})",
    """INSERT INTO purchases VALUES (1, 11, 5000, '2024-01-01 00:00:00'), (2, 12, 7500.50, '2024-01-02 00:00:00'),
       (3, 13, 4999.99, '2024-01-02 00:00:00'), (4, 99, 9000, '2024-01-02 00:00:00')""",
]


def test_a_bonus_that_was_earned_and_lost_is_granted_again(database: Database) -> None:
    check = TornWrite(
        table="users",
        expects=("status.hasPioneerBonus",),
        exists="purchases",
        by=("buyer",),
        key=("telegram",),
        where={"price": (">= 5000",)},
        newest="at",
        from_={
            "status.hasPioneerBonus": "true",
            "status.pioneerPurchaseId": "id",
            "status.price": "price",
            "status.pioneerGrantedAt": "at",
        },
    )
    prove(
        check,
        database,
        PIONEERS,
        broken=[2],
        repairs={"restore": [2]},
        mended={
            "restore": {
                ("status", 2): {
                    "rank": 1.5,
                    "hasPioneerBonus": True,
                    "pioneerPurchaseId": 2,
                    "price": 7500.5,
                    "pioneerGrantedAt": "2024-01-02T00:00:00",
                }
            }
        },
    )


CONFIRMED = [
    "CREATE TABLE users (id INTEGER PRIMARY KEY, state VARCHAR(20), purchase INTEGER, mail {JSON})",
    """INSERT INTO users VALUES (1, 'confirmed', 5, '{"mail": {"confirmed": true, "purchase": 5}}'),
       (2, 'confirmed', 6, '{"mail": {"confirmed": false, "purchase": "6"}}'), (3, 'new', NULL, '{"mail": {}}'),
       (4, 'confirmed', 7, '{"mail": {"confirmed": "true", "purchase": 8}}'), (5, 'confirmed', 7, NULL)""",
]


def test_a_condition_on_the_row_may_be_the_sign_and_a_constant_what_it_is_a_sign_of(database: Database) -> None:
    check = TornWrite(
        table="users",
        expects=("mail.mail.confirmed", "mail.mail.purchase"),
        when={"state": ("confirmed",)},
        from_={"mail.mail.confirmed": "true", "mail.mail.purchase": "purchase"},
        equals=True,
    )
    proof = prove(
        check,
        database,
        CONFIRMED,
        broken=[2, 4, 5],
        repairs={"restore": [2, 4, 5]},
        mended={
            "restore": {
                ("mail", 2): {"mail": {"confirmed": True, "purchase": 6}},
                ("mail", 4): {"mail": {"confirmed": True, "purchase": 7}},
                ("mail", 5): {"mail": {"confirmed": True, "purchase": 7}},
            }
        },
    )
    assert proof.messages() == {
        "2": "users.mail.mail.confirmed is false, not true, users.mail.mail.purchase is 6, but purchase is 6",
        "4": "users.mail.mail.purchase is 8, but purchase is 7",
        "5": (
            "users.mail.mail.confirmed is not there, not true, users.mail.mail.purchase is not there, but purchase is 7"
        ),
    }
    assert (
        proof.masked_messages()["5"]
        == "users.mail.mail.confirmed is not true, users.mail.mail.purchase is not purchase"
    )


def test_two_tables_have_no_guard(database: Database) -> None:
    run_script(database, RANKS)
    store = SqlStore("app", database.url)
    try:
        with store.connect() as connection:
            row = SqlDatabase(store, connection).row("users")
            with pytest.raises(Refused) as refused:
                QUALIFIED.constraint(row)
            here = TornWrite(table="users", expects=("status.x",), when={"position": ("start",)})
            assert here.constraint(row) is None
    finally:
        store.close()
    assert str(refused.value) == (
        "torn-write-users-status.rankQualifiedAt has no guard: the two tables are not written by one statement"
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"exists": "histori", "by": ("user_id",)}, "there is no table 'histori'; did you mean 'history'?"),
        ({"exists": "history", "by": ("users",)}, "table 'history' has no column 'users'; did you mean 'user_id'?"),
        (
            {"exists": "history", "by": ("user_id", "id")},
            "torn-write-users-status.a: 2 columns in 'by' cannot refer to 1 of 'users'; name them in 'key'",
        ),
        (
            {"exists": "history", "by": ("user_id",), "newest": "at", "from_": {"status.a": "att"}, "equals": True},
            "table 'history' has no column 'att'; did you mean 'at'?",
        ),
        (
            {"exists": "history", "by": ("user_id",), "newest": "at", "from_": {"status.a": "at"}, "equals": True},
            "torn-write-users-status.a cannot compare moments by 'equals'; leave it out, or use stale-total",
        ),
        (
            {"when": {"position": ("not null",)}, "from_": {"status.a": "position", "status.b.c": "id"}},
            "torn-write-users-status.a can restore keys of one object in users.status, not of two",
        ),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(database: Database, options: Any, reason: str) -> None:
    run_script(database, RANKS)
    told = scan(config_of(database, TornWrite(**{"table": "users", "expects": ("status.a",), **options})))
    assert (told.exit_code, told.results[0].reason) == (3, reason)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expects": ()}, "torn-write needs 'expects'"),
        ({}, "torn-write needs 'when', 'exists' or 'equals'; what every row must have is for 'missing'"),
        ({"exists": "h"}, "torn-write takes 'exists' and 'by' together"),
        (
            {"when": {"a": ("b",)}, "newest": "at"},
            "torn-write takes 'key', 'where' and 'newest' only with 'exists'",
        ),
        (
            {"exists": "h", "by": ("id",), "from_": {"s.a": "at"}},
            "torn-write with 'exists' takes 'from' and 'newest' together",
        ),
        ({"when": {"a": ()}}, "torn-write needs a value for 'a' in 'when'"),
        ({"equals": True}, "torn-write with 'equals' needs to know in 'from' what s.a is equal to"),
    ],
)
def test_options_that_say_nothing_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        TornWrite(**{"table": "users", "expects": ("s.a",), **options})
    assert str(caught.value) == message


DEEP = [
    "CREATE TABLE users (id INTEGER PRIMARY KEY, conf {JSON}, m {JSON})",
    """INSERT INTO users VALUES (1, '{"a": {"on": true}}', '{"x": {"y": {"rank": "v"}}}'),
       (2, '{"a": {"on": true}}', NULL), (3, '{"a": {"on": false}}', NULL)""",
    """CREATE TABLE history (id INTEGER PRIMARY KEY, data {JSON}, new_rank VARCHAR(20), at {TIMESTAMP},
       amount DECIMAL(10, 2))""",
    """INSERT INTO history VALUES
       (1, '{"user": {"id": 1}, "s": {"state": "paid", "n": 5}}', 'r1', '2024-01-01 00:00:00', 1.5),
       (2, '{"user": {"id": 2}, "s": {"state": "sent", "n": 7}}', 'r2', '2024-01-01 00:00:00', 2.5),
       (3, '{"user": {"id": 2}, "s": {"state": "open", "n": 7}}', 'r3', '2025-01-01 00:00:00', 100)""",
]


@pytest.mark.quick_on("sqlite")
@pytest.mark.parametrize("equals", [False, True])
def test_all_of_it_may_lie_inside_json(database: Database, equals: bool) -> None:
    places = {f"m.x.y.{key}": word for key, word in {"rank": "new_rank", "id": "id", "at": "at", "ok": "true"}.items()}
    check = TornWrite(
        table="users",
        expects=("m.x.y.rank", "m.x.y.id"),
        exists="history",
        by=("data.user.id",),
        where={"data.s.state": ("paid", "sent"), "data.s.n": (">= 5",)},
        when={"conf.a.on": ("true",)},
        newest="at",
        from_=places,
        equals=equals,
    )
    at = "2024-01-01T00:00:00"
    prove(
        check,
        database,
        DEEP,
        broken=[1, 2],
        repairs={"restore": [1, 2]},
        mended={
            "restore": {
                ("m", 1): {"x": {"y": {"rank": "r1" if equals else "v", "id": 1, "at": at, "ok": True}}},
                ("m", 2): {"x": {"y": {"rank": "r2", "id": 2, "at": at, "ok": True}}},
            }
        },
    )


def test_true_and_false_are_also_the_1_and_0_that_an_engine_keeps_for_them(database: Database) -> None:
    script = [
        "CREATE TABLE users (id INTEGER PRIMARY KEY, verified BOOLEAN, email {JSON})",
        """INSERT INTO users VALUES (1, true, '{"verified": true}'), (2, true, '{"verified": false}'), (3, true, '{}'),
           (4, false, '{"verified": false}'), (5, false, '{"verified": 0}'), (6, NULL, '{}')""",
    ]
    check = TornWrite(table="users", expects=("email.verified",), from_={"email.verified": "verified"}, equals=True)
    prove(
        check,
        database,
        script,
        broken=[2, 3],
        repairs={"restore": [2, 3]},
        mended={"restore": {("email", 2): {"verified": True}, ("email", 3): {"verified": True}}},
    )


def test_a_document_goes_into_a_document_as_it_is(database: Database) -> None:
    script = [
        "CREATE TABLE users (id INTEGER PRIMARY KEY, saved JSON, settings JSON)",
        """INSERT INTO users VALUES (1, '{"theme": ["dark", 1.5]}', '{}'), (2, NULL, '{"copy": {}}')""",
    ]
    check = TornWrite(
        table="users", expects=("settings.copy",), when={"saved": ("not null",)}, from_={"settings.copy": "saved"}
    )
    mended = {("settings", 1): {"copy": {"theme": ["dark", 1.5]}}}
    prove(check, database, script, broken=[1], repairs={"restore": [1]}, mended={"restore": mended})
    told = scan(config_of(database, replace(check, equals=True)))
    assert told.results[0].reason == (
        "torn-write-users-settings.copy cannot compare documents by 'equals'; leave it out, or use stale-total"
    )


def test_no_digit_of_a_double_is_lost(database: Database) -> None:
    script = [
        "CREATE TABLE users (id INTEGER PRIMARY KEY, score DOUBLE PRECISION, status {JSON})",
        "INSERT INTO users VALUES (1, 0.30000000000000004, '{}'), (2, 0.1, '{}'), (3, 1e22, '{}'), (4, NULL, NULL)",
    ]
    check = TornWrite(
        table="users", expects=("status.score",), when={"score": ("not null",)}, from_={"status.score": "score"}
    )
    prove(
        check,
        database,
        script,
        broken=[1, 2, 3],
        repairs={"restore": [1, 2, 3]},
        mended={
            "restore": {("status", n): {"score": score} for n, score in ((1, 0.30000000000000004), (2, 0.1), (3, 1e22))}
        },
    )


def test_a_document_with_equal_keys_is_left_alone_where_one_would_be_lost(database: Database) -> None:
    kind = {"postgresql": "JSON", "sqlite": "TEXT"}.get(database.engine, "LONGTEXT")
    script = [
        f"CREATE TABLE users (id INTEGER PRIMARY KEY, position VARCHAR(20), status {kind})",
        """INSERT INTO users VALUES (1, 'x', '{"a": 1, "a": 2}'), (2, 'x', '{"o": {"b": "1", "b": "2"}}'),
           (3, 'x', '{"o": [{"b": "[\\u0022]"}, {"b": "\\u005c"}]}'), (4, 'x', '{"rank": "x", "rank": "x"}')""",
    ]
    if database.engine not in ("sqlite", "postgresql"):
        script = [statement.replace("\\", "\\\\") for statement in script]
    check = TornWrite(
        table="users",
        expects=("status.rank",),
        when={"position": ("not null",)},
        from_={"status.rank": "position"},
    )
    kept = [1, 2, 3] if database.engine in ("sqlite", "mariadb") else [3]
    proof = prove(check, database, script, broken=[1, 2, 3], repairs={"restore": kept})
    assert proof.messages()["1"] == "users.status.rank is not there, although position is not null"


@pytest.mark.parametrize(
    ("kept", "value", "source", "other"),
    [
        ("BIGINT", "9007199254740993", "DOUBLE PRECISION", "5"),
        ("DECIMAL(30,10)", "12345678901234567890.0123456789", "DOUBLE PRECISION", "5"),
        ("TIME", "'23:00:01'", "{TIMESTAMP}", "'2020-01-01 10:00:00'"),
        ("DECIMAL(65,0)", "1" * 60, "DECIMAL(65,30)", "0.5"),
    ],
)
def test_what_is_there_already_stays_as_it_is_whatever_type_the_other_half_has(
    database: Database, kept: str, value: str, source: str, other: str
) -> None:
    if database.engine == "sqlite":
        pytest.skip("a CASE of SQLite has no type")
    if (database.engine, kept) == ("postgresql", "TIME"):
        pytest.skip("PostgreSQL does not put the two into one CASE")
    script = [
        f"CREATE TABLE u (id INTEGER PRIMARY KEY, a VARCHAR(20), b {kept})",
        f"CREATE TABLE h (id INTEGER PRIMARY KEY, u INTEGER, x VARCHAR(20), y {source})",
        f"INSERT INTO h VALUES (1, 1, 'ex', {other}), (2, 2, 'ex', {other})",
        f"INSERT INTO u VALUES (1, NULL, {value}), (2, 'there', {value})",
    ]
    check = TornWrite(
        table="u", expects=("a",), exists="h", by=("u",), newest="id", from_={"a": "x", "b": "y"}, name="torn"
    )
    prove(check, database, script, broken=[1], repairs={"restore": [1]}, mended={"restore": {("a", 1): "ex"}})
