"""What a schema says of a table, and what tells a table from another one that took its name."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.dialects.opened import opened
from tests.engines import Database
from trueup.sql.dialect import Dialect

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

SHOP = (
    "CREATE TABLE a (id INTEGER PRIMARY KEY)",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
    "CREATE TABLE twin (id INTEGER PRIMARY KEY, v TEXT)",
    "CREATE TABLE other (x, y)",
    "CREATE INDEX by_x ON other (x)",
    # what a run has made before its first chunk
    "CREATE TABLE _trueup_run (id)",
    "CREATE TABLE _trueup_img_1 (id)",
)


def script(database: Database, *statements: str) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def told(database: Database, name: str = "t") -> tuple[str, str, object]:
    """The identity of a table, its stamp and its facts."""
    with opened(database) as session:
        table = session.table(name)
        dialect: Dialect = session.dialect
        return table.identity, dialect.schema_stamp(session.connection, [table]), table.facts


HARMLESS = {
    "a full-text index of its own rows": ["CREATE VIRTUAL TABLE f USING fts5 (v, t)"],
    "an index elsewhere": ["CREATE UNIQUE INDEX one ON other (y)"],
    "a new table": ["CREATE TABLE new (id INTEGER PRIMARY KEY, v TEXT)"],
    "a view": ["CREATE VIEW v AS SELECT * FROM t"],
    "a trigger of a view": [
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE TRIGGER instead INSTEAD OF UPDATE ON v BEGIN SELECT 1; END",
    ],
    "statistics": ["ANALYZE"],
    "another page for each table": ["DROP TABLE other", "VACUUM"],
    "an older table gone": ["DROP TABLE a"],
    "another run's table": ["CREATE TABLE _trueup_img_2 (id)"],
    "another table made again": [
        "ALTER TABLE a RENAME TO old",
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "DROP TABLE old",
    ],
}


@pytest.mark.parametrize("change", HARMLESS)
def test_a_change_that_is_none_of_a_table_leaves_its_facts_its_stamp_and_its_identity(
    database: Database, change: str
) -> None:
    script(database, *SHOP)
    before = told(database)
    script(database, *HARMLESS[change])
    assert told(database) == before


REPLACED = {
    "dropped and made again": ["DROP TABLE t", SHOP[1]],
    "put aside and made again": ["ALTER TABLE t RENAME TO t_old", SHOP[1]],
    "made again as a migration does": [
        "CREATE TABLE new (id INTEGER PRIMARY KEY, v TEXT)",
        "INSERT INTO new SELECT * FROM t",
        "DROP TABLE t",
        "ALTER TABLE new RENAME TO t",
    ],
    "changed with a twin": [
        "ALTER TABLE t RENAME TO x",
        "ALTER TABLE twin RENAME TO t",
        "ALTER TABLE x RENAME TO twin",
    ],
}


@pytest.mark.parametrize("vacuum", [False, True])
@pytest.mark.parametrize("change", REPLACED)
def test_another_table_under_the_same_name_has_another_identity(database: Database, change: str, vacuum: bool) -> None:
    script(database, *SHOP)
    before = told(database)
    script(database, *REPLACED[change], *(["VACUUM"] if vacuum else []))
    after = told(database)
    assert after[0] != before[0]
    assert after[1] != before[1]
    assert after[2] != before[2]


CHANGES = {
    "a column": ["ALTER TABLE t ADD COLUMN w TEXT"],
    "a column's name": ["ALTER TABLE t RENAME COLUMN v TO w"],
    "a column gone": ["ALTER TABLE t DROP COLUMN v"],
    "a trigger": ["CREATE TRIGGER log AFTER UPDATE ON t BEGIN SELECT 1; END"],
    "a trigger that spells the table otherwise": ["CREATE TRIGGER log AFTER UPDATE ON T BEGIN SELECT 1; END"],
    "a unique index": ["CREATE UNIQUE INDEX one ON t (v)"],
    "a child": ["CREATE TABLE c (t REFERENCES t ON DELETE CASCADE)"],
    "a child that spells the table otherwise": ["CREATE TABLE c (t, FOREIGN KEY (T) REFERENCES T (ID))"],
    "a trigger of the journal": ["CREATE TRIGGER spy AFTER INSERT ON _trueup_run BEGIN DELETE FROM t; END"],
    "a full-text index": ["CREATE VIRTUAL TABLE f USING fts5 (v, content='t')"],
    "a guard": ["CREATE TRIGGER trueup_guard_x BEFORE INSERT ON t WHEN new.v < 0 BEGIN SELECT RAISE(ABORT, 'no'); END"],
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_stamp_changes_with_the_facts(database: Database, change: str) -> None:
    script(database, *SHOP)
    before = told(database)
    script(database, *CHANGES[change])
    after = told(database)
    assert after[2] != before[2]
    assert after[1] != before[1]


def test_a_trigger_that_spells_its_table_otherwise_is_seen(database: Database) -> None:
    script(database, *SHOP, "CREATE TRIGGER log AFTER UPDATE ON T BEGIN SELECT 1; END")
    with opened(database) as session:
        assert session.table("t").obstacles == ("it has the trigger 'log', whose effects would not be journaled",)
        assert session.table("t").facts is not None


def test_a_guard_is_told_apart_from_the_application_s_triggers(database: Database) -> None:
    script(database, *SHOP, *CHANGES["a guard"], *CHANGES["a trigger"])
    with opened(database) as session:
        facts = session.table("t").facts
    assert facts is not None
    assert [name for name, _ in facts["triggers"]] == ["log"]
    assert [name for name, _ in facts["guards"]] == ["trueup_guard_x"]


def test_a_trigger_of_the_journal_s_own_tables_forbids_repairs(database: Database) -> None:
    script(database, *SHOP, *CHANGES["a trigger of the journal"])
    with opened(database) as session:
        assert session.table("t").obstacles == ("the journal's table _trueup_run has the trigger 'spy'",)


@pytest.mark.parametrize("to", ["nowhere (id)", "t (nowhere)", "pair"])
def test_a_reference_that_leads_nowhere_is_left_to_sqlite(database: Database, to: str) -> None:
    script(
        database,
        *SHOP,
        "CREATE TABLE pair (a, b, PRIMARY KEY (a, b))",
        f"CREATE TABLE c (id INTEGER PRIMARY KEY, p, FOREIGN KEY (p) REFERENCES {to})",
        "INSERT INTO t VALUES (1, 'x')",
    )
    with opened(database, write=True) as session:
        assert session.table("c").references == ()
        for name in ("t", "pair"):
            assert session.table(name).referenced_by == ()


def test_a_table_of_the_name_of_our_scratch_is_read(database: Database) -> None:
    script(
        database, "CREATE TABLE trueup_stage_1 (k TEXT PRIMARY KEY, v)", "INSERT INTO trueup_stage_1 VALUES ('a', 1)"
    )
    with opened(database) as session:
        table = session.table("trueup_stage_1")
        assert (list(table.columns), table.rows) == (["k", "v"], 1)


@pytest.mark.parametrize(
    "change",
    [
        ["ALTER TABLE w DROP COLUMN v", "ALTER TABLE w ADD COLUMN v TEXT"],
        [
            "ALTER TABLE w RENAME COLUMN v TO x",
            "ALTER TABLE w RENAME COLUMN n TO v",
            "ALTER TABLE w RENAME COLUMN x TO n",
        ],
        ["ALTER TABLE w DROP COLUMN v", "ALTER TABLE w ADD COLUMN v INTEGER"],
    ],
    ids=["again", "changed with another", "another type"],
)
def test_another_column_under_the_same_name_has_another_identity(database: Database, change: list[str]) -> None:
    script(database, "CREATE TABLE w (id INTEGER PRIMARY KEY, v TEXT, n TEXT)")

    def identity() -> str:
        with opened(database) as session:
            return session.table("w").columns["v"].identity

    before = identity()
    script(database, "ALTER TABLE w ADD COLUMN later TEXT", "ALTER TABLE w RENAME COLUMN id TO number", "VACUUM")
    assert identity() == before
    script(database, *change)
    assert identity() != before


TWINS = [("Ä", "ä"), ("ä", "Ä"), ("\u212aunde", "kunde"), ("kunde", "\u212aunde")]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("parent", "other"), TWINS)
def test_names_that_differ_beyond_ascii_are_two_names(database: Database, parent: str, other: str, first: bool) -> None:
    """SQLite folds A to Z only: a child that refers to one table, or to one column, was taken for another's."""
    tables = [f'CREATE TABLE "{parent}" (id INTEGER PRIMARY KEY)', f'CREATE TABLE "{other}" (code TEXT PRIMARY KEY)']
    script(
        database,
        *(tables if first else reversed(tables)),
        f'CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES "{parent}" (ID) ON DELETE CASCADE)',
        f'CREATE TABLE p ("{other}" UNIQUE, "{parent}" UNIQUE, id INTEGER PRIMARY KEY)',
        f'CREATE TABLE q (id INTEGER PRIMARY KEY, p REFERENCES P ("{parent}") ON UPDATE CASCADE)',
    )
    with opened(database) as session:
        (reference,) = session.table(parent).referenced_by
        assert (reference.table, reference.parent, reference.parent_columns) == ("c", parent, ("id",))
        assert session.table(other).referenced_by == ()
        (reference,) = session.table("p").referenced_by
        assert (reference.table, reference.parent_columns) == ("q", (parent,))


