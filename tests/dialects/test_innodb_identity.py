"""Whether MySQL and MariaDB tell a table from another under its name, and how its keys compare."""

import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, select
from sqlalchemy.engine import make_url

from tests.dialects.accounts import DIALECTS
from tests.engines import Database
from tests.rowhash import execute
from trueup.engines._innodb import catalogue
from trueup.engines._innodb.dialect import InnoDB
from trueup.plan import drift

pytestmark = pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)


@pytest.fixture
def dialect(database: Database) -> InnoDB:
    return DIALECTS[database.engine]()


@pytest.fixture
def writer(database: Database, dialect: InnoDB) -> Iterator[Connection]:
    with dialect.engine(make_url(database.url), write=True).connect() as connection:
        yield connection


def test_a_table_keeps_its_identity_until_another_stands_under_its_name(
    database: Database, dialect: InnoDB, writer: Connection
) -> None:
    execute(
        database,
        ["CREATE TABLE `t-%` (id INT PRIMARY KEY, v INT)", "CREATE TABLE gho (id INT PRIMARY KEY, v INT)"],
    )

    def known() -> tuple[str, str]:
        table = dialect.table(writer, "t-%")
        stamp = dialect.schema_stamp(writer, [table])
        writer.rollback()  # else the next ALTER waits for us
        return table.identity, stamp

    first, stamp = known()
    assert first
    for harmless in (
        "INSERT INTO `t-%` VALUES (1, 1)",
        "ANALYZE TABLE `t-%`",
        "CREATE INDEX i ON `t-%` (v)",
        "ALTER TABLE `t-%` ADD COLUMN w INT, ALGORITHM=INSTANT",
        "CREATE TRIGGER g BEFORE INSERT ON `t-%` FOR EACH ROW SET @x = 1",
        "CREATE TABLE k (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES `t-%` (id))",
    ):
        execute(database, [harmless])
        assert known()[0] == first, harmless
    execute(database, ["DROP TABLE k", "DROP TRIGGER g", "DROP INDEX i ON `t-%`", "ALTER TABLE `t-%` DROP COLUMN w"])
    assert known()[0] == first
    others = []
    for replaced in (
        ["RENAME TABLE `t-%` TO old, gho TO `t-%`"],
        ["DROP TABLE `t-%`", "CREATE TABLE `t-%` (id INT PRIMARY KEY, v INT)"],
        ["TRUNCATE TABLE `t-%`"],
    ):
        execute(database, replaced)
        others.append(known())
    assert len({first, *(identity for identity, _ in others)}) == 4
    assert len({stamp, *(stamp for _, stamp in others)}) == 4


@pytest.mark.parametrize("name", ["größe", "ẞ / 日本.語", "Ω#p#ж", "a.b"])
@pytest.mark.parametrize("parts", ["", " PARTITION BY HASH (id) PARTITIONS 2"])
def test_a_twin_is_told_from_a_table_of_any_name(
    database: Database, dialect: InnoDB, writer: Connection, name: str, parts: str
) -> None:
    execute(
        database,
        [
            "CREATE TABLE near (id INT PRIMARY KEY)",
            f"CREATE TABLE `{name}` (id INT PRIMARY KEY){parts}",
            f"CREATE TABLE `{name}s` LIKE `{name}`",
            f"CREATE TABLE twin LIKE `{name}`",
        ],
    )
    known = [dialect.table(writer, one) for one in (name, f"{name}s", "twin", "near")]
    assert len({table.identity for table in known} - {""}) == 4
    assert [table.obstacles for table in known] == [()] * 4
    writer.rollback()
    execute(database, [f"RENAME TABLE `{name}` TO old, twin TO `{name}`"])
    assert dialect.table(writer, name).identity == known[2].identity


def test_a_database_of_any_name_has_tables_with_numbers(database: Database, dialect: InnoDB) -> None:
    execute(database, ["DROP DATABASE IF EXISTS `zß-1`", "CREATE DATABASE `zß-1`", "CREATE TABLE `zß-1`.t (id INT)"])
    try:
        url = make_url(database.url).set(database="zß-1")
        with dialect.engine(url, write=True).connect() as connection:
            table = dialect.table(connection, "t")
            assert table.identity
            assert not any("InnoDB" in clause for clause in table.obstacles)
    finally:
        execute(database, ["DROP DATABASE `zß-1`"])


