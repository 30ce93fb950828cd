import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engines import Database
from tests.planted import Case, people
from tests.proof import config_of, prove, run_script
from tests.rowhash import changed_rows, execute, row_hashes
from trueup.checks.stale_total import StaleTotal
from trueup.errors import Refused
from trueup.run import apply, make_plan, scan, undo
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.verbs.advise import advise

#: For tests/test_planted_secrets.py.
PLANTED = Case(
    people("total INT", "(7734077)", "(0)")
    + "CREATE TABLE paid (id INTEGER PRIMARY KEY, t_id INT, amount INT, payer TEXT);"
    "INSERT INTO paid VALUES (1, 1, 77340778, 'zorblatt');",
    {"column": "total", "sum_of": "paid.amount", "by": "t_id"},
    ("recompute",),
)  # fmt: skip

SHOP = [
    """CREATE TABLE users (id INTEGER PRIMARY KEY, orders INTEGER, volume DECIMAL(12, 2), volumes {JSON})""",
    """CREATE TABLE purchases (id INTEGER PRIMARY KEY, user_id INTEGER, quantity INTEGER, price DECIMAL(12, 2),
       status VARCHAR(20))""",
    "CREATE INDEX by_user ON purchases (user_id)",
    """INSERT INTO purchases VALUES
       (1, 1, 2, 12.75, 'paid'), (2, 1, 1, 0.10, 'paid'), (3, 1, 1, 0.20, 'paid'), (4, 1, 9, 99, 'open'),
       (5, 2, 1, 5000, 'paid'), (6, 3, 3, 10, 'sent'), (7, 4, 1, 7.50, 'paid'), (8, NULL, 1, 1, 'paid'),
       (9, 77, 1, 1, 'paid'), (10, 6, 1, 5, 'paid'), (11, 6, 1, -5, 'paid'), (12, 5, 1, NULL, 'paid')""",
    """INSERT INTO users VALUES
       (1, 3, 25.80, '{"personalTotal": 25.8, "kept": "\\u00e9"}'), (2, 1, 4999.99, '{"personalTotal": 4999.99}'),
       (3, NULL, NULL, NULL), (4, NULL, NULL, '{"autoship": {"enabled": true}}'), (5, 1, 0, '{"personalTotal": null}'),
       (6, 0, NULL, '{"personalTotal": "5"}'), (7, 7, 0, '[]'), (8, -1, 3, '{"personalTotal": 0}')""",
]
# a backslash in a literal is doubled for MySQL and MariaDB
SHOPS = {
    engine: [statement.replace("\\\\", "\\") if engine in ("sqlite", "postgresql") else statement for statement in SHOP]
    for engine in ("sqlite", "postgresql", "mysql", "mariadb")
}
COUNT = StaleTotal(
    table="users", column="orders", count_of="purchases", by=("purchases.user_id",), where={"status": ("paid",)}
)
SUM = StaleTotal(
    table="users", column="volume", sum_of="purchases.quantity * price", by=("user_id",), where={"status": ("paid",)}
)
IN_JSON = replace(SUM, column="volumes.personalTotal")


def test_a_count_that_disagrees_with_its_rows_is_found_and_counted_again(database: Database) -> None:
    proof = prove(
        COUNT,
        database,
        SHOPS[database.engine],
        broken=[4, 6, 7, 8],
        repairs={"recompute": [4, 6, 7, 8]},
        mended={"recompute": {("orders", 4): 1, ("orders", 6): 2, ("orders", 7): 0, ("orders", 8): 0}},
    )
    assert proof.messages() == {
        "4": "users.orders is NULL, but the count of purchases where status is paid is 1",
        "6": "users.orders is 0, but the count of purchases where status is paid is 2",
        "7": "users.orders is 7, but the count of purchases where status is paid is 0",
        "8": "users.orders is -1, but the count of purchases where status is paid is 0",
    }
    assert proof.masked_messages() == {
        "4": "users.orders is NULL, not the count of purchases where status is paid",
        **dict.fromkeys(["6", "7", "8"], "users.orders is not the count of purchases where status is paid"),
    }


