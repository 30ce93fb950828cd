"""What is SQLite's own: files, storage classes, affinity, text that is no text."""

from __future__ import annotations

import json
import sqlite3
import struct
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from tests.dialects.opened import opened
from tests.engines import Database
from trueup.engines.sqlite.dialect import Sqlite
from trueup.engines.sqlite.functions import span, token, untoken
from trueup.errors import NotChecked, StoreError, UsageError

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

INVALID_UTF8 = "CAST(x'61ff62' AS TEXT)"


def script(database: Database, *statements: str) -> None:
    connection = sqlite3.connect(database.path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def pragma(database: Database, name: str, *, url: str = "") -> Any:
    with opened(database, write=True, url=url) as session:
        return session.connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


# -- files ----------------------------------------------------------------------------------------
def test_a_file_that_is_not_there_is_named_and_not_made(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "nothing.db"
    for write in (False, True):
        session = opened(database, write=write, url=f"sqlite:///{path}")
        with pytest.raises(StoreError, match=r"there is no database file '.*nothing\.db'"), session:
            pass
    assert not path.exists()


def test_a_file_that_is_no_database_is_one_line(database: Database) -> None:
    Path(database.path).write_text("these are words, not pages; " * 100)
    with pytest.raises(StoreError) as error, opened(database):
        pass
    assert str(error.value).endswith("cannot connect: file is not a database (SQLITE_NOTADB)")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_database_that_is_no_file_is_refused(database: Database, url: str) -> None:
    with pytest.raises(UsageError, match="a SQLite database must be a file"):
        Sqlite().engine(make_url(url), write=False)


def test_an_unknown_option_of_the_url_is_refused(database: Database) -> None:
    with pytest.raises(UsageError, match="foreign_keys=on or foreign_keys=off"):
        Sqlite().engine(make_url(f"{database.url}?timeout=1"), write=False)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_commits_are_durable_and_the_journal_mode_is_left_alone(database: Database, mode: str) -> None:
    script(database, f"PRAGMA journal_mode={mode}")
    assert pragma(database, "synchronous") == 3
    assert pragma(database, "journal_mode") == mode


def test_foreign_keys_are_enforced_unless_the_url_says_that_the_application_does_not(database: Database) -> None:
    script(database, "CREATE TABLE p (id INTEGER PRIMARY KEY)", "CREATE TABLE c (p REFERENCES p)")
    assert pragma(database, "foreign_keys") == 1
    assert pragma(database, "foreign_keys", url=f"{database.url}?foreign_keys=off") == 0
    with opened(database, write=True) as session:
        insert = sa.insert(session.table("c").sql).values(p=7)
        session.connection.rollback()
        session.dialect.enforce_references(session.connection, yes=False)
        session.connection.execute(insert)
        session.connection.rollback()
        session.dialect.enforce_references(session.connection, yes=True)
        with pytest.raises(DBAPIError) as error:
            session.connection.execute(insert)
        assert session.dialect.describe(error.value) == "FOREIGN KEY constraint failed (SQLITE_CONSTRAINT_FOREIGNKEY)"


# -- the catalogue --------------------------------------------------------------------------------
def test_only_ordinary_tables_are_listed(database: Database) -> None:
    script(
        database,
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE words USING fts5 (w)",
        "CREATE TABLE _trueup_run (id)",
    )
    with opened(database) as session:
        assert session.dialect.tables(session.connection) == ["t"]


def test_the_keys_of_unusual_tables_are_found(database: Database) -> None:
    script(
        database,
        "CREATE TABLE keyless (a, b)",
        "CREATE TABLE partial (a NOT NULL)",
        "CREATE UNIQUE INDEX one ON partial (a) WHERE a > 0",
        "CREATE UNIQUE INDEX two ON partial (a + 1)",
        "CREATE TABLE rowless (a TEXT, b INT, PRIMARY KEY (b, a)) WITHOUT ROWID",
        "CREATE TABLE strictly (id INTEGER PRIMARY KEY, a ANY, g INT AS (id + 1)) STRICT",
        "CREATE TABLE named ('PRIMARY KEY' INT NOT NULL, \"UNIQUE (x)\" TEXT NOT NULL UNIQUE)",
    )
    with opened(database) as session:
        keys = {name: session.table(name).key for name in session.dialect.tables(session.connection)}
        assert keys == {
            "keyless": (),
            "partial": (),
            "rowless": ("b", "a"),
            "strictly": ("id",),
            "named": ("UNIQUE (x)",),
        }
        assert session.table("strictly").columns["g"].generated
        assert not session.table("rowless").columns["a"].nullable


def test_a_trigger_forbids_repairs_and_a_guard_of_ours_does_not(database: Database) -> None:
    script(
        database,
        "CREATE TABLE t (id INTEGER PRIMARY KEY)",
        "CREATE TRIGGER _trueup_guard BEFORE INSERT ON t WHEN NEW.id < 0 BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    with opened(database) as session:
        assert session.table("t").obstacles == ()
    script(database, "CREATE TRIGGER log AFTER UPDATE ON t BEGIN SELECT 1; END")
    with opened(database) as session:
        assert session.table("t").obstacles == ("it has the trigger 'log', whose effects would not be journaled",)


def test_columns_that_should_hold_json_are_told_by_type_and_by_check(database: Database) -> None:
    script(
        database,
        'CREATE TABLE t (a JSON, b TEXT CHECK (JSON_VALID("b") OR b IS NULL), c TEXT, ab TEXT CHECK (json_valid(ab)))',
    )
    with opened(database) as session:
        columns = session.table("t").columns
    assert {name: column.storage for name, column in columns.items()} == {
        "a": "text",
        "b": "text",
        "c": None,
        "ab": "text",
    }


def test_a_reference_without_columns_means_the_primary_key(database: Database) -> None:
    script(
        database, "CREATE TABLE p (x, y, PRIMARY KEY (y, x))", "CREATE TABLE c (a, b, FOREIGN KEY (a, b) REFERENCES P)"
    )
    with opened(database) as session:
        (reference,) = session.table("c").references
        assert session.table("p").referenced_by == (reference,)
    assert (reference.parent, reference.parent_columns) == ("p", ("y", "x"))


# -- canonical bytes ------------------------------------------------------------------------------
def test_every_storage_class_and_every_byte_has_a_digest_of_its_own(database: Database) -> None:
    values = [
        "1",
        "1.0",
        "'1'",
        "x'31'",
        "'31'",
        "NULL",
        "''",
        "x''",
        "0.1 + 0.2",
        "0.3",
        "-0.0",
        "0",
        "9e999",
        "-9e999",
    ]
    values += ["'a' || char(0) || 'b'", "'a'", INVALID_UTF8, "x'61ff62'", "CAST(x'ff' AS TEXT)", "CAST(x'fe' AS TEXT)"]
    script(database, "CREATE TABLE t (v)", *(f"INSERT INTO t VALUES ({value})" for value in values))
    with opened(database) as session:
        table = session.table("t")
        column, value = table.columns["v"], table.sql.c.v
        digests = session.ask(session.dialect.digest([(column, value)]))
        assert len(set(digests)) == len(values)
        assert session.ask(session.dialect.digest([(column, session.dialect.cast(value, column))])) == digests
        assert all(text is None or len(text) <= 200 for text in session.ask(session.dialect.preview(column, value)))


def test_a_table_of_many_columns_has_a_digest(database: Database) -> None:
    names = [f"c{number}" for number in range(300)]
    script(database, f"CREATE TABLE t (id INTEGER PRIMARY KEY, {', '.join(names)})", "INSERT INTO t (id) VALUES (1)")
    script(database, "INSERT INTO t (id, c299) VALUES (2, '')")
    with opened(database) as session:
        table = session.table("t")
        pairs = [(table.columns[name], table.sql.c[name]) for name in names]
        assert len(set(session.ask(session.dialect.digest(pairs)))) == 2


DECLARED = [
    "INTEGER",
    "NUMERIC",
    "REAL",
    "TEXT",
    "BLOB",
    "",
    "VARCHAR(9)",
    "BOOLEAN",
    "DATE",
    "JSON",
    "FLOATING POINT",
    "CHARINT",
]
ODD = [
    "1",
    "' 12 '",
    "'1e3'",
    "'0x1A'",
    "'12abc'",
    "''",
    "1.0",
    "1.5",
    "9223372036854775807",
    "9.3e18",
    "'9223372036854775808'",
]
ODD += [
    "'0.30000000000000004'",
    "x'31'",
    "NULL",
    INVALID_UTF8,
    "'1' || char(0)",
    "'+5'",
    "'-0'",
    "'1_000'",
    "'inf'",
    "9e999",
]


@pytest.mark.parametrize("declared", DECLARED)
def test_a_cast_does_what_the_column_does(database: Database, declared: str) -> None:
    script(
        database,
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})",
        "CREATE TABLE raw (id INTEGER PRIMARY KEY, v)",
    )
    for value in ODD:
        script(database, f"INSERT INTO t (v) VALUES ({value})", f"INSERT INTO raw (v) VALUES ({value})")
    with opened(database) as session:
        table, raw = session.table("t"), session.table("raw")
        column = table.columns["v"]
        stored = session.ask(table.sql.c.id, session.dialect.digest([(column, table.sql.c.v)]))
        told = session.ask(raw.sql.c.id, session.dialect.digest([(column, session.dialect.cast(raw.sql.c.v, column))]))
    assert dict(told) == dict(stored)


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_the_encoding_of_the_file_does_not_matter(database: Database, encoding: str) -> None:
    script(database, f"PRAGMA encoding='{encoding}'", "CREATE TABLE t (k TEXT PRIMARY KEY, v NUMERIC)")
    script(database, "INSERT INTO t VALUES ('É  x', '{\"é\": \"7\"}')")
    with opened(database, write=True) as session:
        dialect, table = session.dialect, session.table("t")
        k, v, column = table.sql.c.k, table.sql.c.v, table.columns["v"]
        row = session.ask(
            dialect.fold(k, ["case", "space"]), dialect.preview(column, v), dialect.json_get(v, "text", ["é"])
        )
        assert row == [("é x", '{"é": "7"}', '"7"')]
        assert session.ask(dialect.json_set_null(v, column, ["é"])) == ['{"é": null}']
        same = dialect.digest([(column, dialect.cast(sa.literal(" 12", sa.Text), column))])
        assert session.ask(same) == session.ask(dialect.digest([(column, sa.literal(12))]))
        stage = dialect.stage(session.connection, table, [(1, "", "", [token("É  x")])])
        joined = sa.select(stage.relation.c.seq).where(k == stage.relation.c.k0)
        assert session.connection.execute(joined, dict(stage.parameters)).all() == [(1,)]


# -- keys -----------------------------------------------------------------------------------------
@given(
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=9)
    | st.text(max_size=9)
)
def test_a_token_gives_back_its_value(engine: str, value: Any) -> None:
    back = untoken(token(value))
    if isinstance(value, str) and isinstance(back, bytes):
        back = back.decode(errors="surrogatepass")
    assert type(back) is type(value)
    assert back == value
    if isinstance(value, float):
        assert struct.pack("d", back) == struct.pack("d", value)


