"""What every dialect promises, on every engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from tests.dialects.opened import Opened, opened
from tests.engines import Database
from trueup.errors import NotChecked, UsageError
from trueup.sql.tables import JSON_TYPES

pytestmark = pytest.mark.each_engine

TEXT = {"mysql": "LONGTEXT", "mariadb": "LONGTEXT"}
# these servers may hold text in latin1 by default
UNICODE = dict.fromkeys(["mysql", "mariadb"], " CHARACTER SET utf8mb4")
# without NUL, which PostgreSQL has no text for, and half surrogate pairs, which no driver takes
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def make(database: Database, columns: str, name: str = "things") -> None:
    with opened(database, write=True) as session:
        words = f"CREATE TABLE {name} ({columns})".replace("TEXT", TEXT.get(database.engine, "TEXT"))
        session.run(words + UNICODE.get(database.engine, ""))


def refill(session: Opened, rows: list[dict[str, Any]]) -> None:
    session.connection.execute(sa.delete(session.table("things").sql))
    if rows:
        session.connection.execute(sa.insert(session.table("things").sql), rows)


def test_a_reading_session_cannot_write(database: Database) -> None:
    make(database, "id INTEGER PRIMARY KEY")
    with opened(database) as session:
        statement = sa.insert(session.table("things").sql).values(id=1)
        with pytest.raises(DBAPIError):
            session.connection.execute(statement)


def test_a_database_says_what_it_is_and_where_and_keeps_to_it(database: Database) -> None:
    told = []
    for write in (False, True):
        with opened(database, write=write) as session:
            told.append((session.dialect.identity(session.connection), session.dialect.place(session.connection)))
            now = session.ask(session.dialect.now())[0]
            assert 1_700_000_000 < int(now) < 10_000_000_000
            assert session.dialect.version(session.connection)
    assert told[0] == told[1]
    assert all(told[0][0].values())


def test_a_table_that_is_not_there_is_answered_with_the_nearest(database: Database) -> None:
    make(database, "id INTEGER PRIMARY KEY")
    with opened(database) as session, pytest.raises(UsageError) as error:
        session.table("thing")
    assert str(error.value) == "there is no table 'thing'; did you mean 'things'?"


def test_the_catalogue_tells_keys_references_and_uniques(database: Database) -> None:
    make(database, "id INTEGER NOT NULL PRIMARY KEY, code VARCHAR(20) NOT NULL UNIQUE, note TEXT")
    make(
        database,
        "a INTEGER NOT NULL, b INTEGER NOT NULL, maybe INTEGER, thing INTEGER, UNIQUE (a, b), UNIQUE (maybe),"
        " FOREIGN KEY (thing) REFERENCES things (id) ON DELETE CASCADE",
        "parts",
    )
    with opened(database) as session:
        things, parts = session.table("things"), session.table("parts")
        assert session.dialect.tables(session.connection) == ["parts", "things"]
    assert things.key == ("id",)
    assert ("code",) in things.uniques
    assert parts.key == ("a", "b")
    assert [(r.table, r.columns, r.parent, r.parent_columns, r.on_delete) for r in parts.references] == [
        ("parts", ("thing",), "things", ("id",), "CASCADE")
    ]
    assert [reference.table for reference in things.referenced_by] == ["parts"]
    assert things.columns["id"].integer
    assert not things.columns["id"].nullable
    assert things.columns["note"].nullable
    assert things.columns["note"].family == "text"
    assert not things.obstacles


def test_the_schema_stamp_changes_with_a_column_a_constraint_and_a_trigger(database: Database) -> None:
    make(database, "id INTEGER PRIMARY KEY, code VARCHAR(20)")
    trigger = {
        "sqlite": ["CREATE TRIGGER tr AFTER UPDATE ON things BEGIN SELECT 1; END"],
        "postgresql": [
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER tr BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION f()",
        ],
    }.get(database.engine, ["CREATE TRIGGER tr BEFORE UPDATE ON things FOR EACH ROW SET NEW.code = NEW.code"])
    stamps = []
    for statements in (
        [],
        ["ALTER TABLE things ADD COLUMN extra INTEGER"],
        ["CREATE UNIQUE INDEX u ON things (code)"],
        trigger,
    ):
        with opened(database, write=True) as session:
            session.run(*statements)
            found = session.table("things")
            stamps.append(session.dialect.schema_stamp(session.connection, [found]))
            assert stamps[-1] == session.dialect.schema_stamp(session.connection, [found])
    (obstacle,) = found.obstacles
    assert "'tr'" in obstacle
    # an index that is no constraint changes no promise on PostgreSQL
    assert len(set(stamps)) >= 3
    assert stamps[0] != stamps[1]
    assert stamps[2] != stamps[3]


HOSTILE = ["order", "a b", 'qu"ote', "back`tick", "100%", "%(x)s", "ü", "semi;colon", "a:b", "dot.ted", "q?", "sla\\sh"]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_identifier_works(database: Database, name: str) -> None:
    mark = "`" if database.engine in ("mysql", "mariadb") else '"'
    quoted = mark + name.replace(mark, mark * 2) + mark
    with opened(database, write=True) as session:
        session.run(f"CREATE TABLE {quoted} (id INTEGER PRIMARY KEY, {quoted} INTEGER)")
        table = session.table(name)
        columns = table.sql.c
        session.connection.execute(sa.insert(table.sql).values({columns.id: 1, columns[name]: 5}))
        session.connection.execute(sa.update(table.sql).values({columns[name]: 6}))
        assert session.ask(columns[name]) == [6]
        digest = session.dialect.digest([(table.columns[name], columns[name])])
        assert len(session.ask(digest)[0]) == 64
        statement = session.dialect.locked(sa.select(columns[name]), table.sql)
        assert session.connection.execute(statement).scalar_one() == 6
        alias = table.sql.alias("other")
        statement = session.dialect.locked(sa.select(alias.c[name]), alias)
        assert session.connection.execute(statement).scalar_one() == 6


KEYS: Mapping[str, Mapping[str, list[Any]]] = {
    "every": {
        "BIGINT": [-(2**63), -1, 0, 7, 2**63 - 1],
        "VARCHAR(40)": ["", "a", "A ", "it's", 'q"', "x'41'", "7", "ü", "\U0001f600", "a,b{}\\", "NULL", "%s"],
        "CHAR(5)": ["", "abc", "x y"],
        "NUMERIC(12, 3)": ["0.5", "-7.125", "123456789.001"],
        "DATE": ["2020-02-29", "1999-12-31"],
    },
    "sqlite": {
        "": [0, "0", 0.5, "a\0b", b"\xff\0", "", b"", 2**62],
        "TEXT": ["a\0b", "tab\t\n", "t'61'"],
        "REAL": [0.1, 1e300, -5e-324, 3.0],
    },
    "postgresql": {
        "text": [" ", "tab\t\n", "\x01"],
        "uuid": ["123e4567-e89b-12d3-a456-426614174000"],
        "timestamptz": ["2020-02-29 12:34:56.789012+05", "infinity", "0044-03-15 00:00:00+00 BC"],
        "timestamp": ["2020-02-29 12:34:56.789012"],
        "numeric": ["NaN", "1.50", "1e100"],
        "bytea": [b"\x00\xff", b""],
        "boolean": [True, False],
        "int[]": ["{1,2}", "{{1},{2}}", "{}"],
        "interval": ["1 mon", "-3 days 04:05:06"],
        "inet": ["10.0.0.1/8"],
    },
}


def keys_of(engine: str) -> list[tuple[str, list[Any]]]:
    return [*KEYS["every"].items(), *KEYS.get(engine, {}).items()]


def test_keys_of_every_type_find_their_rows_again(database: Database) -> None:
    for number, (kind, values) in enumerate(keys_of(database.engine)):
        name = f"keyed{number}"
        # else 'a' and 'A ' are one key
        binary = " COLLATE utf8mb4_bin" if "VARCHAR" in kind and database.engine in UNICODE else ""
        make(database, f"k {kind}{binary} NOT NULL UNIQUE, n INTEGER NOT NULL", name)
        with opened(database, write=True) as session:
            place = f"public.{name}" if database.engine == "postgresql" else name
            mark = "?" if database.engine == "sqlite" else "%s"
            for n, value in enumerate(values):
                session.connection.exec_driver_sql(f"INSERT INTO {place} (k, n) VALUES ({mark}, {mark})", (value, n))
            session.connection.commit()
        for write in (False, True):
            with opened(database, write=write) as session:
                table = session.table(name)
                assert table.key == ("k",), kind
                rows = session.ask(table.sql.c.n, *session.dialect.key(table, table.sql))
                tokens = {int(row[0]): session.dialect.token(row[1]) for row in rows}
                assert all(isinstance(token, str) for token in tokens.values())
                ops = [(n, "b" * 64, "a" * 64, [token]) for n, token in sorted(tokens.items())]
                stage = session.dialect.stage(session.connection, table, [*ops, (99, "", "", [ops[0][3][0]])])
                s = stage.relation.c
                joined = sa.select(s.seq, table.sql.c.n, s.before, s.after).select_from(
                    stage.relation.join(table.sql, table.sql.c.k == s.k0)
                )
                found = [tuple(row) for row in session.connection.execute(joined, dict(stage.parameters))]
            assert sorted(found) == [*((n, n, "b" * 64, "a" * 64) for n in range(len(values))), (99, 0, "", "")], kind


def test_a_key_of_several_parts_finds_its_rows_again(database: Database) -> None:
    make(database, "a VARCHAR(10) NOT NULL, b INTEGER NOT NULL, c DATE NOT NULL, PRIMARY KEY (a, b, c)")
    with opened(database, write=True) as session:
        session.run("INSERT INTO things VALUES ('x', 1, '2020-01-01'), ('x', 2, '2020-01-01'), ('', -1, '1999-01-01')")
        table = session.table("things")
        keys = session.ask(*session.dialect.key(table, table.sql))
        ops = [(n, "", "", [session.dialect.token(part) for part in key]) for n, key in enumerate(keys)]
        stage = session.dialect.stage(session.connection, table, ops)
        same = sa.and_(*(table.sql.c[name] == stage.relation.c[f"k{i}"] for i, name in enumerate(table.key)))
        joined = sa.select(stage.relation.c.seq).select_from(stage.relation.join(table.sql, same))
        assert sorted(session.connection.execute(joined, dict(stage.parameters)).scalars()) == [0, 1, 2]


@pytest.mark.quick_on("sqlite")
@given(rows=st.lists(st.tuples(st.none() | texts, st.none() | texts), max_size=12))
def test_two_rows_of_text_have_one_digest_only_when_they_hold_the_same(
    database: Database, rows: list[tuple[str | None, str | None]]
) -> None:
    with opened(database, write=True) as session:
        if not session.dialect.tables(session.connection):
            make_things(session, database)
        # neighbours: what runs over from one column to the next, NULL beside nothing, another case, a blank more
        near = [*rows, (None, ""), ("", None), (None, None), ("", ""), ("a", "b"), ("ab", ""), ("A", "b"), ("a ", "b")]
        unique = list(dict.fromkeys(near))
        refill(session, [{"id": n, "a": a, "b": b} for n, (a, b) in enumerate([*unique, *near])])
        table = session.table("things")
        pair = [(table.columns[name], table.sql.c[name]) for name in ("a", "b")]
        found = session.ask(session.dialect.digest(pair), table.sql.c.id)
        session.connection.rollback()
    digests = {int(n): digest for digest, n in found}
    by_pair: dict[Any, set[str]] = {}
    for n, values in enumerate([*unique, *near]):
        by_pair.setdefault(values, set()).add(digests[n])
    assert all(len(same) == 1 for same in by_pair.values())
    assert len({next(iter(same)) for same in by_pair.values()}) == len(unique)


def make_things(session: Opened, database: Database) -> None:
    kind = TEXT.get(database.engine, "TEXT")
    session.run(f"CREATE TABLE things (id INTEGER PRIMARY KEY, a {kind}, b {kind})" + UNICODE.get(database.engine, ""))


VALUES = {
    "INTEGER": ["0", "-5", "2147483647"],
    "NUMERIC(8, 2)": ["1.005", "7", "-0.5", "123456.789"],
    "DOUBLE PRECISION": ["0.1", "3", "1e300"],
    "VARCHAR(10)": ["abc", "", "a ", "ü"],
    "CHAR(6)": ["abc", "ab "],
    "DATE": ["2020-02-29"],
    "TEXT": ["7", " x "],
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_new_value_has_the_digest_that_it_will_have_when_it_is_stored(database: Database, kind: str) -> None:
    make(database, f"id INTEGER PRIMARY KEY, v {kind}")
    with opened(database, write=True) as session:
        table = session.table("things")
        column, stored = table.columns["v"], table.sql.c.v
        for n, text in enumerate([None, *VALUES[kind]]):
            given = sa.null() if text is None else sa.literal(text, sa.Text)
            told = session.ask(session.dialect.digest([(column, session.dialect.cast(given, column))]))[0]
            rows = sa.select(sa.literal(n), session.dialect.cast(given, column))
            session.connection.execute(sa.insert(table.sql).from_select(["id", "v"], rows))
            digest = session.dialect.digest([(column, stored)])
            assert session.connection.execute(sa.select(digest).where(table.sql.c.id == n)).scalar_one() == told, text


DOCUMENTS = {
    '{"a": 1}': "object",
    " \n\t{}": "object",
    "[]": "array",
    "[1, [2]]": "array",
    '"text"': "string",
    '"{\\"a\\": 1}"': "string",
    '""': "string",
    "7": "integer",
    "-7": "integer",
    "1.5": "double",
    "true": "boolean",
    " false ": "boolean",
    "null": "null",
    "": "invalid",
    " ": "invalid",
    "{": "invalid",
    "{a: 1}": "invalid",
    "{'a': 1}": "invalid",
    '{"a": 1} x': "invalid",
    "{}{}": "invalid",
    "nul": "invalid",
    "nulls": "invalid",
    "tru": "invalid",
    '"': "invalid",
    "-": "invalid",
    "NaN": "invalid",
    "Infinity": "invalid",
    "0123": "invalid",
    "[1,]": "invalid",
    "\ufeff{}": "invalid",
    "plain words": "invalid",
    "\u00a0{}": "invalid",
}


def test_json_in_text_is_told_by_its_type_whatever_it_holds(database: Database) -> None:
    make(database, "id INTEGER PRIMARY KEY, v TEXT")
    with opened(database, write=True) as session:
        rows: list[dict[str, Any]] = [{"id": n, "v": text} for n, text in enumerate(DOCUMENTS)]
        refill(session, [*rows, {"id": 999, "v": None}])
        columns = session.table("things").sql.c
        value, number = columns.v, columns.id
        dialect = session.dialect
        told = dict(session.ask(number, dialect.json_type(value, "text")))
        assert {text: told[n] for n, text in enumerate(DOCUMENTS)} == DOCUMENTS
        assert told[999] is None
        wanted: list[list[str]] = [[kind] for kind in JSON_TYPES]
        wanted += [["object", "array"], ["integer", "double"], ["string", "null", "boolean"], ["object", "integer"]]
        for types in wanted:
            wrong = dict(session.ask(number, sa.case((dialect.json_is_not(value, "text", types), 1), else_=0)))
            valid = dict(session.ask(number, sa.case((dialect.json_valid(value, types), 1), else_=0)))
            for n, kind in told.items():
                assert wrong[n] == (kind is not None and kind not in types), (types, n, kind)
                if kind != "invalid":
                    assert valid[n] == (kind in types), (types, n, kind)


@pytest.mark.quick_on("sqlite")
@given(
    some=st.lists(texts | st.recursive(st.just("1") | texts, lambda t: t.map(lambda x: f'{{"a": [{x}]}}')), max_size=8)
)
def test_no_text_makes_a_question_about_json_or_numbers_fail(database: Database, some: list[str]) -> None:
    with opened(database, write=True) as session:
        if not session.dialect.tables(session.connection):
            make_things(session, database)
        refill(session, [{"id": n, "a": text, "b": None} for n, text in enumerate(some)])
        table = session.table("things")
        value, column, dialect = table.sql.c.a, table.columns["a"], session.dialect
        rows = session.ask(
            dialect.json_type(value, "text"),
            dialect.json_text(value, "text"),
            dialect.json_get(value, "text", ["a", "b"]),
            dialect.json_wrap("k", value, column),
            dialect.json_set_null(value, column, ["a"]),
            sa.case((dialect.json_valid(value, ["object"]), 1), else_=0),
            dialect.as_integer(value),
            dialect.preview(column, value),
            dialect.fold(value, ["case", "space"]),
            dialect.json_set(value, column, ["a"], {"k": dialect.json_literal(value, column)}),
            sa.case((dialect.json_takes(value, column, ["a"]), 1), else_=0),
        )
        session.connection.rollback()
    assert len(rows) == len(some)
    assert all(row[0] in JSON_TYPES for row in rows)
    assert all(len(row[7]) <= 200 for row in rows)


INTEGERS = {
    "0": 0,
    "7": 7,
    "-7": -7,
    str(2**63 - 1): 2**63 - 1,
    str(-(2**63)): -(2**63),
    **dict.fromkeys(
        [str(2**63), str(-(2**63) - 1), "1" * 40, "", " 7", "7 ", "007", "+7", "-0", "7.0", "1e2", "x", "٣", "7\n"]
    ),
}


def test_only_the_decimal_spelling_of_an_integer_is_one(database: Database) -> None:
    make(database, "id INTEGER PRIMARY KEY, v TEXT")
    with opened(database, write=True) as session:
        refill(session, [{"id": n, "v": text} for n, text in enumerate([*INTEGERS, None])])
        columns = session.table("things").sql.c
        told = dict(session.ask(columns.id, session.dialect.as_integer(columns.v)))
    assert {text: told[n] for n, text in enumerate(INTEGERS)} == INTEGERS
    assert told[len(INTEGERS)] is None


def test_a_preview_is_short_and_null_has_none(database: Database) -> None:
    make(database, "id INTEGER PRIMARY KEY, v TEXT")
    with opened(database, write=True) as session:
        refill(session, [{"id": 1, "v": "ü" * 5000}, {"id": 2, "v": None}, {"id": 3, "v": ""}, {"id": 4, "v": "it's"}])
        table = session.table("things")
        shown = dict(session.ask(table.sql.c.id, session.dialect.preview(table.columns["v"], table.sql.c.v)))
    assert shown == {1: "ü" * 200, 2: None, 3: "", 4: "it's"}


def test_text_is_folded_by_case_and_space_and_compared_by_bytes(database: Database) -> None:
    make(database, "id INTEGER PRIMARY KEY, v TEXT")
    with opened(database, write=True) as session:
        refill(
            session,
            [{"id": n, "v": v} for n, v in enumerate(["Ann  ÉCOLE ", " ann\t\nécole", "Ann", "ann", "e\u0301", "é"])],
        )
        table = session.table("things")
        left, right = table.sql.alias("l"), table.sql.alias("r")
        dialect = session.dialect

        def pairs(same: sa.ColumnElement[bool]) -> set[tuple[int, int]]:
            rows = session.connection.execute(sa.select(left.c.id, right.c.id).where(left.c.id < right.c.id, same))
            return {(int(a), int(b)) for a, b in rows}

        def folded(*rules: str) -> set[tuple[int, int]]:
            return pairs(dialect.same_bytes(dialect.fold(left.c.v, rules), dialect.fold(right.c.v, rules)))

        assert pairs(dialect.same_bytes(left.c.v, right.c.v)) == set()
        assert folded("case") == {(2, 3)}
        assert folded("case", "space") == {(0, 1), (2, 3)}
        if database.engine in ("mysql", "mariadb"):
            with pytest.raises(NotChecked):
                folded("unicode")
        else:
            assert folded("unicode") == {(4, 5)}
        with pytest.raises(NotChecked):
            folded("soundex")


def test_an_error_is_told_without_the_values_of_the_row(database: Database) -> None:
    make(database, "id INTEGER PRIMARY KEY, email VARCHAR(40) NOT NULL UNIQUE")
    with opened(database, write=True) as session:
        insert = sa.insert(session.table("things").sql)
        session.connection.execute(insert.values(id=1, email="secret@example.org"))
        for row in ({"id": 2, "email": "secret@example.org"}, {"id": 3, "email": None}):
            with pytest.raises(DBAPIError) as error, session.connection.begin_nested():
                session.connection.execute(insert.values(row))
            told = session.dialect.describe(error.value)
            assert told
            assert "secret" not in told
            assert "\n" not in told
            assert not session.dialect.retryable(error.value)
            assert not session.dialect.disconnected(error.value)


def test_a_row_that_another_session_holds_is_waited_for_only_briefly(database: Database) -> None:
    make(database, "id INTEGER PRIMARY KEY")
    with opened(database, write=True) as first, opened(database, write=True) as second:
        first.insert("things", [{"id": 1}])
        table = first.table("things")
        first.connection.rollback()
        first.dialect.begin(first.connection)
        lock = first.dialect.locked(sa.select(table.sql.c.id), table.sql)
        first.connection.execute(lock)
        # SQLite refuses at BEGIN, the others at the row
        with pytest.raises(DBAPIError) as error:
            begin_and_execute(second, lock)
        assert second.dialect.retryable(error.value), second.dialect.describe(error.value)
        assert not second.dialect.disconnected(error.value)


def begin_and_execute(session: Opened, statement: sa.Select[Any]) -> None:
    session.connection.begin()
    session.dialect.begin(session.connection)
    session.connection.execute(statement)


def test_a_fresh_database_can_be_written_and_is_not_busy(database: Database) -> None:
    with opened(database, write=True) as session:
        assert session.dialect.writable(session.connection) == ""
        assert session.dialect.load(session.connection) == ""
        session.dialect.begin(session.connection)
        session.dialect.finish(session.connection)


def test_the_keys_of_chosen_rows_are_collected_by_an_aggregate(database: Database) -> None:
    make(database, "id INTEGER PRIMARY KEY")
    with opened(database, write=True) as session:
        refill(session, [{"id": n} for n in range(5)])
        number = session.table("things").sql.c.id
        found = session.ask(session.dialect.collect(number > 2, sa.cast(number, sa.String)))[0]
        text = found.decode() if isinstance(found, bytes) else found
        assert sorted(text.split(",")) == ["3", "4"]
        assert session.ask(session.dialect.collect(number > 9, sa.cast(number, sa.String)))[0] is None


#: A document, and what it is with 1.50 put under `k` of the document, and under `a.k`; None: it is left as it is.
PUT: dict[str | None, tuple[Any, Any]] = {
    None: ({"k": 1.5}, {"a": {"k": 1.5}}),
    "null": ({"k": 1.5}, {"a": {"k": 1.5}}),
    "{}": ({"k": 1.5}, {"a": {"k": 1.5}}),
    '{"a": null, "é": [1.25]}': ({"a": None, "é": [1.25], "k": 1.5}, {"a": {"k": 1.5}, "é": [1.25]}),
    '{"k": "x", "a": {"k": 9, "l": "\\u00e9"}}': (
        {"k": 1.5, "a": {"k": 9, "l": "é"}},
        {"k": "x", "a": {"k": 1.5, "l": "é"}},
    ),
    '{"k": {"k": []}, "a": {"l": 1}}': ({"k": 1.5, "a": {"l": 1}}, {"k": {"k": []}, "a": {"l": 1, "k": 1.5}}),
    '{"a": [1]}': ({"a": [1], "k": 1.5}, None),
    '{"a": "k"}': ({"a": "k", "k": 1.5}, None),
    "[{}]": (None, None),
    '"k"': (None, None),
    "7": (None, None),
}


@pytest.mark.parametrize("kind", ["JSON", "TEXT", "JSONB"])
def test_members_are_put_into_an_object_and_nothing_else_changes(database: Database, kind: str) -> None:
    own = {"sqlite": ["JSON", "TEXT"], "mysql": ["JSON", "TEXT"], "mariadb": ["JSON", "TEXT"]}
    if kind not in own.get(database.engine, [kind]):
        pytest.skip("this engine has no such type")
    # on SQLite a column declared JSON turns 7 into a number
    make(database, f"id INTEGER PRIMARY KEY, v {'TEXT' if database.engine == 'sqlite' else kind}")
    with opened(database, write=True) as session:
        table = session.table("things")
        column, value = table.columns["v"], table.sql.c.v
        for n, text in enumerate(PUT):
            given = sa.null() if text is None else session.dialect.json_parse(sa.literal(text, sa.Text), column)
            session.connection.execute(sa.insert(table.sql).from_select(["id", "v"], sa.select(sa.literal(n), given)))
        for place, path in enumerate([[], ["a"]]):
            changed = session.dialect.json_set(value, column, path, {"k": sa.literal("1.50", sa.Text)})
            takes = sa.case((session.dialect.json_takes(value, column, path), 1), else_=0)
            rows = session.ask(table.sql.c.id, sa.cast(changed, sa.Text), sa.cast(value, sa.Text), takes)
            for n, new, old, taken in sorted(rows):
                wanted = list(PUT.values())[n][place]
                assert taken == (wanted is not None), (n, path)
                assert new == old if wanted is None else json.loads(new) == wanted, (n, path)
            assert len(rows) == len(PUT)


def test_several_members_are_put_at_once_and_many_spellings_of_a_key_are_one(database: Database) -> None:
    make(database, "id INTEGER PRIMARY KEY, v TEXT")
    with opened(database, write=True) as session:
        refill(session, [{"id": 1, "v": '{"a": {"\\u00e9/x": 1}}'}])
        table = session.table("things")
        texts = {"é/x": sa.literal('"new"', sa.Text), "k": sa.literal("[null]", sa.Text), 'q"': sa.literal("true")}
        changed = session.dialect.json_set(table.sql.c.v, table.columns["v"], ["a"], texts)
        assert json.loads(session.ask(changed)[0]) == {"a": {"é/x": "new", "k": [None], 'q"': True}}


def test_a_value_is_spelled_as_json(database: Database) -> None:
    moment = {"mysql": "DATETIME(6)", "mariadb": "DATETIME(6)"}.get(database.engine, "TIMESTAMP")
    kinds = ["INTEGER", "NUMERIC(8, 2)", "DOUBLE PRECISION", "VARCHAR(20)", "DATE", moment]
    make(database, "id INTEGER PRIMARY KEY, " + ", ".join(f"c{n} {kind}" for n, kind in enumerate(kinds)))
    quote = "'say \"é\\\"'" if database.engine in ("sqlite", "postgresql") else "'say \"é\\\\\"'"
    with opened(database, write=True) as session:
        session.run(f"INSERT INTO things VALUES (1, -7, 1.5, 0.1, {quote}, '2024-01-31', '2024-01-31 08:30:00')")
        session.run("INSERT INTO things VALUES (2, NULL, NULL, NULL, NULL, NULL, '2024-01-31 08:30:00.250000')")
        table = session.table("things")
        spelled = [
            session.dialect.json_literal(table.sql.c[f"c{n}"], table.columns[f"c{n}"]) for n, _ in enumerate(kinds)
        ]
        first, second = sorted(session.ask(table.sql.c.id, *spelled))
    assert [json.loads(text) for text in first[1:]] == [-7, 1.5, 0.1, 'say "é\\"', "2024-01-31", "2024-01-31T08:30:00"]
    assert second[1:6] == (None,) * 5
    assert json.loads(second[6]).startswith("2024-01-31T08:30:00.25")


def test_a_json_number_is_a_number(database: Database) -> None:
    make(database, "id INTEGER PRIMARY KEY, v TEXT")
    spelled = {"0": 0, "-7": -7, "1.50": 1.5, "1e2": 100, "1234567.89": 1234567.89}
    with opened(database, write=True) as session:
        refill(session, [{"id": n, "v": text} for n, text in enumerate(spelled)])
        columns = session.table("things").sql.c
        told = dict(session.ask(columns.id, session.dialect.as_number(columns.v)))
        assert {text: float(told[n]) for n, text in enumerate(spelled)} == spelled
        # no noise of binary fractions: 0.1 + 0.2 is 0.3
        refill(session, [{"id": 1, "v": "0.1"}, {"id": 2, "v": "0.2"}])
        (added,) = session.ask(session.dialect.total(session.dialect.as_number(columns.v)))
        assert abs(float(added) - 0.3) < 1e-12


PATH_TEXTS = {
    '{"a": {"b": "x\\u00e9\\""}}': 'xé"',
    '{"a": {"b": true}}': "true",
    '{"a": {"b": false}}': "false",
    '{"a": {"b": null}}': None,
    '{"a": {"b": -7}}': "-7",
    '{"a": {"b": 1.5}}': "1.5",
    '{"a": {"b": ""}}': "",
    '{"a": {}}': None,
    '{"a": [{"b": 1}]}': None,
    "[1]": None,
    '"a"': None,
    "{": None,
    "": None,
}


def test_the_text_at_a_path_is_read_from_whatever_a_column_holds(database: Database) -> None:
    make(database, "id INTEGER PRIMARY KEY, v TEXT")
    with opened(database, write=True) as session:
        refill(
            session, [{"id": n, "v": text} for n, text in enumerate([*PATH_TEXTS, '{"a": {"b": "x\\u0000y"}}', None])]
        )
        columns = session.table("things").sql.c
        told = dict(session.ask(columns.id, session.dialect.json_path_text(columns.v, "text", ["a", "b"])))
        numbers = dict(session.ask(columns.id, session.dialect.json_path_number(columns.v, "text", ["a", "b"])))
    assert [float(number) for _, number in sorted(numbers.items()) if number is not None] == [-7.0, 1.5]
    assert {text: told[n] for n, text in enumerate(PATH_TEXTS)} == PATH_TEXTS
    # a string that goes on after NUL is not taken for the part before it
    assert told[len(PATH_TEXTS)] != "x"
    assert told[len(PATH_TEXTS) + 1] is None


@pytest.mark.parametrize("kind", ["JSON", "TEXT", "JSONB"])
def test_where_nothing_is_there_is_no_number(database: Database, kind: str) -> None:
    if kind == "JSONB" and database.engine != "postgresql":
        pytest.skip("this engine has no such type")
    make(database, f"id INTEGER PRIMARY KEY, v {kind}")
    with opened(database, write=True) as session:
        table = session.table("things")
        storage = table.columns["v"].storage or "text"
        given = session.dialect.json_parse(sa.literal('{"a": 5}', sa.Text), table.columns["v"])
        session.connection.execute(sa.insert(table.sql).from_select(["id", "v"], sa.select(sa.literal(1), given)))
        numbers = [session.dialect.json_inside_number(table.sql.c.v, storage, [key]) for key in ("a", "b")]
        ((there, missing),) = session.ask(*numbers)
        assert (float(there), missing) == (5, None)