def test_a_key_that_names_a_column_twice_is_referred_to(database: Database) -> None:
    script(
        database,
        "CREATE TABLE p (a NOT NULL, b, PRIMARY KEY (a, a))",
        "CREATE TABLE c (x, y, FOREIGN KEY (x, y) REFERENCES p ON DELETE CASCADE)",
    )
    with opened(database) as session:
        (reference,) = session.table("p").referenced_by
        assert (reference.columns, reference.parent_columns) == (("x", "y"), ("a", "a"))


def test_json_of_a_column_whose_name_differs_beyond_ascii_is_not_this_one_s(database: Database) -> None:
    script(database, 'CREATE TABLE w (id INTEGER PRIMARY KEY, "ä" TEXT CHECK (JSON_VALID("ä")), "Ä" TEXT)')
    with opened(database) as session:
        columns = session.table("w").columns
        assert (columns["ä"].storage, columns["Ä"].storage) == ("text", None)


READERS = [
    "fts5 (v, content='t')",
    "FTS5(v,content=T, content_rowid=id)",
    'fts5 (v, tokenize = "porter ascii", content = "t")',
    "fts5 (v, c=[T])",
    "\"fts5\" (v, prefix='2 3', /* content=x, */ content=`t` -- content=y\n )",
    'fts4 (CONTENT="t", v)',
    "fts4 (v, tokenize=simple, content=t)",
    "fts5 (v, content='seen')",
    "fts5 (v, content=SEEN_AGAIN)",
]
NO_READERS = [
    "fts5 (v, t)",
    "fts5 (v, content='')",
    "fts5 (v, content='twin', content_rowid='id')",
    "fts5 (v, content_rowid='t', content='twin')",
    "fts5 (v, content='others')",
    'fts4 (v, content="twin")',
    # where content= is the declaration of a column
    "fts3 (v, content='t')",
    "rtree (t, low, high)",
]
VIEWS = (
    'CREATE VIEW seen AS SELECT id, v FROM other, "T"',
    "CREATE VIEW seen_again AS SELECT * FROM Seen",
    "CREATE VIEW others AS SELECT x FROM other /* t */",
)


@pytest.mark.parametrize("index", READERS)
def test_a_full_text_index_that_reads_its_rows_from_a_table_forbids_repairs(database: Database, index: str) -> None:
    """The application's search called the database malformed."""
    script(database, *SHOP, *VIEWS, f"CREATE VIRTUAL TABLE f USING {index}")
    with opened(database) as session:
        told = "the full-text index 'f' reads its rows from it, and would no longer match"
        assert session.table("t").obstacles == (told,)
        assert session.table("twin").obstacles == ()


@pytest.mark.parametrize("index", NO_READERS)
def test_a_full_text_index_of_other_rows_is_no_obstacle(database: Database, index: str) -> None:
    script(database, *SHOP, *VIEWS, f"CREATE VIRTUAL TABLE f USING {index}")
    with opened(database) as session:
        assert session.table("t").obstacles == ()