def test_a_key_that_is_not_utf8_keeps_the_classes_of_its_other_parts(database: Database) -> None:
    script(database, "CREATE TABLE t (a, b, c, PRIMARY KEY (a, b, c))")
    for row in (f"{INVALID_UTF8}, 7, x'ff'", f"{INVALID_UTF8}, '7', 'x'", "'a', 7.5, NULL", "'a', 7, x'00'"):
        script(database, f"INSERT INTO t VALUES ({row})")
    with opened(database) as session:
        table, dialect = session.table("t"), session.dialect
        keys = session.ask(*dialect.key(table, table.sql))
        ops = [(n, "", "", [dialect.token(part) for part in key]) for n, key in enumerate(keys)]
        stage = dialect.stage(session.connection, table, ops)
        same = sa.and_(*(table.sql.c[name] == stage.relation.c[f"k{i}"] for i, name in enumerate(table.key)))
        joined = sa.select(stage.relation.c.seq).select_from(stage.relation.join(table.sql, same))
        found = sorted(session.connection.execute(joined, dict(stage.parameters)).scalars())
    # a key that holds NULL addresses no row
    assert found == [n for n, key in enumerate(keys) if None not in key]


# -- JSON -----------------------------------------------------------------------------------------
STRANGE = {
    "7": "integer",
    "7.5": "double",
    "9e999": "invalid",
    "x'7b7d'": "invalid",
    "'{}' || char(0)": "invalid",
    "'{}' || char(0) || 'x'": "invalid",
    "char(0) || '{}'": "invalid",
    "'\"' || char(1) || '\"'": "invalid",
    "'1e400'": "double",
    "'123456789012345678901234567890'": "integer",
    "'{\"a\":' || char(10) || '1}'": "object",
    "replace(hex(zeroblob(700)), '00', '[') || replace(hex(zeroblob(700)), '00', ']')": "array",
    "replace(hex(zeroblob(9000)), '00', '[') || replace(hex(zeroblob(9000)), '00', ']')": "invalid",
}


