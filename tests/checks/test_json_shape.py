"""The conditions of wrong-json-shape against jsonschema, on random schemas and documents, on every engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import jsonschema
import sqlalchemy as sa
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.engines import Database
from tests.rowhash import execute
from trueup.checks._json_schema import accepts, read
from trueup.checks._json_shape import At, broken
from trueup.jsontext import JsonText
from trueup.stores.sql import SqlDatabase, SqlStore

KEYS = ["a", "b", "c d", "e.f", "$g", "é", "h/i"]
PATTERNS = ["^a", "a|b", r"^\d+$", r"[a-c]{2,3}", r"^[^a]*$", r"\w\s\w", r"(ab)+", ".", "é", r"a\.b"]

texts = st.text(st.sampled_from("abAB1. é😀\"\\/'%"), max_size=4) | st.sampled_from(["12", "1.5", "true", "null", "{}"])
numbers = st.sampled_from([0, 1, -1, 7, 1.0, 2.5, -0.5, 1e2, 1e-3, 2**31, 2**53, 1e20]) | st.integers(-5, 5)
scalars = texts | numbers | st.booleans() | st.none()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=6,
)
types = st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null"])
counts = st.integers(0, 3)
bounds = st.sampled_from([0, 1, -1, 2, 0.5, 2.5, 100, 2**31])


def schemas(depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of the part of JSON Schema that is checked, with `items` and objects within objects."""
    optional: dict[str, st.SearchStrategy[Any]] = {
        "type": types | st.lists(types, min_size=1, max_size=3, unique=True),
        "enum": st.lists(scalars, min_size=1, max_size=3),
        "const": scalars,
        "minimum": bounds,
        "maximum": bounds,
        "exclusiveMinimum": bounds,
        "exclusiveMaximum": bounds,
        "minLength": counts,
        "maxLength": counts,
        "pattern": st.sampled_from(PATTERNS),
        "minItems": counts,
        "maxItems": counts,
    }
    # few at once: of many, next to nothing is valid
    plain = st.lists(st.sampled_from(sorted(optional)), max_size=2, unique=True).flatmap(
        lambda words: st.fixed_dictionaries({word: optional[word] for word in words})
    )
    if not depth:
        return plain
    inner = schemas(depth - 1)
    nested = st.fixed_dictionaries(
        {"properties": st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)},
        optional={
            "type": st.sampled_from(["object", ["object", "null"]]),
            "required": st.lists(st.sampled_from(KEYS), max_size=2, unique=True),
            "additionalProperties": st.booleans(),
        },
    )
    listed = st.fixed_dictionaries({"items": inner}, optional={"type": st.just("array"), "minItems": counts})
    return nested | listed | plain


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], list[Any]]:
    """A schema, and documents of which some are made after it."""
    schema = draw(schemas(2))
    return schema, draw(st.lists(like(schema) | values, min_size=1, max_size=10))


