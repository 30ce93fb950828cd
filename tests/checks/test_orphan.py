import pytest

from tests.engines import Database
from tests.planted import Case, people
from tests.proof import config_of, prove, run_script
from trueup.check import Check
from trueup.checks.orphan import Orphan
from trueup.findings import Record
from trueup.run import make_plan, propose, scan

#: For tests/test_planted_secrets.py.
PLANTED = Case(
    people("owner TEXT, mail TEXT", "('zorblatt1', 'zorblatt@x')", "('zorblatt2', 'y')")
    + "CREATE TABLE users (id TEXT PRIMARY KEY, mail TEXT); INSERT INTO users VALUES ('quxified', 'zorblatt@x');",
    {"column": "owner", "references": "users.id", "relink_by": {"mail": "mail"}},
    ("relink", "nullify", "quarantine"),
)  # fmt: skip

USERS = [
    "CREATE TABLE users (id INTEGER PRIMARY KEY, email {TEXT_KEY})",
    "INSERT INTO users VALUES (1, 'ann@x.org'), (2, 'bob@x.org'), (3, 'Eve@x.org'), (4, 't@x.org'), (5, 't@x.org')",
]
ORDERS = [
    *USERS,
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER, email {TEXT_KEY})",
    """INSERT INTO orders VALUES (1, 1, 'ann@x.org'), (2, 2, NULL), (3, NULL, NULL), (4, 7, 'bob@x.org'),
       (5, -1, 'eve@x.org'), (6, 0, 't@x.org'), (7, 8, NULL), (8, 3, NULL)""",
]
USER_ID = Orphan(table="orders", column="user_id", references="users.id")


def test_a_reference_to_no_row_is_found_nullified_and_quarantined(database: Database) -> None:
    proof = prove(
        USER_ID,
        database,
        ORDERS,
        broken=[4, 5, 6, 7],
        repairs={"nullify": [4, 5, 6, 7], "quarantine": [4, 5, 6, 7]},
    )
    assert proof.messages()["4"] == "orders.user_id is 7, but no users.id has that value"
    assert proof.masked_messages()["4"] == "orders.user_id refers to no users.id"


COMMENTS = [
    *USERS,
    "CREATE TABLE comments (id INTEGER PRIMARY KEY, about_type {TEXT_KEY}, about INTEGER)",
    """INSERT INTO comments VALUES (1, 'user', 1), (2, 'user', 7), (3, 'order', 7), (4, 'user', NULL), (5, NULL, 9),
       (6, 'order', NULL)""",
]


def test_where_another_column_decides_only_its_rows_refer(database: Database) -> None:
    about = Orphan(table="comments", column="about", references="users.id", where={"about_type": ("user",)})
    prove(about, database, COMMENTS, broken=[2], repairs={"nullify": [2], "quarantine": [2]})


def test_where_another_column_decides_only_its_rows_must_refer(database: Database) -> None:
    about = Orphan(table="comments", column="about", references="users.id", where={"about_type": ("user",)}, null=False)
    prove(about, database, COMMENTS, broken=[2, 4], repairs={"quarantine": [2, 4]})


def test_a_row_is_relinked_only_where_one_parent_has_the_same_bytes(database: Database) -> None:
    check = Orphan(table="orders", column="user_id", references="users.id", relink_by={"email": "email"})
    proof = prove(
        check,
        database,
        ORDERS,
        broken=[4, 5, 6, 7],
        repairs={"relink": [4]},
        mended={"relink": {("user_id", 4): "2"}},
    )
    assert [(one.repair, one.count) for one in proof.result.repairs] == [("relink", 1), ("nullify", 3)]


def test_null_is_broken_where_a_reference_is_required(database: Database) -> None:
    check = Orphan(table="orders", column="user_id", references="users", null=False)
    proof = prove(check, database, ORDERS, broken=[3, 4, 5, 6, 7], repairs={"quarantine": [3, 4, 5, 6, 7]})
    assert proof.messages()["3"] == "orders.user_id is NULL, but it must refer to a row of users"
    assert [repair.name for repair in check.repairs()] == ["quarantine"]