def test_json_of_every_storage_class_is_told_by_its_type(database: Database) -> None:
    script(database, "CREATE TABLE t (v)", *(f"INSERT INTO t VALUES ({value})" for value in STRANGE))
    with opened(database) as session:
        table, dialect = session.table("t"), session.dialect
        value = table.sql.c.v
        assert session.ask(dialect.json_type(value, "text")) == list(STRANGE.values())
        for types in (["object"], ["integer"], ["integer", "double"], ["array", "object"]):
            wrong = session.ask(sa.case((dialect.json_is_not(value, "text", types), 1), else_=0))
            # a scan sees what SQLite sees: the text before a NUL
            seen = ["object" if value.startswith("'{}' || char(0)") else kind for value, kind in STRANGE.items()]
            assert wrong == [int(kind not in types) for kind in seen]
        session.ask(dialect.json_text(value, "text"), dialect.json_get(value, "text", ["a"]))
        session.ask(dialect.json_wrap("k", value, table.columns["v"]))


def test_a_string_is_decoded_whole_or_not_at_all(database: Database) -> None:
    documents = {
        '"{\\"a\\": \\"\\\\u0000\\"}"': '{"a": "\\u0000"}',  # the NUL is inside the inner document: decoded once
        '"{\\"a\\": 1}\\u0000junk"': '{\\"a\\": 1}\\u0000junk',  # SQLite would cut here, and call the rest an object
        '"\\\\\\\\u0000"': "\\\\u0000",
        '"\\u00e9"': "é",
        ' "x" ': "x",
        "1e400": "1e400",
        "[1, 2]": "[1, 2]",
    }
    script(database, "CREATE TABLE t (v)")
    with opened(database, write=True) as session:
        session.insert("t", [{"v": text} for text in documents])
        value = session.table("t").sql.c.v
        assert session.ask(session.dialect.json_text(value, "text")) == list(documents.values())
        inner = session.dialect.json_valid(session.dialect.json_text(value, "text"), ["object"])
        assert session.ask(sa.case((inner, 1), else_=0)) == [1, 0, 0, 0, 0, 0, 0]


