"""The quick tests of JSON types against a reference in Python, in a column and inside a document, on every engine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from tests.engines import Database
from tests.rowhash import execute
from trueup.sql.tables import JSON_TYPES
from trueup.stores.sql import SqlDatabase, SqlStore

pytestmark = pytest.mark.each_engine

EXPECTED: Sequence[Sequence[str]] = [
    *([kind] for kind in JSON_TYPES),
    ["integer", "double"],
    ["integer", "null"],
    ["object", "integer"],
    ["string", "double"],
    ["integer", "double", "null"],
    ["object", "array", "string", "integer", "double", "boolean"],
]
NUMBERS = ["0", "-0", "7", "-7", "1.0", "1e2", "1E+2", "1.5e1", "1.50e1", "-1.5e-3", "9" * 18, "9" * 25, str(2**64)]
NUMBERS += [str(2**63), str(-(2**63) - 1), "9" * 300, "0.0", "-0.0", "123456789012345678901234567890.5"]
NEARLY = [
    "007",
    "-",
    "--1",
    "1-1",
    "+1",
    "1.",
    ".5",
    "1e",
    "1e+",
    "0x1F",
    "1_000",
    "٣",
    "7 7",
    "NaN",
    "Infinity",
    "'a'",
]
OTHERS = ['"7"', '"1.5"', '"null"', '""', '"-"', "true", "false", "null", "[]", "{}", "[7]", '{"b": 7}', '{"7": 7}']

# without NUL, which PostgreSQL has no text for, and half surrogate pairs, which no driver takes
strings = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,8})?([eE][-+]?[0-9]{1,2})?", fullmatch=True)
atoms = st.sampled_from([*NUMBERS, *OTHERS]) | numbers | strings.map(json.dumps)
nested = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(strings, inner), max_size=3).map(
            lambda items: "{" + ",".join(f"{json.dumps(key)}: {value}" for key, value in items) + "}"
        )
    ),
    max_leaves=5,
)
blanks = st.text(" \t\n\r", max_size=2)
documents = st.builds("".join, st.tuples(blanks, nested, blanks))


def broken(text: str, place: int, sign: str) -> str:
    """`text` with one character put in, or one left out when there is none."""
    place %= len(text)
    return text[:place] + sign + text[place + (not sign) :]


nearly = st.sampled_from(NEARLY) | st.builds(
    broken, documents, st.integers(0, 99), st.sampled_from(["", *'{}[]",:0-.e \n\\tn'])
)


def kind_of(text: str, engine: str, *, typed: bool) -> str:
    """The type of a valid document; an engine's own JSON type has its own idea of numbers."""
    first = text.strip(" \t\n\r")[0]
    if first not in "-0123456789":
        return {"{": "object", "[": "array", '"': "string", "t": "boolean", "f": "boolean", "n": "null"}[first]
    number = text.strip(" \t\n\r")
    if engine == "postgresql" and typed:  # jsonb keeps digits, not exponents
        return "double" if "." in format(Decimal(number), "f") else "integer"
    if engine == "mysql" and not re.search("[.eE]", number):
        # there is no integer beyond 64 bits
        return "integer" if -(2**63) <= int(number) < 2**64 else "double"
    return "double" if re.search("[.eE]", number) else "integer"


@contextmanager
def filled(database: Database, rows: Sequence[dict[str, Any]]) -> Iterator[SqlDatabase]:
    """A session on a table that holds `rows`: JSON as text in `t`, in the engine's own type in `j`, inside of both."""
    store = SqlStore("app", database.url)
    with store.connect(write=True) as connection:
        there = store.dialect.tables(connection)
        connection.rollback()  # SQLite's session holds the file
        if not there:
            text = {"mysql": "LONGTEXT", "mariadb": "LONGTEXT"}.get(database.engine, "TEXT")
            own = {"sqlite": "TEXT", "postgresql": "JSONB"}.get(database.engine, "JSON")
            tail = " CHARACTER SET utf8mb4" if database.engine in ("mysql", "mariadb") else ""
            execute(database, [f"CREATE TABLE d (id INTEGER PRIMARY KEY, t {text}, j {own}){tail}"])
        found = SqlDatabase(store, connection)
        table = found.table("d").sql
        column = sa.table("d", sa.column("id"), sa.column("t"), sa.column("j"), schema=table.schema)
        own_json = sa.cast(sa.bindparam("j"), table.c.j.type) if database.engine == "postgresql" else sa.bindparam("j")
        for row in rows:
            connection.execute(column.insert().values(id=sa.bindparam("id"), t=sa.bindparam("t"), j=own_json), row)
        yield found
        connection.rollback()
    store.close()


