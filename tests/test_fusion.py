"""One pass for many checks: the counts, and every key however the engine hands it back."""

import pytest
from sqlalchemy import Connection

from tests.engines import Database
from tests.rowhash import execute
from trueup.check import RowCheck
from trueup.checks.missing import Missing
from trueup.checks.out_of_range import OutOfRange
from trueup.scan import keys
from trueup.scan.keys import unpack
from trueup.scan.one_pass import Fusion
from trueup.stores.sql import SqlDatabase, SqlStore

ROWS = 300
CHECKS: list[RowCheck] = [
    OutOfRange(table="t", column="a", minimum="0", maximum="100"),
    Missing(table="t", columns=("b",)),
]
#: Key to mask: bit 0 for a out of range, bit 1 for b missing.
EXPECTED = {str(i): (i % 7 == 0) + 2 * (i % 5 == 0) for i in range(1, ROWS + 1) if i % 7 == 0 or i % 5 == 0}


def fill(database: Database, key: str = "id BIGINT PRIMARY KEY") -> None:
    """A table whose every seventh row is out of range and every fifth has nothing in `b`."""
    rows = ", ".join(
        f"({i}, {-1 if i % 7 == 0 else i % 100}, {'NULL' if i % 5 == 0 else i})" for i in range(1, ROWS + 1)
    )
    execute(database, [f"CREATE TABLE t ({key}, a INTEGER, b INTEGER)", f"INSERT INTO t VALUES {rows}"])


def walk(store: SqlStore, connection: Connection) -> tuple[Fusion, dict[str, int]]:
    """Run the pass; every key it hands back, with its mask."""
    fusion = Fusion(SqlDatabase(store, connection), CHECKS)
    marked = [(key[0], mask) for batch, _ in fusion.run() for key, mask in batch]
    assert len(marked) == len(dict(marked)), "a key came twice"
    return fusion, dict(marked)


def test_every_broken_key_comes_once_with_the_checks_that_call_it_broken(database: Database) -> None:
    fill(database)
    store = SqlStore("app", database.url)
    with store.connect() as connection:
        fusion, marked = walk(store, connection)
    store.close()
    assert marked == EXPECTED
    assert fusion.totals.rows == ROWS
    assert fusion.totals.broken == [ROWS // 7, ROWS // 5]


def test_ranges_of_the_key_hand_back_the_same(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database)
    monkeypatch.setattr(keys, "RANGE", 40)
    store = SqlStore("app", database.url)
    with store.connect() as connection:
        fusion, marked = walk(store, connection)
    store.close()
    assert marked == EXPECTED
    assert fusion.totals.rows == ROWS


def test_an_aggregate_that_may_have_been_cut_short_is_not_believed(database: Database) -> None:
    fill(database)
    store = SqlStore("app", database.url)
    with store.connect() as connection:
        connection.info["collect_limit"] = 100
        fusion, marked = walk(store, connection)
    store.close()
    assert marked == EXPECTED
    assert fusion.totals.broken == [ROWS // 7, ROWS // 5]


def test_a_key_of_text_is_streamed(database: Database) -> None:
    fill(database, key="id VARCHAR(20) PRIMARY KEY")
    store = SqlStore("app", database.url)
    with store.connect() as connection:
        _, marked = walk(store, connection)
    store.close()
    assert {key.strip("'"): mask for key, mask in marked.items()} == EXPECTED


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        (None, 10, []),
        ("7:1.,9:3.", None, [(("7",), 1), (("9",), 3)]),
        (b"-7:1.", 100, [(("-7",), 1)]),
        ("7:1.,9:", 100, None),
        ("7:1.,9:3.", 9, None),
    ],
)
def test_keys_are_read_from_a_whole_text_only(text: object, limit: int | None, expected: object) -> None:
    pages = unpack(text, limit)
    assert (pages and [marked for page in pages for marked in page]) == expected
