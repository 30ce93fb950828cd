"""Foreign keys between unlike types: MySQL and MariaDB take them, and compare the bytes that are stored."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from tests.dialects.accounts import DIALECTS
from tests.engines import Database
from tests.proof import config_of
from tests.rowhash import execute, row_hashes
from trueup.checks.missing import Missing
from trueup.checks.orphan import Orphan
from trueup.engines._innodb.dialect import InnoDB
from trueup.findings import Record
from trueup.run import apply, make_plan, propose, scan, undo

pytestmark = pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)

LATIN = "CHARACTER SET latin1 COLLATE latin1_swedish_ci"
PADDED = "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"


@pytest.fixture
def dialect(database: Database) -> InnoDB:
    return DIALECTS[database.engine]()


@pytest.fixture
def reader(database: Database, dialect: InnoDB) -> Iterator[Connection]:
    with dialect.engine(make_url(database.url), write=False).connect() as connection:
        yield connection


def family(database: Database, parent: str, child: str, *rows: str) -> None:
    execute(
        database,
        [
            f"CREATE TABLE t (id INT PRIMARY KEY, k {parent} NOT NULL UNIQUE, name VARCHAR(9))",
            f"""CREATE TABLE c (id INT PRIMARY KEY, k {child}, note VARCHAR(9),
            CONSTRAINT fk FOREIGN KEY (K) REFERENCES t (k) ON DELETE CASCADE)""",
            *rows,
        ],
    )


@pytest.mark.parametrize(
    ("parent", "child", "equality"),
    [
        ("DECIMAL(5,1)", "DECIMAL(5,2)", False),
        ("DECIMAL(5,2)", "DECIMAL(7,2)", False),
        ("YEAR", "TINYINT UNSIGNED", False),
        ("BIT(8)", "BIT(16)", False),
        ("BIT(8)", "BINARY(1)", False),
        ("BINARY(4)", "BINARY(6)", False),
        ("DATETIME", "BINARY(5)", False),
        ("DATETIME", "DATETIME(2)", False),
        ("TIME", "BINARY(3)", False),
        ("ENUM('5','1')", "TINYINT UNSIGNED", False),
        ("INT", "INT", True),
        ("INT(6) ZEROFILL", "INT UNSIGNED", True),
        ("BIGINT UNSIGNED", "BIGINT UNSIGNED", True),
        ("DECIMAL(5,2)", "DECIMAL(5,2)", True),
        ("DATETIME(6)", "DATETIME(6)", True),
        ("DATE", "DATE", True),
        ("YEAR", "YEAR", True),
        ("BINARY(16)", "BINARY(16)", True),
        ("BINARY(4)", "VARBINARY(8)", True),
        (f"CHAR(5) {LATIN}", f"VARCHAR(9) {LATIN}", True),
        (f"CHAR(5) {PADDED}", f"VARCHAR(9) {PADDED}", True),
        ("VARCHAR(5)", "VARCHAR(9)", True),
        ("ENUM('a','b')", "ENUM('b','a')", True),
        ("ENUM('a','b')", "SET('a','b','c')", True),
    ],
)
def test_a_key_is_equality_where_sql_says_what_its_bytes_say(
    database: Database, dialect: InnoDB, reader: Connection, parent: str, child: str, equality: bool
) -> None:
    family(database, parent, child)
    (outward,), (inward,) = dialect.table(reader, "c").references, dialect.table(reader, "t").referenced_by
    assert (outward.equality, inward.equality) == (equality, equality)


def test_under_a_collation_without_padding_a_varchar_finds_no_char(
    database: Database, dialect: InnoDB, reader: Connection
) -> None:
    collation = {"mysql": "utf8mb4_0900_ai_ci", "mariadb": "utf8mb4_general_nopad_ci"}[database.engine]
    family(database, f"CHAR(5) COLLATE {collation}", f"VARCHAR(5) COLLATE {collation}")
    (reference,) = dialect.table(reader, "t").referenced_by
    assert not reference.equality


@pytest.mark.parametrize(
    ("parent", "child", "values"),
    [("DECIMAL(5,1)", "DECIMAL(5,2)", ("0.5", "0.05")), ("YEAR", "TINYINT UNSIGNED", ("1970", "70"))],
)
def test_what_only_the_bytes_of_a_key_tell_is_neither_deleted_nor_called_an_orphan(
    database: Database, tmp_path: Path, parent: str, child: str, values: tuple[str, str]
) -> None:
    rows = (f"INSERT INTO t VALUES (1, {values[0]}, NULL)", f"INSERT INTO c VALUES (1, {values[1]}, 'precious')")
    family(database, parent, child, *rows)
    before = row_hashes(database)
    config = config_of(database, Missing(table="t", column="name", name="n", repair=("quarantine",)))
    path = str(tmp_path / "plan.jsonl")
    (left,) = make_plan(config, path).summary.left
    assert (left.count, left.reason) == (1, "c refers to rows of t by a rule that is not equality (fk)")
    # what deletes nothing goes on
    config = config_of(database, Missing(table="t", column="name", name="n", fill="x", repair=("fill",)))
    make_plan(config, path, accept_rate=["n"])
    run = apply(config, path, confirm="yes")
    assert run.states == {"applied": 1}
    assert undo(config, run.run_id, confirm="yes").states == {"undone": 1}
    assert row_hashes(database) == before
    config = config_of(database, Orphan(table="c", column="k", references="t.k", name="o"))
    (result,) = scan(config).results
    assert result.reason == (
        "fk refers by a rule that is not equality (a period, or the bytes of unlike types), which only the engine can"
        " ask"
    )
    assert [check for check in propose(config) if isinstance(check, Orphan)] == []


def test_members_refer_by_their_numbers(database: Database) -> None:
    family(
        database, "ENUM('x','y')", "ENUM('y','x','z')",
        "INSERT INTO t VALUES (1, 'x', 'a')",
        "INSERT INTO c VALUES (1, 'y', 'parent')",
        "SET foreign_key_checks = 0",
        "INSERT INTO c VALUES (2, 'x', 'orphan')",
    )  # fmt: skip
    (result,) = scan(config_of(database, Orphan(table="c", column="k", references="t.k", name="o"))).results
    (finding,) = result.samples
    assert isinstance(finding.where, Record)
    assert finding.where.key == ("2",)