def test_a_sum_of_products_is_compared_by_value(database: Database) -> None:
    # 2 * 12.75 + 0.10 + 0.20 is 25.80 however it is added; sums of nothing, of NULL and of 5 - 5 are 0, as NULL is
    prove(
        SUM,
        database,
        SHOPS[database.engine],
        broken=[2, 4, 8],
        repairs={"recompute": [2, 4, 8]},
        mended={"recompute": {("volume", 2): 5000, ("volume", 4): 7.5, ("volume", 8): 0}},
    )


def test_a_number_inside_json_is_written_and_the_rest_of_the_document_stays(database: Database) -> None:
    proof = prove(
        IN_JSON,
        database,
        SHOPS[database.engine],
        broken=[2, 4, 6],
        repairs={"recompute": [2, 4, 6]},
        mended={
            "recompute": {
                ("volumes", 2): {"personalTotal": 5000},
                ("volumes", 4): {"autoship": {"enabled": True}, "personalTotal": 7.5},
                ("volumes", 6): {"personalTotal": 0},
            }
        },
    )
    source = "the sum of purchases.quantity * price where status is paid"
    assert proof.masked_messages() == {
        "2": f"users.volumes.personalTotal is not {source}",
        "4": f"users.volumes.personalTotal is NULL, not {source}",
        "6": f"users.volumes.personalTotal is not {source}",
    }


def test_where_there_is_no_document_one_is_made_and_a_list_is_left_alone(database: Database) -> None:
    check = StaleTotal(table="users", column="volumes.of.sent", sum_of="purchases.quantity", by=("user_id",))
    extra = "INSERT INTO purchases VALUES (20, 7, 4, 1, 'sent')"
    proof = prove(
        check,
        database,
        [*SHOPS[database.engine], extra],
        broken=[1, 2, 3, 4, 5, 6, 7],
        repairs={"recompute": [1, 2, 3, 4, 5, 6]},
        mended={
            "recompute": {
                ("volumes", 3): {"of": {"sent": 3}},
                ("volumes", 5): {"personalTotal": None, "of": {"sent": 1}},
            }
        },
    )
    assert proof.messages()["7"] == "users.volumes.of.sent is NULL, but the sum of purchases.quantity is 4"


def test_right_totals_are_passed_over_in_silence(database: Database) -> None:
    right = "DELETE FROM users WHERE id IN (2, 4, 6, 7, 8)"
    for check in (COUNT, SUM, IN_JSON):
        if check is COUNT:
            prove(check, database, [*SHOPS[database.engine], right], broken=[])
        else:
            assert scan(config_of(database, check)).exit_code == 0


def test_without_an_index_the_same_rows_are_found(database: Database) -> None:
    script = [statement for statement in SHOPS[database.engine] if not statement.startswith("CREATE INDEX")]
    proof = prove(SUM, database, script, broken=[2, 4, 8], repairs={"recompute": [2, 4, 8]})
    assert "but the sum of purchases.quantity * price where status is paid is 7.5" in proof.messages()["4"]


def test_a_tolerance_allows_a_difference(database: Database) -> None:
    prove(replace(SUM, tolerance="0.01"), database, SHOPS[database.engine], broken=[4, 8])


def test_the_column_is_compared_with_its_twin_in_json(database: Database) -> None:
    check = StaleTotal(table="users", column="volumes.personalTotal", equals="volume")
    proof = prove(
        check,
        database,
        [*SHOPS[database.engine], "UPDATE users SET volume = 7.25 WHERE id = 4"],
        broken=[4, 6, 8],
        repairs={"recompute": [4, 8]},
        mended={"recompute": {("volumes", 4): {"autoship": {"enabled": True}, "personalTotal": 7.25}}},
    )
    assert proof.messages()["8"].startswith("users.volumes.personalTotal is 0, but volume is 3")
    assert proof.masked_messages()["8"] == "users.volumes.personalTotal is not volume"


def test_a_column_takes_the_number_of_its_twin_in_json(database: Database) -> None:
    check = StaleTotal(table="users", column="volume", equals="volumes.personalTotal", when={"id": ("2", "4", "8")})
    prove(
        check,
        database,
        [*SHOPS[database.engine], "UPDATE users SET volume = 7.25 WHERE id IN (2, 4, 6)"],
        broken=[2, 4, 8],
        repairs={"recompute": [2, 8]},
        mended={"recompute": {("volume", 2): 4999.99, ("volume", 8): 0}},
    )