def test_healthy_references_are_passed_over_in_silence(database: Database) -> None:
    prove(USER_ID, database, [*ORDERS, "DELETE FROM orders WHERE id BETWEEN 4 AND 7"], broken=[])


EVENTS = [
    *USERS,
    "CREATE TABLE events (id INTEGER PRIMARY KEY, metadata {JSON})",
    """INSERT INTO events VALUES (1, '{"user": {"id": 1}}'), (2, '{"user": {"id": "2"}}'), (3, '{"user": {"id": 7}}'),
       (4, '{"user": {"id": "abc"}}'), (5, '{"user": {"id": null}}'), (6, '{"user": {}}'), (7, '{"user": 9}'),
       (8, NULL), (9, '[9]'), (10, '{"user": {"id": [1]}, "kept": 1}'), (11, '{"user": {"id": "7"}}'),
       (12, '{"user": {"id": 99999999999999999999}}'), (13, '{"user": {"id": true}}'), (14, '{"user": {"id": ""}}'),
       (15, '{"user": {"id": "1abc"}}')""",
]


def test_a_reference_inside_json_is_compared_after_a_safe_conversion(database: Database) -> None:
    check = Orphan(table="events", column="metadata.user.id", references="users.id")
    lost = [3, 4, 10, 11, 12, 13, 14, 15]
    proof = prove(
        check,
        database,
        EVENTS,
        broken=lost,
        repairs={"nullify": lost, "quarantine": lost},
        mended={"nullify": {("metadata", 10): {"user": {"id": None}, "kept": 1}}},
    )
    assert proof.messages()["4"] == "events.metadata.user.id is abc, but no users.id has that value"


def test_a_reference_to_text_inside_json_is_compared_byte_for_byte(database: Database) -> None:
    check = Orphan(table="events", column="metadata.code", references="codes.code")
    prove(
        check,
        database,
        [
            "CREATE TABLE codes (code {TEXT_KEY} PRIMARY KEY)",
            "INSERT INTO codes VALUES ('a'), ('é'), ('7')",
            "CREATE TABLE events (id INTEGER PRIMARY KEY, metadata {JSON})",
            """INSERT INTO events VALUES (1, '{"code": "a"}'), (2, '{"code": "A"}'), (3, '{"code": "é"}'),
               (4, '{"code": "e"}'), (5, '{"code": 7}'), (6, '{"code": "a "}'), (7, '{"code": null}')""",
        ],
        broken=[2, 4, 6],
        repairs={"nullify": [2, 4, 6]},
    )


LINES = [
    "CREATE TABLE orders (tenant INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (tenant, number))",
    "INSERT INTO orders VALUES (1, 1), (1, 2), (2, 1)",
    (
        "CREATE TABLE orderlines (tenant INTEGER NOT NULL, line INTEGER NOT NULL, number INTEGER, at INTEGER NOT NULL, "
        "PRIMARY KEY (line, tenant))"
    ),
    "INSERT INTO orderlines VALUES (1, 1, 1, 1), (1, 2, 3, 1), (2, 1, 2, 2), (2, 2, NULL, 2), (2, 3, 1, 2)",
]


@pytest.mark.quick_on("sqlite")
def test_of_several_columns_all_must_match_and_one_null_refers_to_nothing(database: Database) -> None:
    check = Orphan(
        table="orderlines", columns=("at", "number"), references="orders", referenced_columns=("tenant", "number")
    )
    proof = prove(
        check,
        database,
        LINES,
        broken=[(2, 1), (1, 2)],
        repairs={"nullify": [(2, 1), (1, 2)], "quarantine": [(2, 1), (1, 2)]},
    )
    assert proof.messages()["2/1"] == (
        "orderlines.(at, number) is (1, 3), but no orders.(tenant, number) has that value"
    )
    assert proof.masked_messages()["2/1"] == "orderlines.(at, number) refers to no orders.(tenant, number)"