def told(found: SqlDatabase, name: str, types: Sequence[str]) -> list[int]:
    """What `is_not` says of each row, in order."""
    row = found.row("d")
    wrong = sa.case((row.json(name).is_not(types), 1), (sa.not_(row.json(name).is_not(types)), 0), else_=-1)
    return [int(one) for (one,) in found.ask(sa.select(wrong).select_from(row.relation).order_by(row["id"]))]


def types_of(found: SqlDatabase, name: str) -> list[str | None]:
    """The type of each row, in order."""
    row = found.row("d")
    kind = row.json(name).type()
    return [one for (one,) in found.ask(sa.select(kind).select_from(row.relation).order_by(row["id"]))]


@pytest.mark.quick_on("sqlite")
@given(texts=st.lists(documents, min_size=1, max_size=8))
@example(texts=[*NUMBERS, *OTHERS])
def test_a_quick_test_of_a_type_agrees_with_the_grammar(database: Database, texts: list[str]) -> None:
    rows = [{"id": n, "t": text, "j": text} for n, text in enumerate(texts)]
    inner = [{"id": n, "t": f'{{"x": 1, "a": {{"b": {text}}}}}'} for n, text in enumerate(texts, len(texts))]
    rows += [{**row, "j": row["t"]} for row in inner]
    rows.append({"id": 2 * len(texts), "t": None, "j": None})
    with filled(database, rows) as found:
        for column in ("t", "j"):
            typed = column == "j" and found.table("d").columns["j"].storage in ("json", "jsonb")
            kinds = [kind_of(text, database.engine, typed=typed) for text in texts]
            whole, at = [*kinds, *["object"] * len(kinds), None], [*inside(texts), *kinds, None]
            assert types_of(found, column) == whole
            for types in EXPECTED:
                assert told(found, column, types) == [int(kind is not None and kind not in types) for kind in whole]
                wrong = told(found, f"{column}.a.b", types)
                assert wrong == [int(kind is not None and kind not in types) for kind in at], (column, types)


def inside(texts: Sequence[str]) -> list[None]:
    """What is at `a.b` in the texts themselves: nothing, by the way they are made."""
    assert not any('"a"' in text and '"b"' in text for text in texts)
    return [None] * len(texts)


@pytest.mark.quick_on("sqlite")
@given(texts=st.lists(nearly, min_size=1, max_size=8))
@example(texts=NEARLY)
@example(texts=[f'{{"a": {{"b": {text}}}}}' for text in NEARLY])
def test_a_quick_test_agrees_with_the_full_one_on_text_that_is_hardly_json(
    database: Database, texts: list[str]
) -> None:
    with filled(database, [{"id": n, "t": text, "j": None} for n, text in enumerate(texts)]) as found:
        for name in ("t", "t.a.b"):
            kinds = types_of(found, name)
            for types in EXPECTED:
                assert told(found, name, types) == [int(kind is not None and kind not in types) for kind in kinds]


def test_of_equal_keys_the_type_is_that_of_the_value_that_is_found(database: Database) -> None:
    with filled(database, [{"id": 1, "t": '{"a": {"b": 1, "b": "x"}}', "j": None}]) as found:
        (kind,) = types_of(found, "t.a.b")
        value = found.ask(sa.select(found.row("d").json("t.a.b").text()))[0][0]
        assert (kind, value) in (("integer", "1"), ("string", "x"))
        assert told(found, "t.a.b", [str(kind)]) == [0]
        assert told(found, "t.a.b", ["object"]) == [1]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_what_follows_a_nul_makes_no_error_and_no_other_answer(database: Database) -> None:
    texts = ["7\0", '{"a": {"b": 7}}\0', '{"a": {"b\0": 7}}', "\0{}", '{"a": {"b": 7\0}}']
    with filled(database, [{"id": n, "t": text, "j": None} for n, text in enumerate(texts)]) as found:
        assert told(found, "t", ["integer"]) == [1] * 5
        # SQLite's own functions see the text before the NUL
        assert told(found, "t", ["object"]) == [1, 0, 1, 1, 1]
        assert told(found, "t.a.b", ["integer"]) == [0] * 5
        assert told(found, "t.a.b", ["string"]) == [0, 1, 0, 0, 0]