PIONEERS = [
    "CREATE TABLE users (id INTEGER PRIMARY KEY, upline INTEGER, status {JSON})",
    """INSERT INTO users VALUES (1, NULL, '{"pioneerPurchasesCount": 3}'), (2, 1, '{"hasPioneerBonus": true}'),
       (3, 1, '{"hasPioneerBonus": true}'), (4, 2, '{"hasPioneerBonus": false}'), (5, 2, NULL), (6, 2, '[]'),
       (7, 2, '{"hasPioneerBonus": null}')""",
]


def test_one_row_counts_all_rows_of_its_own_table(database: Database) -> None:
    check = StaleTotal(
        table="users",
        column="status.pioneerPurchasesCount",
        count_of="users",
        where={"status.hasPioneerBonus": ("true",)},
        when={"upline": ("null",)},
    )
    proof = prove(
        check,
        database,
        PIONEERS,
        broken=[1],
        repairs={"recompute": [1]},
        mended={"recompute": {("status", 1): {"pioneerPurchasesCount": 2}}},
    )
    assert proof.messages() == {
        "1": "users.status.pioneerPurchasesCount is 3, but the count of users where status.hasPioneerBonus is true is 2"
    }


def test_rows_that_refer_from_inside_json_are_counted(database: Database) -> None:
    check = StaleTotal(table="quiz", column="attempts", count_of="events", by=("metadata.quiz_id",))
    prove(
        check,
        database,
        [
            "CREATE TABLE quiz (id INTEGER PRIMARY KEY, attempts INTEGER NOT NULL)",
            "INSERT INTO quiz VALUES (1, 2), (2, 0), (3, 1)",
            "CREATE TABLE events (id INTEGER PRIMARY KEY, metadata {JSON})",
            """INSERT INTO events VALUES (1, '{"quiz_id": 1}'), (2, '{"quiz_id": "1"}'), (3, '{"quiz_id": 2}'),
               (4, '[]'), (5, NULL), (6, '{"quiz_id": "x"}')""",
        ],
        broken=[2, 3],
        repairs={"recompute": [2, 3]},
    )


def test_all_of_it_may_lie_inside_json(database: Database) -> None:
    check = StaleTotal(
        table="users",
        column="m.x.y.total",
        sum_of="history.amount * amount",
        by=("data.user.id",),
        where={"data.s.state": ("paid", "sent"), "data.s.n": (">= 5",), "data.user.id": ("not null",)},
        when={"conf.a.on": ("true",)},
        tolerance="0.001",
    )
    prove(
        check,
        database,
        [
            "CREATE TABLE users (id INTEGER PRIMARY KEY, conf {JSON}, m {JSON})",
            """INSERT INTO users VALUES (1, '{"a": {"on": true}}', '{"x": {"y": {"total": 2.2501}}}'),
               (2, '{"a": {"on": true}}', '{"x": {"z": 1}}'), (3, '{"a": {"on": false}}', NULL)""",
            "CREATE TABLE history (id INTEGER PRIMARY KEY, data {JSON}, amount DECIMAL(10, 2))",
            """INSERT INTO history VALUES (1, '{"user": {"id": 1}, "s": {"state": "paid", "n": 5}}', 1.5),
               (2, '{"user": {"id": 2}, "s": {"state": "sent", "n": 7}}', 2.5),
               (3, '{"user": {"id": 2}, "s": {"state": "open", "n": 7}}', 100)""",
        ],
        broken=[2],
        repairs={"recompute": [2]},
        mended={"recompute": {("m", 2): {"x": {"z": 1, "y": {"total": 6.25}}}}},
    )


