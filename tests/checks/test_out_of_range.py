import pytest

from tests.engines import Database
from tests.planted import Case, people
from tests.proof import config_of, prove, run_script
from trueup.checks.out_of_range import OutOfRange
from trueup.run import scan

#: For tests/test_planted_secrets.py.
PLANTED = Case(
    people("salary INT", "(77340771)", "('zorblatt')", "(5)"),
    {"column": "salary", "maximum": "100"},
    ("clamp", "nullify"),
)  # fmt: skip

ITEMS = [
    (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, rate {DOUBLE}, stock INTEGER, price DECIMAL(12,2), "
        "made {TIMESTAMP}, day DATE)"
    ),
    """INSERT INTO items VALUES
       (1, 0.0, 0, 0.00, '2024-01-01 00:00:00', '2024-01-01'),
       (2, 1.0, 10, 99.99, '2024-12-31 23:59:59', '2024-12-31'),
       (3, 1.5, 11, 100.00, '2025-01-01 00:00:00', '2025-01-01'),
       (4, -0.25, -3, -0.01, '0202-05-05 10:00:00', '0202-05-05'),
       (5, NULL, NULL, NULL, NULL, NULL),
       (6, 0.5, 5, 12345678.91, '2024-06-15 12:00:00', '2024-06-15')""",
]


def test_numbers_outside_are_found_clamped_and_nullified(database: Database) -> None:
    check = OutOfRange(table="items", column="rate", minimum="0", maximum="1")
    proof = prove(
        check,
        database,
        ITEMS,
        broken=[3, 4],
        repairs={"clamp": [3, 4], "nullify": [3, 4]},
        mended={"clamp": {("rate", 3): 1, ("rate", 4): 0}, "nullify": {("rate", 3): None}},
    )
    assert proof.messages() == {
        "3": "items.rate is 1.5, above the maximum 1",
        "4": "items.rate is -0.25, below the minimum 0",
    }
    assert proof.masked_messages() == {
        "3": "items.rate is above the maximum 1",
        "4": "items.rate is below the minimum 0",
    }


def test_a_bound_between_two_whole_numbers_is_not_rounded_out_of_the_range(database: Database) -> None:
    check = OutOfRange(table="items", column="stock", minimum="0.5", maximum="10.5")
    prove(
        check,
        database,
        ITEMS,
        broken=[1, 3, 4],
        repairs={"clamp": [1, 3, 4]},
        mended={"clamp": {("stock", 1): "1", ("stock", 3): "10", ("stock", 4): "1"}},
    )


def test_decimals_are_compared_exactly(database: Database) -> None:
    check = OutOfRange(table="items", column="price", maximum="99.99")
    prove(check, database, ITEMS, broken=[3, 6], repairs={"clamp": [3, 6]}, mended={"clamp": {("price", 6): 99.99}})


def test_a_bound_that_the_column_would_round_is_not_written(database: Database) -> None:
    check = OutOfRange(table="items", column="price", minimum="-0.005", maximum="99.995")
    # SQLite keeps what it is given, whatever the column's type says
    clamped = [3, 4, 6] if database.engine == "sqlite" else []
    prove(check, database, ITEMS, broken=[3, 4, 6], repairs={"clamp": clamped})


@pytest.mark.quick_on("sqlite")
@pytest.mark.parametrize("column", ["made", "day"])
def test_dates_outside_are_found_and_clamped(database: Database, column: str) -> None:
    check = OutOfRange(table="items", column=column, minimum="2024-01-01", maximum="2024-12-31 23:59:59")
    if column == "day":
        check = OutOfRange(table="items", column=column, minimum="2024-01-01", maximum="2024-12-31")
    proof = prove(check, database, ITEMS, broken=[3, 4], repairs={"clamp": [3, 4], "nullify": [3, 4]})
    assert proof.masked_messages() == {
        "3": f"items.{column} is above the maximum {check.maximum}",
        "4": f"items.{column} is below the minimum 2024-01-01",
    }


def test_one_bound_is_enough(database: Database) -> None:
    prove(OutOfRange(table="items", column="stock", minimum="0"), database, ITEMS, broken=[4])


def test_values_within_are_passed_over_in_silence(database: Database) -> None:
    check = OutOfRange(table="items", column="stock", minimum="-1000000000000000000000", maximum="1e30")
    prove(check, database, ITEMS, broken=[])


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("kind", ["DOUBLE PRECISION", "REAL", "NUMERIC"])
def test_what_is_no_number_is_never_in_range(database: Database, kind: str) -> None:
    proof = prove(
        OutOfRange(table="t", column="v", minimum="0"),
        database,
        [
            f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {kind})",
            "INSERT INTO t VALUES (1, 'NaN'), (2, 1), (3, 'Infinity')",
        ],
        broken=[1],
        repairs={"clamp": [], "nullify": [1]},
    )
    assert proof.messages() == {"1": "t.v is NaN, which is no number"}
    assert proof.masked_messages() == {"1": "t.v is no number"}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_text_in_a_column_of_numbers_is_never_in_range(database: Database) -> None:
    proof = prove(
        OutOfRange(table="t", column="v", minimum="0", maximum="10"),
        database,
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)",
            "INSERT INTO t VALUES (1, 'abc'), (2, 1), (3, '7'), (4, x'37'), (5, 9e999), (6, 10.5), (7, 9.5)",
        ],
        broken=[1, 4, 5, 6],
        repairs={"clamp": [5, 6], "nullify": [1, 4, 5, 6]},
    )
    assert proof.messages()["1"] == "t.v is abc, which is no number"


@pytest.mark.parametrize("engine", ["postgresql", "mysql", "mariadb"], indirect=True)
def test_single_precision_equals_the_bound_as_written(database: Database) -> None:
    kind = "REAL" if database.engine == "postgresql" else "FLOAT"
    prove(
        OutOfRange(table="t", column="v", minimum="0.1", maximum="0.7"),
        database,
        [f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {kind})", "INSERT INTO t VALUES (1, 0.1), (2, 0.7), (3, 0.70001)"],
        broken=[3],
        repairs={"clamp": [3]},
    )


@pytest.mark.parametrize(
    ("column", "bound", "wanted"),
    [
        ("stock", "many", "number"),
        ("rate", "nan", "number"),
        ("made", "yesterday", "timestamp, as 2024-01-31 08:30:00"),
        ("day", "x", "date, as 2024-01-31"),
    ],
)
def test_a_bound_of_another_type_is_refused_in_one_line(
    database: Database, column: str, bound: str, wanted: str
) -> None:
    if database.engine == "sqlite" and column in ("made", "day"):
        wanted = "date or a time"
    run_script(database, ITEMS)
    told = scan(config_of(database, OutOfRange(table="items", column=column, minimum=bound)))
    reason = f"out-of-range of items.{column} cannot use {bound!r}; write a {wanted}"
    assert (told.exit_code, told.results[0].reason) == (3, reason)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "out-of-range needs 'minimum' or 'maximum'"),
        ({"minimum": "2", "maximum": "1"}, "out-of-range: no value is between 2 and 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        OutOfRange(table="items", column="stock", **options)  # type: ignore[arg-type]  # the values are text
    assert str(caught.value) == message