@pytest.mark.quick_on("sqlite")
def test_a_table_may_refer_to_itself(database: Database) -> None:
    check = Orphan(table="people", column="inviter", references="people.id", relink_by={"invited_by": "name"})
    prove(
        check,
        database,
        [
            "CREATE TABLE people (id INTEGER PRIMARY KEY, name {TEXT_KEY}, inviter INTEGER, invited_by {TEXT_KEY})",
            (
                "INSERT INTO people VALUES (1, 'Mary', NULL, NULL), (2, 'Ann', 1, NULL), (3, 'John', 9, 'Mary'), "
                "(4, 'Zoe', 10, 'Nobody'), (5, 'Leo', 5, NULL)"
            ),
        ],
        broken=[3, 4],
        repairs={"relink": [3], "nullify": [3, 4], "quarantine": [3, 4]},
        mended={"relink": {("inviter", 3): "1"}},
    )


def test_text_that_refers_to_a_number_and_a_number_that_refers_to_text(database: Database) -> None:
    script = [
        "CREATE TABLE users (id INTEGER PRIMARY KEY, code {TEXT_KEY})",
        "INSERT INTO users VALUES (1, '10'), (2, '020')",
        "CREATE TABLE marks (id INTEGER PRIMARY KEY, user_text VARCHAR(40), code INTEGER)",
        "INSERT INTO marks VALUES (1, '1', 10), (2, '1abc', 20), (3, 'None', NULL), (4, '2', 10), (5, '', 10)",
    ]
    prove(Orphan(table="marks", column="user_text", references="users.id"), database, script, broken=[2, 3, 5])
    found = scan(config_of(database, Orphan(table="marks", column="code", references="users.code")))
    assert found.findings == 1


@pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)
@pytest.mark.parametrize(
    ("parent", "child", "broken"),
    [
        ("utf8mb4 COLLATE utf8mb4_general_ci", "latin1 COLLATE latin1_bin", [3]),
        ("utf8mb4 COLLATE utf8mb4_bin", "utf8mb4 COLLATE utf8mb4_general_ci", [2, 3]),
        ("latin1 COLLATE latin1_general_ci", "utf8mb4 COLLATE utf8mb4_unicode_ci", [3]),
    ],
)
def test_columns_of_two_collations_can_be_compared(
    database: Database, parent: str, child: str, broken: list[int]
) -> None:
    script = [
        f"CREATE TABLE users (name VARCHAR(50) CHARACTER SET {parent} PRIMARY KEY)",
        "INSERT INTO users VALUES ('Ann'), ('Zoé')",
        f"CREATE TABLE notes (id INTEGER PRIMARY KEY, author VARCHAR(50) CHARACTER SET {child}, extra JSON)",
        """INSERT INTO notes VALUES (1, 'Ann', '{"by": "Zoé"}'), (2, 'ann', '{"by": "ann"}'), (3, 'Bob', '{"by": "☃"}'),
           (4, 'Zoé', '{}')""",
    ]
    check = Orphan(table="notes", column="author", references="users.name")
    prove(check, database, script, broken=broken, repairs={"nullify": broken})
    inside = scan(config_of(database, Orphan(table="notes", column="extra.by", references="users.name")))
    assert [finding.where.key for finding in inside.results[0].samples if isinstance(finding.where, Record)] == [
        ("2",),
        ("3",),
    ]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_columns_of_two_collations_and_of_uuids_can_be_compared_on_postgresql(database: Database) -> None:
    prove(
        Orphan(table="notes", column="author", references="users.name"),
        database,
        [
            'CREATE TABLE users (name TEXT COLLATE "C" PRIMARY KEY, token UUID UNIQUE)',
            "INSERT INTO users VALUES ('Ann', '6f9619ff-8b86-d011-b42d-00cf4fc964ff'), ('Zoé', NULL)",
            'CREATE TABLE notes (id INTEGER PRIMARY KEY, author TEXT COLLATE "POSIX", token TEXT)',
            "INSERT INTO notes VALUES (1, 'Ann', '6F9619FF-8B86-D011-B42D-00CF4FC964FF'), (2, 'Bob', 'None')",
        ],
        broken=[2],
        repairs={"nullify": [2]},
    )
    found = scan(config_of(database, Orphan(table="notes", column="token", references="users.token")))
    assert found.findings == 1


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_sqlite_compares_by_the_rules_of_the_parent(database: Database) -> None:
    prove(
        Orphan(table="notes", column="author", references="users.name"),
        database,
        [
            "CREATE TABLE users (name TEXT COLLATE NOCASE PRIMARY KEY)",
            "INSERT INTO users VALUES ('Ann'), ('7')",
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, author)",
            "INSERT INTO notes VALUES (1, 'ANN'), (2, 'Bob'), (3, 7), (4, x'416e6e')",
        ],
        broken=[2, 4],
        repairs={"nullify": [2, 4]},
    )