def test_a_part_of_a_document_is_found_and_nulled_and_the_rest_keeps_its_bytes(database: Database) -> None:
    text = ' {"a" : {"b":[1,{"b":2}] , "é\\"\\u0041": "}{" },"a":5, "n":1.50e1 }\n'
    script(database, "CREATE TABLE t (v TEXT)")
    with opened(database, write=True) as session:
        session.insert("t", [{"v": text}])
        dialect, table = session.dialect, session.table("t")
        value, column = table.sql.c.v, table.columns["v"]

        def get(*path: str) -> Any:
            return session.ask(dialect.json_get(value, "text", path))[0]

        def null(*path: str) -> Any:
            return session.ask(dialect.json_set_null(value, column, path))[0]

        assert get("a", "b") == '[1,{"b":2}]'
        assert get("n") == "1.50e1"
        assert get("a", 'é"A') == '"}{"'
        assert get("a", "b", "b") is None
        assert get("x") is None
        assert null("n") == text.replace("1.50e1", "null")
        assert null("a", 'é"A') == text.replace('"}{"', "null")
        assert null("a", "b") == text.replace('[1,{"b":2}]', "null")
        assert null("a", "b", "b") == text
        assert null("nothing") == text


@given(
    st.recursive(st.integers() | st.text(max_size=3), lambda t: st.dictionaries(st.text(max_size=3), t) | st.lists(t))
)
def test_the_place_of_a_value_is_found_in_any_document(engine: str, document: Any) -> None:
    for spelled in (json.dumps(document), json.dumps(document, indent=1, ensure_ascii=False)):
        assert span(spelled, []) == (0, len(spelled))
        if isinstance(document, dict):
            for key, value in document.items():
                found = span(spelled, [key])
                assert found is not None
                assert json.loads(spelled[slice(*found)]) == value


# -- text -----------------------------------------------------------------------------------------
def test_folding_follows_unicode_and_survives_text_that_is_none(database: Database) -> None:
    script(
        database, "CREATE TABLE t (v)", f"INSERT INTO t VALUES ('STRASSE'), ('straße'), ({INVALID_UTF8}), (7), (x'41')"
    )
    with opened(database) as session:
        value = session.table("t").sql.c.v
        folded = session.dialect.fold(value, ["case", "space", "unicode"])
        assert session.ask(folded) == ["strasse", "strasse", "a\udcffb", 7, b"A"]
        with pytest.raises(NotChecked, match="SQLite has no words for soundex"):
            session.dialect.fold(value, ["soundex"])


def test_what_is_no_number_in_a_column_of_numbers_is_told(database: Database) -> None:
    script(database, "CREATE TABLE t (v NUMERIC)", "INSERT INTO t VALUES (1), ('2'), ('x'), (x'31'), (NULL), (1.5)")
    with opened(database) as session:
        table = session.table("t")
        strange = session.dialect.not_a_number(table.sql.c.v, table.columns["v"])
        assert session.ask(sa.case((strange, 1), else_=0)) == [0, 0, 1, 1, 0, 0]
