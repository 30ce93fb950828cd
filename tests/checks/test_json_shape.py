"""The conditions of wrong-json-shape against jsonschema, on random schemas and documents, on every engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.engines import Database
from tests.rowhash import execute
from trueup.checks._json_schema import accepts, read
from trueup.checks._json_shape import At, Mending, broken
from trueup.sql.tables import Column
from trueup.stores.sql import SqlDatabase, SqlStore

pytestmark = pytest.mark.each_engine

Form = Callable[[At, Column], list[Any]]
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
def cases(draw: st.DrawFn, *, defaults: bool = False) -> tuple[dict[str, Any], list[Any]]:
    """A schema, and documents of which some are made after it."""
    schema = draw(schemas(2))
    if defaults:
        for inner in schema.get("properties", {}).values():
            default = draw(st.none() | like(inner))
            if default is not None and jsonschema.Draft202012Validator(inner).is_valid(default):
                inner["default"] = default
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


def asked(database: Database, documents: Sequence[str], form: Form) -> dict[str, list[tuple[Any, ...]]]:
    """What `form` says of each document, by the way it is kept."""
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
                column = row.column(name)
                parts = form(At(row.dialect, row[name], column.storage or "text"), column)
                statement = sa.select(*parts).select_from(row.relation).order_by(row["id"])
                answers[name] = [tuple(one) for one in found.ask(statement)]
            connection.rollback()
            return answers
    finally:
        store.close()


def told(condition: Any) -> Any:
    """1 or 0 by a condition; -1 when it is NULL, which it must never be."""
    return sa.case((condition, 1), (sa.not_(condition), 0), else_=-1)


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
    here = schema.get("additionalProperties") is False and not all(
        key.isascii() for key in schema.get("properties", {})
    )
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
MENDED: dict[str, Any] = {
    "type": "object",
    "required": ["a", "b"],
    "properties": {
        "a": {
            "type": "object",
            "required": ["n"],
            "properties": {"n": {"type": ["integer", "null"]}},
            "default": {"n": 1},
        },
        "b": {"type": "boolean", "default": True},
    },
}
OPTIONAL: dict[str, Any] = {
    "properties": {
        "a": {"type": "number", "maximum": 1, "exclusiveMinimum": 0},
        "b": {"type": "string", "minLength": 1, "maxLength": 2, "pattern": "b"},
        "c": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "d": {"type": "integer", "minimum": 1},
        "e": {"type": "object", "additionalProperties": False},
        "f": {"enum": ["x"]},
    }
}
NULLS = [[None], [], [None, 1], None, {}]


@pytest.mark.quick_on("sqlite")
@given(case=cases(), ascii_only=st.booleans())
@example(case=(DEEP, DOCUMENTS), ascii_only=True)
@example(case=(LISTED, [{"a": one} for one in LISTS]), ascii_only=True)
@example(case=({"items": {"type": "null"}}, NULLS), ascii_only=True)
@example(
    case=(OPTIONAL, [{}, {"a": 2}, {"a": 0}, {"b": "abc"}, {"b": ""}, {"c": []}, {"c": [1]}, None]), ascii_only=True
)
@example(case=({"items": {"minimum": 1}}, NULLS), ascii_only=True)
def test_a_condition_agrees_with_jsonschema(
    database: Database, case: tuple[dict[str, Any], list[Any]], ascii_only: bool
) -> None:
    schema, documents = case
    assume(database.engine != "sqlite" or not closed_beyond_ascii(schema))
    validator = jsonschema.Draft202012Validator(schema)
    wanted = [not validator.is_valid(document) for document in documents]
    spelled = [json.dumps(document, ensure_ascii=ascii_only) for document in documents]
    root = read(exact(schema))
    for name, answers in asked(database, spelled, lambda at, _: [told(broken(root, at))]).items():
        assert answers == [(int(one),) for one in wanted], f"{name}: {schema}: {spelled}"


@pytest.mark.quick_on("sqlite")
@given(case=cases(defaults=True))
@example(
    case=({"required": ["a"], "properties": {"a": {"type": "integer", "default": 1}}}, [{}, {"a": "7"}, {"a": []}])
)
@example(case=(MENDED, [{}, {"a": {"n": "1"}}, {"a": {"n": "x"}, "b": "true"}, {"a": 1, "b": 1}, {"b": "yes"}]))
def test_a_document_that_a_repair_fits_meets_the_schema_afterwards(
    database: Database, case: tuple[dict[str, Any], list[Any]]
) -> None:
    schema, documents = case
    assume(database.engine != "sqlite" or not closed_beyond_ascii(schema))
    root = read(exact(schema))
    levels = [(False, False), (True, False), (True, True)]

    def form(at: At, column: Column) -> list[Any]:
        repairs = [
            Mending(root=root, document=at, column=column, decode=decode, nullify=nullify) for decode, nullify in levels
        ]
        texts = [sa.cast(repair.made(), sa.Text) for repair in repairs]
        return [part for repair, text in zip(repairs, texts, strict=True) for part in (told(repair.fits()), text)]

    validator = jsonschema.Draft202012Validator(schema)
    for name, answers in asked(database, [json.dumps(one) for one in documents], form).items():
        for document, found in zip(documents, answers, strict=True):
            fits, made = found[::2], found[1::2]
            assert list(fits) == sorted(fits), f"{name}: a stronger repair fits less: {schema}: {document}"
            for fit, text in zip(fits, made, strict=True):
                assert fit in (0, 1)
                assert not fit or validator.is_valid(json.loads(text)), f"{name}: {schema}: {document}: {text}"


@given(case=cases())
def test_python_judges_as_jsonschema_does(case: tuple[dict[str, Any], list[Any]]) -> None:
    schema, documents = case
    validator, root = jsonschema.Draft202012Validator(schema), read(exact(schema))
    assert [accepts(root, one) for one in documents] == [validator.is_valid(one) for one in documents]