def test_several_columns_may_refer_to_other_columns_than_the_key(database: Database) -> None:
    check = StaleTotal(
        table="accounts", column="lines", count_of="ledger", by=("tenant", "code"), key=("tenant", "name")
    )
    prove(
        check,
        database,
        [
            "CREATE TABLE accounts (id INTEGER PRIMARY KEY, tenant INTEGER, name {TEXT_KEY}, lines INTEGER)".replace(
                " lines ", " {LINES} "
            ).replace("{LINES}", "`lines`" if database.engine in ("mysql", "mariadb") else "lines"),
            "INSERT INTO accounts VALUES (1, 1, 'a', 1), (2, 1, 'b', 1), (3, 2, 'a', 2), (4, NULL, 'a', 0)",
            "CREATE TABLE ledger (id INTEGER PRIMARY KEY, tenant INTEGER, code {TEXT_KEY})",
            "INSERT INTO ledger VALUES (1, 1, 'a'), (2, 2, 'a'), (3, 2, 'b'), (4, NULL, 'a')",
        ],
        broken=[2, 3],
        repairs={"recompute": [2, 3]},
    )


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ({"status": ("paid", "sent")}, 11),
        ({"price": (">= 5000",)}, 1),
        ({"price": ("< 0", "99.00")}, 2),
        ({"user_id": ("null",)}, 1),
        ({"status": ("not null",), "quantity": ("> 1", "<= 0")}, 3),
        ({"status": (">= p",)}, 11),
    ],
)
def test_rows_count_where_they_are_as_it_says(database: Database, where: Any, count: int) -> None:
    run_script(database, [*SHOPS[database.engine], "UPDATE users SET orders = -7"])
    check = StaleTotal(table="users", column="orders", count_of="purchases", where=where, when={"id": ("1",)})
    (result,) = scan(config_of(database, check), values=True).results
    assert result.status == "findings", result.reason
    assert result.samples[0].evidence["value_derived"] == str(count)


def test_what_a_column_cannot_hold_is_left_to_a_person(database: Database) -> None:
    check = StaleTotal(table="users", column="small", sum_of="purchases.amount", by=("user_id",))
    kind = "INTEGER" if database.engine == "sqlite" else "SMALLINT"
    prove(
        check,
        database,
        [
            f"CREATE TABLE users (id INTEGER PRIMARY KEY, small {kind})",
            "INSERT INTO users VALUES (1, 0), (2, 3), (3, 4), (4, 9)",
            "CREATE TABLE purchases (id INTEGER PRIMARY KEY, user_id INTEGER, amount {DOUBLE})",
            "INSERT INTO purchases VALUES (1, 1, 40000), (2, 2, 2.75), (3, 3, 3.25), (4, 4, 2.25)",
        ],
        broken=[1, 3, 4],
        repairs={"recompute": [1, 3, 4] if database.engine == "sqlite" else [3, 4]},
        mended={"recompute": {("small", 3): 3, ("small", 4): 2}},
    )


@pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)
def test_unsigned_columns_are_compared_without_going_below_zero(database: Database) -> None:
    check = StaleTotal(table="users", column="n", sum_of="purchases.amount", by=("user_id",), tolerance="1")
    prove(
        check,
        database,
        [
            "CREATE TABLE users (id INTEGER PRIMARY KEY, n BIGINT UNSIGNED)",
            "INSERT INTO users VALUES (1, 0), (2, 3), (3, 18446744073709551615)",
            "CREATE TABLE purchases (id INTEGER PRIMARY KEY, user_id INTEGER, amount BIGINT UNSIGNED)",
            "INSERT INTO purchases VALUES (1, 1, 1), (2, 2, 9), (3, 3, 18446744073709551615)",
        ],
        broken=[2],
        repairs={"recompute": [2]},
    )


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_nan_is_never_right(database: Database) -> None:
    check = StaleTotal(table="users", column="volume", sum_of="purchases.amount", by=("user_id",))
    prove(
        check,
        database,
        [
            "CREATE TABLE users (id INTEGER PRIMARY KEY, volume DOUBLE PRECISION)",
            "INSERT INTO users VALUES (1, 'NaN'), (2, 0.30000000000000004), (3, 1)",
            "CREATE TABLE purchases (id INTEGER PRIMARY KEY, user_id INTEGER, amount REAL)",
            "INSERT INTO purchases VALUES (1, 1, 1), (2, 2, 0.25), (3, 2, 0.05), (4, 3, 'NaN')",
        ],
        broken=[1, 3],
    )


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_text_in_a_column_of_numbers_is_never_right(database: Database) -> None:
    script = [
        *SHOPS["sqlite"],
        "UPDATE users SET volume = 'many' WHERE id = 7",
        "UPDATE users SET volume = x'00' WHERE id = 3",
    ]
    prove(SUM, database, script, broken=[2, 3, 4, 7, 8], repairs={"recompute": [2, 3, 4, 7, 8]})