def test_a_table_without_a_number_is_refused(
    database: Database, dialect: InnoDB, writer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(database, ["CREATE TABLE t (id INT PRIMARY KEY)"])
    monkeypatch.setattr(catalogue, "identity", lambda *_, **__: "")
    assert dialect.table(writer, "t").obstacles == (
        "another table in its place would not be told from it: InnoDB's own list does not name it",
    )


def test_a_partitioned_table_stays_the_same_when_a_partition_is_added(
    database: Database, dialect: InnoDB, writer: Connection
) -> None:
    ddl = "CREATE TABLE t (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION P0 VALUES LESS THAN (9))"
    execute(database, [ddl])
    first = dialect.table(writer, "t").identity
    writer.rollback()
    execute(database, ["ALTER TABLE t ADD PARTITION (PARTITION p1 VALUES LESS THAN (99))"])
    assert first
    assert dialect.table(writer, "t").identity == first
    writer.rollback()
    execute(database, ["DROP TABLE t", ddl])
    assert dialect.table(writer, "t").identity not in ("", first)


def test_a_column_that_was_replaced_leaves_a_trace_in_the_facts(
    database: Database, dialect: InnoDB, writer: Connection
) -> None:
    execute(database, ["CREATE TABLE t (id INT PRIMARY KEY, v INT)"])
    first = dict(dialect.table(writer, "t").facts or {})
    writer.rollback()
    time.sleep(1.1)  # the server notes it to the second
    execute(database, ["ALTER TABLE t DROP COLUMN v", "ALTER TABLE t ADD COLUMN v INT"])
    now = dict(dialect.table(writer, "t").facts or {})
    changed = {name for name in now if now[name] != first[name]}
    # MySQL may make the table anew
    assert {"altered"} <= changed <= {"altered", "identity"}


def test_a_key_of_another_table_does_not_explain_that_a_table_was_altered(
    database: Database, dialect: InnoDB, writer: Connection
) -> None:
    execute(database, ["CREATE TABLE t (id INT PRIMARY KEY, v INT)"])
    first = dialect.table(writer, "t")
    writer.rollback()
    time.sleep(1.1)  # the server notes it to the second
    child = "CREATE TABLE k (id INT PRIMARY KEY, t INT, FOREIGN KEY (t) REFERENCES t (id))"
    execute(database, ["ALTER TABLE t DROP COLUMN v", "ALTER TABLE t ADD COLUMN v INT", child])
    now = dialect.table(writer, "t")
    kept = drift.recorded(first)
    assert drift.harmless(kept, now)
    assert "say so with --same-table t" in drift.refuses_undo(kept, now, "update", ["v"])


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE k DROP FOREIGN KEY fk, ADD CONSTRAINT fk2 FOREIGN KEY (t_id) REFERENCES t (id)",
        "ALTER TABLE k ADD FOREIGN KEY (other) REFERENCES t (id) ON DELETE CASCADE",
        "ALTER TABLE t ADD CHECK (v > -5)",
        "ALTER TABLE t MODIFY twice INT AS (v * 3) VIRTUAL",
        "ALTER TABLE t ADD UNIQUE (v)",
        "CREATE TRIGGER g AFTER DELETE ON t FOR EACH ROW SET @x = 1",
    ],
)
def test_the_stamp_changes_with_every_fact(
    database: Database, dialect: InnoDB, writer: Connection, statement: str
) -> None:
    execute(
        database,
        [
            "CREATE TABLE t (id INT PRIMARY KEY, v INT, twice INT AS (v * 2) VIRTUAL)",
            """CREATE TABLE k (id INT PRIMARY KEY, t_id INT, other INT,
            CONSTRAINT fk FOREIGN KEY (t_id) REFERENCES t (id) ON UPDATE CASCADE)""",
        ],
    )
    before = dialect.table(writer, "t")
    stamp = dialect.schema_stamp(writer, [before])
    writer.rollback()
    execute(database, [statement])
    after = dialect.table(writer, "t")
    assert after.facts != before.facts
    assert dialect.schema_stamp(writer, [after]) != stamp


# -- what a foreign key takes for equal -------------------------------------------------------------------------------
PARENT = "VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"


@pytest.mark.parametrize(
    ("parent", "child", "values", "found"),
    [
        (PARENT, PARENT, ("Ann", "ann"), [1]),
        (PARENT, "VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", ("Ann", "ann"), [1]),
        ("VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", PARENT, ("Ann", "ann"), []),
        (PARENT, "VARCHAR(9) CHARACTER SET latin1 COLLATE latin1_bin", ("É", "é"), [1]),
        ("ENUM('a','b')", "ENUM('b','a')", ("a", "b"), [1]),
        ("ENUM('a','b')", "ENUM('b','a')", ("a", "a"), []),
        ("ENUM('a','b')", "ENUM('a','b')", ("a", "a"), [1]),
        ("INT", "INT", ("7", "7"), [1]),
    ],
)
def test_a_child_is_compared_as_the_foreign_key_would(
    database: Database,
    dialect: InnoDB,
    writer: Connection,
    parent: str,
    child: str,
    values: tuple[str, str],
    found: list[int],
) -> None:
    execute(
        database,
        [
            f"CREATE TABLE p (id {parent} PRIMARY KEY) CHARACTER SET utf8mb4",
            f"CREATE TABLE k (id INT PRIMARY KEY, p_id {child}) CHARACTER SET utf8mb4",
            f"INSERT INTO p VALUES ('{values[0]}')",
            f"INSERT INTO k VALUES (1, '{values[1]}')",
        ],
    )
    p, k = dialect.table(writer, "p").sql, dialect.table(writer, "k").sql
    x, y = k.alias("x"), p.alias("y")
    assert writer.scalars(select(x.c.id).join(y, dialect.refers(x.c.p_id, y.c.id))).all() == found


def test_a_key_of_many_members_and_odd_letters_is_found(
    database: Database, dialect: InnoDB, writer: Connection
) -> None:
    members = ",".join(f"'{number}%s'':x{'m' * 60}'" for number in range(9))
    execute(
        database,
        [
            f"CREATE TABLE t (id SET({members}), e ENUM('50%','100% ''s'), PRIMARY KEY (id, e))",
            "INSERT INTO t VALUES (511, '50%'), (1, '100% ''s')",
        ],
    )
    table = dialect.table(writer, "t")
    keys = [[dialect.token(part) for part in row] for row in writer.execute(select(*dialect.key(table, table.sql)))]
    stage = dialect.stage(writer, table, [(seq, "b", "a", key) for seq, key in enumerate(keys)])
    same = sa.and_(table.sql.c.id == stage.relation.c.k0, table.sql.c.e == stage.relation.c.k1)
    found = select(stage.relation.c.seq).select_from(stage.relation.join(table.sql, same))
    assert sorted(writer.scalars(found, dict(stage.parameters))) == [0, 1]
