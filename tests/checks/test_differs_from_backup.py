"""The kind `differs-from-backup`, there and back on every engine."""

from tests.engines import Database
from tests.planted import Case, people
from tests.proof import prove
from trueup.checks.differs_from_backup import DiffersFromBackup

#: For tests/test_planted_secrets.py.
PLANTED = Case(
    people("email TEXT", "('zorblatt1')", "('zorblatt2')")
    + "CREATE TABLE old (id INTEGER PRIMARY KEY, email TEXT);"
    "INSERT INTO old VALUES (1, 'quxified'), (2, 'zorblatt2');",
    {"columns": ["email"], "copy": "old"},
    ("restore",),
    shows_values=False,
)  # fmt: skip

TABLE = "(id INTEGER PRIMARY KEY, name VARCHAR(50), amount DECIMAL(12,2), metadata {JSON})"
SCRIPT = [
    f"CREATE TABLE orders {TABLE}",
    f"CREATE TABLE orders_before {TABLE}",
    """INSERT INTO orders VALUES (1, 'as it was', 1.50, '{"a": 1}'), (2, 'changed', 2.00, '{}'), (3, NULL, 3.00, NULL),
    (4, 'case', 4.00, '{}'), (5, 'new', 5.00, '{}')""",
    """INSERT INTO orders_before VALUES (1, 'as it was', 1.50, '{"a": 1}'), (2, 'before', 2.00, '{"b": 2}'),
    (3, 'a name', 3.00, '{}'), (4, 'CASE', 4.00, '{}'), (9, 'gone', 9.00, '{}')""",
]


def test_rows_that_are_not_as_in_the_copy_are_found_and_restored(database: Database) -> None:
    check = DiffersFromBackup(table="orders", columns=("name", "metadata"), copy="orders_before")
    proof = prove(
        check,
        database,
        SCRIPT,
        broken=[2, 3, 4],
        repairs={"restore": [2, 3, 4]},
        mended={
            "restore": {("name", 2): "before", ("name", 3): "a name", ("name", 4): "CASE", ("metadata", 2): {"b": 2}}
        },
    )
    assert proof.messages()["2"] == "orders (name, metadata) is not as in orders_before"


def test_a_copy_that_is_the_same_says_nothing(database: Database) -> None:
    script = [*SCRIPT[:3], "INSERT INTO orders_before SELECT * FROM orders"]
    prove(DiffersFromBackup(table="orders", columns=("name",), copy="orders_before"), database, script, broken=[])