def like(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that often meet `schema`."""
    if "properties" in schema or "required" in schema:
        known = {key: like(inner) | values for key, inner in schema.get("properties", {}).items()}
        needed = {key: known.get(key, scalars) for key in schema.get("required", [])}
        loose = {key: strategy for key, strategy in ({"a": scalars} | known).items() if key not in needed}
        return st.fixed_dictionaries(needed, optional=loose)
    if "items" in schema:
        return st.lists(like(schema["items"]) | values, max_size=3)
    return values if "const" not in schema else st.just(schema["const"]) | values


def asked(database: Database, schema: Any, documents: Sequence[str]) -> dict[str, list[bool]]:
    """What each way to keep JSON says of each document: whether it does not meet the schema."""
    root = read(JsonText(JsonText.of(exact(schema))).value())
    store = SqlStore("app", database.url)
    try:
        with store.connect(write=True) as connection:
            found = SqlDatabase(store, connection)
            there = store.dialect.tables(connection)
            connection.rollback()
            if not there:
                make(database)
            table = found.table("d").sql
            names = [column.name for column in table.c if column.name != "id"]
            columns = [sa.column(name, table.c[name].type) for name in names]
            bare = sa.table("d", sa.column("id"), *columns, schema=table.schema)
            given: dict[str, Any] = {name: sa.cast(sa.bindparam(name), table.c[name].type) for name in names}
            if database.engine != "postgresql":
                given = {name: sa.bindparam(name, type_=sa.Text()) for name in names}
            insert = bare.insert().values(id=sa.bindparam("n"), **given)
            connection.execute(insert, [{"n": n, **dict.fromkeys(names, text)} for n, text in enumerate(documents)])
            row = found.row("d")
            answers = {}
            for name in names:
                at = At(row.dialect, row[name], row.column(name).storage or "text")
                condition = broken(root, at)
                wrong = sa.case((condition, 1), (sa.not_(condition), 0), else_=-1)
                rows = found.ask(sa.select(wrong).select_from(row.relation).order_by(row["id"]))
                assert all(value in (0, 1) for (value,) in rows), "a condition was NULL"
                answers[name] = [bool(value) for (value,) in rows]
            connection.rollback()
            return answers
    finally:
        store.close()


def make(database: Database) -> None:
    """A table that keeps a document in every way the engine has."""
    columns = {
        "sqlite": "t TEXT",
        "postgresql": "t TEXT, j JSON, b JSONB",
        "mysql": "t LONGTEXT, j JSON",
        "mariadb": "t LONGTEXT, j JSON",
    }
    tail = " CHARACTER SET utf8mb4" if database.engine in ("mysql", "mariadb") else ""
    execute(database, [f"CREATE TABLE d (id INTEGER PRIMARY KEY, {columns[database.engine]}){tail}"])


def exact(value: Any) -> Any:
    """A schema with its doubles as decimals, as the configuration reads them."""
    if isinstance(value, dict):
        return {key: exact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [exact(inner) for inner in value]
    return Decimal(repr(value)) if isinstance(value, float) else value


def closed_beyond_ascii(schema: Any) -> bool:
    """Whether keys that SQLite has no words for are the only ones allowed somewhere."""
    if not isinstance(schema, dict):
        return False
    here = schema.get("additionalProperties") is False and not all(key.isascii() for key in schema["properties"])
    return here or any(map(closed_beyond_ascii, [*schema.get("properties", {}).values(), schema.get("items")]))


DEEP: dict[str, Any] = {
    "type": "object",
    "required": ["a"],
    "properties": {"a": {"type": "object", "properties": {"b": {"type": "integer", "minimum": 0}}, "required": ["b"]}},
}
LISTED: dict[str, Any] = {
    "properties": {
        "a": {
            "type": "array",
            "items": {"type": "object", "required": ["b"], "properties": {"b": {"enum": ["x", 1, True, None]}}},
        }
    }
}
DOCUMENTS = [{}, {"a": {}}, {"a": {"b": 1}}, {"a": {"b": 1.0}}, {"a": {"b": 1.5}}, {"a": {"b": -1}}, {"a": []}, [], 7]
LISTS = [[{"b": "x"}], [{"b": 1}, {"b": True}, {"b": None}], [1], [{"b": "y"}], [{"b": 2}], [{"b": False}], [None], []]
NULLS = [[None], [], [None, 1], None, {}]


@given(case=cases(), ascii_only=st.booleans())
@example(case=(DEEP, DOCUMENTS), ascii_only=True)
@example(case=(LISTED, [{"a": one} for one in LISTS]), ascii_only=True)
@example(case=({"items": {"type": "null"}}, NULLS), ascii_only=True)
@example(case=({"items": {"minimum": 1}}, NULLS), ascii_only=True)
def test_a_condition_agrees_with_jsonschema(
    database: Database, case: tuple[dict[str, Any], list[Any]], ascii_only: bool
) -> None:
    schema, documents = case
    assume(database.engine != "sqlite" or not closed_beyond_ascii(schema))
    validator = jsonschema.Draft202012Validator(schema)
    wanted = [not validator.is_valid(document) for document in documents]
    spelled = [json.dumps(document, ensure_ascii=ascii_only) for document in documents]
    for name, answers in asked(database, schema, spelled).items():
        assert answers == wanted, f"{name}: {schema}: {spelled}"


@given(case=cases())
def test_python_judges_as_jsonschema_does(case: tuple[dict[str, Any], list[Any]]) -> None:
    schema, documents = case
    validator, root = jsonschema.Draft202012Validator(schema), read(exact(schema))
    assert [accepts(root, one) for one in documents] == [validator.is_valid(one) for one in documents]
