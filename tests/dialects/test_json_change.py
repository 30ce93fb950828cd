"""Changing one value of a document, and the words that look into one, on every engine."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from tests.dialects.opened import opened
from tests.engines import Database
from tests.rowhash import execute

pytestmark = pytest.mark.each_engine

PLACES: list[tuple[list[str], Any, Any]] = [
    (["a"], 2, {"a": 2, "b": {"c": [1, "é"]}, "d/é": None}),
    (["new"], "x", {"a": 1, "b": {"c": [1, "é"]}, "d/é": None, "new": "x"}),
    (["b", "c"], {"k": [True]}, {"a": 1, "b": {"c": {"k": [True]}}, "d/é": None}),
    (["b", "new"], None, {"a": 1, "b": {"c": [1, "é"], "new": None}, "d/é": None}),
    (["d/é"], 1.5, {"a": 1, "b": {"c": [1, "é"]}, "d/é": 1.5}),
    (["a"], ..., {"a": 1, "b": {"c": [1, "é"]}, "d/é": None}),
    (["new"], ..., {"a": 1, "b": {"c": [1, "é"]}, "d/é": None}),
]
DOCUMENT = {"a": 1, "b": {"c": [1, "é"]}, "d/é": None}


def kinds(database: Database) -> list[str]:
    own = {"sqlite": ["TEXT"], "postgresql": ["TEXT", "JSON", "JSONB"]}
    return own.get(database.engine, ["LONGTEXT CHARACTER SET utf8mb4", "JSON"])


@pytest.mark.parametrize("ascii_only", [False, True])
def test_one_value_is_changed_and_nothing_else(database: Database, ascii_only: bool) -> None:
    columns = ", ".join(f"v{n} {kind}" for n, kind in enumerate(kinds(database)))
    execute(database, [f"CREATE TABLE things (id INTEGER PRIMARY KEY, {columns})"])
    with opened(database, write=True) as session:
        table, dialect = session.table("things"), session.dialect
        names = [column.name for column in table.stored() if column.name != "id"]
        text = sa.literal(json.dumps(DOCUMENT, ensure_ascii=ascii_only), sa.Text)
        given = [dialect.json_parse(text, table.columns[name]) for name in names]
        insert = sa.insert(table.sql).from_select(["id", *names], sa.select(sa.literal(1), *given))
        session.connection.execute(insert)
        for name in names:
            column, value = table.columns[name], table.sql.c[name]
            changes: list[tuple[list[str], sa.ColumnElement[Any]]] = []
            for path, new, wanted in PLACES:
                made = dialect.json_parse(sa.literal(json.dumps(None if new is ... else new), sa.Text), column)
                # as a repair says it: nothing where a condition does not hold
                put = sa.case((sa.literal(new is not ...).is_(sa.true()), made), else_=sa.null())
                (changed,) = session.ask(sa.cast(dialect.json_change(value, column, [(path, put)]), sa.Text))
                assert json.loads(changed) == wanted, (name, path)
                changes.append((path, put))
            (changed,) = session.ask(sa.cast(dialect.json_change(value, column, changes), sa.Text))
            assert json.loads(changed) == {
                "a": 2, "b": {"c": {"k": [True]}, "new": None}, "d/é": 1.5, "new": "x"
            }, name  # fmt: skip


def test_a_document_is_looked_into(database: Database) -> None:
    execute(database, [f"CREATE TABLE things (id INTEGER PRIMARY KEY, v {kinds(database)[-1]})"])
    with opened(database, write=True) as session:
        table, dialect = session.table("things"), session.dialect
        column, value = table.columns["v"], table.sql.c.v
        storage = column.storage or "text"
        document = '{"list": [1, "x", null, {"k": 2}], "text": "a\'\\u00e9b", "big": 12345678, "half": 0.5}'
        made = dialect.json_parse(sa.literal(document, sa.Text), column)
        session.connection.execute(sa.insert(table.sql).from_select(["id", "v"], sa.select(sa.literal(1), made)))
        listed = dialect.json_inside(value, storage, ["list"])
        elements = dialect.json_elements(listed, storage)
        each = sa.select(sa.func.count()).select_from(elements.relation)
        strings = each.where(sa.not_(dialect.json_is_not(elements.value, elements.storage, ["string"])))
        nulls = each.where(sa.not_(dialect.json_is_not(elements.value, elements.storage, ["null"])))
        text = dialect.json_inside_string(value, storage, ["text"])

        def yes(condition: Any) -> Any:
            return sa.case((condition, 1), else_=0)

        rows = session.ask(
            dialect.json_length(listed, storage),
            strings.scalar_subquery(),
            nulls.scalar_subquery(),
            text,
            dialect.characters(text),
            yes(dialect.json_inside_one_of(value, storage, ["text"], ["b", "a'éb"])),
            yes(dialect.json_inside_one_of(value, storage, ["text"], ["A'ÉB"])),
            yes(dialect.json_inside_number(value, storage, ["big"]) == 12345678),
            yes(dialect.json_inside_number(value, storage, ["half"]) == sa.literal_column("0.5")),
            yes(dialect.json_other_keys(value, storage, ["list", "text", "big"])),
            yes(dialect.json_other_keys(value, storage, ["list", "text", "big", "half", "more"])),
            yes(dialect.matches(text, "^a'.b$")),
            yes(dialect.matches(text, "^A")),
            yes(dialect.json_path_lacks(value, storage, ["text"], ["string", "null"])),
            yes(dialect.json_path_lacks(value, storage, ["text"], ["integer"])),
            yes(dialect.json_path_lacks(value, storage, ["none"], ["string"])),
        )
    assert [tuple(row) for row in rows] == [(4, 1, 1, "a'éb", 4, 1, 0, 1, 1, 1, 0, 1, 0, 0, 1, 1)]