def test_an_empty_parent_table_stops_the_repair(database: Database, tmp_path: object) -> None:
    run_script(database, [*ORDERS, "DELETE FROM users"])
    config = config_of(database, USER_ID)
    plan = make_plan(config, f"{tmp_path}/plan.jsonl", accept_rate=[USER_ID.title])
    assert (plan.summary.count, plan.summary.left[0].reason) == (
        0,
        "users is empty, so every reference to it looks broken; the fault is there",
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"column": "user"}, "table 'orders' has no column 'user'; did you mean 'user_id'?"),
        ({"column": "user_id", "references": "user.id"}, "there is no table 'user'; did you mean 'users'?"),
        (
            {"columns": ("user_id", "email"), "references": "users"},
            "orphan-orders-user_id-email: 2 columns cannot refer to 1 of 'users'; name them in 'referenced_columns'",
        ),
    ],
)
def test_what_is_not_there_is_told_in_one_line(database: Database, options: dict[str, str], reason: str) -> None:
    run_script(database, ORDERS)
    told = scan(config_of(database, Orphan(**{"table": "orders", "references": "users.id", **options})))  # type: ignore[arg-type]  # the values are of many types
    assert (told.exit_code, told.results[0].reason) == (3, reason)


def proposals(database: Database, script: list[str]) -> list[Check]:
    run_script(database, script)
    return [check for check in propose(config_of(database)) if isinstance(check, Orphan)]


def test_a_declared_reference_is_proposed(database: Database) -> None:
    found = proposals(
        database,
        [
            *LINES[:2],
            (
                "CREATE TABLE l (id INTEGER PRIMARY KEY, t INTEGER, n INTEGER, o INTEGER, "
                "FOREIGN KEY (t, n) REFERENCES orders (tenant, number), FOREIGN KEY (o) REFERENCES l (id))"
            ),
        ],
    )
    assert sorted(check.title for check in found) == ["orphan-l-o", "orphan-l-t-n"]
    assert {check.references for check in found if isinstance(check, Orphan)} == {"orders", "l.id"}


def test_a_reference_implied_by_name_and_value_is_proposed(database: Database) -> None:
    users = ", ".join(f"({number}, 'u{number}')" for number in range(1, 30))
    posts = ", ".join(f"({number}, {number % 9 + 1}, {number % 9 + 1})" for number in range(1, 40))
    found = proposals(
        database,
        [
            "CREATE TABLE auth_user (id INTEGER PRIMARY KEY, name {TEXT_KEY})",
            f"INSERT INTO auth_user VALUES {users}",
            "CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INTEGER, userid INTEGER)",
            f"INSERT INTO posts VALUES {posts}, (100, 99, 1)",
        ],
    )
    assert found == [
        Orphan(table="posts", column="user_id", references="auth_user.id"),
        Orphan(table="posts", column="userid", references="auth_user.id"),
    ]


def test_false_friends_are_not_proposed(database: Database) -> None:
    rows = ", ".join(f"({number}, {number + 1000}, {number % 2 + 1}, 'v{number}', {number})" for number in range(1, 40))
    pages = ", ".join(f"({number})" for number in range(1, 60))
    assert (
        proposals(
            database,
            [
                "CREATE TABLE sessions (id INTEGER PRIMARY KEY)",
                f"INSERT INTO sessions VALUES {pages}",
                (
                    "CREATE TABLE pages (id INTEGER PRIMARY KEY, session_id INTEGER, page_id INTEGER, "
                    "sessions_id {TEXT_KEY}, paid INTEGER)"
                ),
                f"INSERT INTO pages VALUES {rows}",
            ],
        )
        == []
    )