def test_an_empty_table_is_taken_to_be_at_fault_itself(database: Database, tmp_path: Any) -> None:
    run_script(database, [*SHOPS[database.engine], "DELETE FROM purchases"])
    plan = make_plan(config_of(database, COUNT), str(tmp_path / "plan"), because="a test")
    assert [left.reason for left in plan.summary.left] == [
        "purchases is empty, so every reference to it looks broken; the fault is there"
    ]


def test_the_advised_index_is_on_the_rows_that_are_counted(database: Database) -> None:
    run_script(database, [one for one in SHOPS[database.engine] if not one.startswith("CREATE INDEX")])
    twins = StaleTotal(table="users", column="volume", equals="volumes.personalTotal")
    found, none = advise(config_of(database, COUNT, twins))
    assert re.search(r"ON \S*purchases\W+user_id\W+$", found.index.replace("CONCURRENTLY ", "")), found.index
    assert (none.index, none.why) == ("", "each row is judged by itself, so all of them are read")


def test_a_total_of_other_rows_has_no_guard(database: Database) -> None:
    run_script(database, SHOPS[database.engine])
    store = SqlStore("app", database.url)
    try:
        with store.connect() as connection:
            row = SqlDatabase(store, connection).row("users")
            with pytest.raises(Refused) as refused:
                COUNT.constraint(row)
            assert StaleTotal(table="users", column="volume", equals="orders").constraint(row) is None
    finally:
        store.close()
    assert str(refused.value) == (
        "stale-total-users-orders has no guard: rows are written before or after the total that counts them"
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"count_of": "purchase"}, "there is no table 'purchase'; did you mean 'purchases'?"),
        ({"sum_of": "purchases.prise"}, "table 'purchases' has no column 'prise'; did you mean 'price'?"),
        ({"sum_of": "purchases.status"}, "purchases.status is no column of numbers"),
        (
            {"count_of": "purchases", "by": ("user_id", "status")},
            "stale-total-users-orders: 2 columns in 'by' cannot refer to 1 of 'users'; name them in 'key'",
        ),
        ({"count_of": "purchases", "where": {"price": ("much",)}}, "purchases.price cannot be 'much'; write a number"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(database: Database, options: Any, reason: str) -> None:
    run_script(database, SHOPS[database.engine])
    told = scan(
        config_of(database, StaleTotal(**{"table": "users", "column": "orders", "by": ("user_id",), **options}))
    )
    assert (told.exit_code, told.results[0].reason) == (3, reason)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "stale-total needs one of 'count_of', 'sum_of' and 'equals', not 0"),
        ({"count_of": "a", "equals": "b"}, "stale-total needs one of 'count_of', 'sum_of' and 'equals', not 2"),
        (
            {"equals": "b", "by": ("c",)},
            "stale-total with 'equals' compares two numbers of a row and takes no 'by', 'key', 'where'",
        ),
        ({"count_of": "a", "key": ("id",)}, "stale-total with 'key' needs 'by'"),
        ({"sum_of": "amount"}, "stale-total cannot sum 'amount'; write table.column, or table.column * column"),
        (
            {"sum_of": "a.b * c * d"},
            "stale-total cannot sum 'a.b * c * d'; write table.column, or table.column * column",
        ),
        ({"count_of": "a", "where": {"status": ()}}, "stale-total needs a value for 'status' in 'where'"),
        (
            {"count_of": "a", "tolerance": "-1"},
            "stale-total cannot use the tolerance '-1'; write a number from 0 on",
        ),
    ],
)
def test_options_that_say_nothing_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        StaleTotal(table="users", column="total", **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_a_number_beyond_all_doubles_is_wrong_and_makes_no_check_fail(database: Database) -> None:
    kind = {"postgresql": "JSON", "mariadb": "LONGTEXT"}.get(database.engine, "TEXT")
    script = [
        f"CREATE TABLE users (id INTEGER PRIMARY KEY, total {kind})",
        "CREATE TABLE purchases (id INTEGER PRIMARY KEY, user_id INTEGER, amount DOUBLE PRECISION)",
        """INSERT INTO users VALUES (1, '{"t": 1e400}'), (2, '{"t": 3}'), (3, '{"t": -1e400}'), (4, '{"t": 1e200000}'),
           (5, '{"t": 2.5}')""",
        "INSERT INTO purchases VALUES (1, 1, 3), (2, 2, 3), (3, 5, 2.5)",
    ]
    check = StaleTotal(table="users", column="total.t", sum_of="purchases.amount", by=("user_id",))
    prove(check, database, script, broken=[1, 3, 4])


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
def test_infinity_is_right_only_where_the_sum_is_infinite(database: Database) -> None:
    endless = "9e999" if database.engine == "sqlite" else "'Infinity'"
    script = [
        "CREATE TABLE users (id INTEGER PRIMARY KEY, total DOUBLE PRECISION)",
        "CREATE TABLE purchases (id INTEGER PRIMARY KEY, user_id INTEGER, amount DOUBLE PRECISION)",
        f"INSERT INTO users VALUES (1, {endless}), (2, 3), (3, {endless})",
        f"INSERT INTO purchases VALUES (1, 1, 3), (2, 2, 3), (3, 3, {endless})",
    ]
    check = StaleTotal(table="users", column="total", sum_of="purchases.amount", by=("user_id",))
    prove(check, database, script, broken=[1], repairs={"recompute": [1]})


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_sum_that_is_no_number_is_written_nowhere(database: Database) -> None:
    script = [
        "CREATE TABLE users (id INTEGER PRIMARY KEY, total NUMERIC, document JSONB)",
        "CREATE TABLE purchases (id INTEGER PRIMARY KEY, user_id INTEGER, amount NUMERIC)",
        """INSERT INTO users VALUES (1, 1, '{"t": 1}'), (2, 3, '{"t": 3}')""",
        "INSERT INTO purchases VALUES (1, 1, 'NaN'), (2, 2, 4)",
    ]
    check = StaleTotal(table="users", column="total", sum_of="purchases.amount", by=("user_id",))
    prove(check, database, script, broken=[1, 2], repairs={"recompute": [2]})
    run_script(database, ["DROP TABLE users", "DROP TABLE purchases"])
    prove(replace(check, column="document.t"), database, script, broken=[1, 2], repairs={"recompute": [2]})


def test_undo_of_a_total_never_turns_foreign_keys_off(database: Database, tmp_path: Path) -> None:
    # the total is a foreign key too, to the very table that is counted: the old one refers to a row that is gone since
    run_script(
        database,
        [
            "CREATE TABLE paid (id INTEGER PRIMARY KEY, user_id INTEGER)",
            """CREATE TABLE users (id INTEGER PRIMARY KEY, total INTEGER,
               CONSTRAINT total_is_an_id FOREIGN KEY (total) REFERENCES paid (id))""",
            "INSERT INTO paid VALUES (1, 1), (2, 1), (3, 9)",
            "INSERT INTO users VALUES (1, 3)",
        ],
    )
    check = StaleTotal(table="users", column="total", count_of="paid", by=("user_id",))
    config = config_of(database, check)
    plan = str(tmp_path / "plan.jsonl")
    make_plan(config, plan, because="a test", accept_rate=[check.title])
    run = apply(config, plan, confirm="yes", because="a test")
    assert run.states == {"applied": 1}
    execute(database, ["DELETE FROM paid WHERE id = 3"])
    before = row_hashes(database)
    back = undo(config, run.run_id, confirm="yes")
    assert back.states == {"undo_conflict": 1}
    assert re.search(r"(?i)foreign ?key|total_is_an_id", back.listed[0].reason)
    assert not changed_rows(before, row_hashes(database))
