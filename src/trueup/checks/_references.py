"""How the columns of a reference are compared, and which references names and values suggest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    cast,
    collate,
    func,
    select,
)

from trueup.check import Database, Row
from trueup.sql.tables import Column, Table

_SAMPLE = 2000
_DISTINCT = 5
_SHARE = 0.8


def sort(column: Column) -> str:
    """The sort of a column's type; columns of one sort can be compared."""
    if column.integer:
        return "integer"
    if column.numeric or column.family == "float":
        return "number"
    if column.family in ("text", "enum"):
        return "text"
    return re.sub(r"\(.*", "", column.ddl).lower()


def equal(parent: Row, above: str, row: Row, name: str) -> ColumnElement[bool]:
    """Whether a parent's column equals a reference; the parent's index can be used where the types allow."""
    column, path = row.place(name)
    wanted, key = parent.column(above), parent[above]
    if path:
        text = row.json(name).text()
        if wanted.integer:
            return key == row.dialect.as_integer(text)
        if sort(wanted) == "text":
            return and_(key == _collated(text, None, key, wanted), row.dialect.same_bytes(key, text))
        return cast(key, Text) == text
    return _comparable(wanted, key, row.column(column), row[column], row)


def _comparable(
    wanted: Column, key: ColumnElement[Any], column: Column, value: ColumnElement[Any], row: Row
) -> ColumnElement[bool]:
    # the parent stands on the left: SQLite compares by the collation of the left side
    ours, theirs = sort(column), sort(wanted)
    if ours == "":
        # a column of SQLite without a type: as an expression it takes the parent's affinity, as a declared key would
        return key == func.coalesce(value, value)
    if theirs == "":
        return key == value
    if ours == theirs or {ours, theirs} <= {"integer", "number"}:
        return key == (_collated(value, column, key, wanted) if theirs == "text" else value)
    if theirs == "integer" and ours == "text":
        return key == row.dialect.as_integer(value)
    if theirs == "text":
        return key == _collated(cast(value, Text), None, key, wanted)
    if theirs == "uuid":
        return cast(key, Text) == func.lower(cast(value, Text))
    return key == value


def _collated(
    value: ColumnElement[Any], column: Column | None, key: ColumnElement[Any], wanted: Column
) -> ColumnElement[Any]:
    """`value` under the parent's collation: two different ones cannot be compared, or not by an index.

    No `column`: text made by the engine. MySQL converts between character sets by itself, and refuses a collation of
    another one.
    """
    collation = getattr(key.type, "collation", None)
    same_set = _charset(wanted) in ("", _charset(column) if column else "utf8mb4")
    if collation is None or collation == getattr(value.type, "collation", None) or not same_set:
        return value
    return collate(value, collation)


def _charset(column: Column) -> str:
    found = re.search(r"character set (\w+)", column.ddl, re.IGNORECASE)
    return found[1].lower() if found else ""


def namesakes(table: Table, column: Column, tables: Mapping[str, Table]) -> list[Table]:
    """Tables whose name fits a column: `user_id` and `userId` fit `user`, `users`, `auth_user`."""
    thing = re.fullmatch(r"(.+?)_?id", column.name, re.IGNORECASE)
    if not thing:
        return []
    word = thing[1].replace("_", "").lower()
    fit = [
        one
        for one in tables.values()
        if one.name != table.name and len(one.key) == 1 and sort(one.columns[one.key[0]]) == sort(column)
    ]
    exact = [one for one in fit if word in _singulars(one.name)]
    return exact or [one for one in fit if any(word in _singulars(name) for name in _endings(one.name))]


def _singulars(table: str) -> set[str]:
    name = table.rpartition(".")[2].replace("_", "").lower()
    return {name, name.removesuffix("s"), name.removesuffix("es"), re.sub("ies$", "y", name)}


def _endings(table: str) -> list[str]:
    """`shop_order_lines` without the words before: `order_lines`, `lines`."""
    words = table.rpartition(".")[2].split("_")
    return ["_".join(words[start:]) for start in range(1, len(words))]


def agree(database: Database, table: Table, column: Column, parent: Table) -> bool:
    """Whether the parent has most values of a sample, and the sample has enough different ones to be evidence."""
    row, above = database.row(table.name), database.row(parent.name, "referenced_by_name")
    value = row[column.name]
    sample = select(value.label("v")).where(value.is_not(None)).limit(_SAMPLE).subquery("trueup_sample")
    key = above[parent.key[0]]
    match = _comparable(parent.columns[parent.key[0]], key, column, sample.c.v, row)
    counts = select(func.count(), func.count(key), func.count(func.distinct(sample.c.v)))
    ((rows, found, distinct),) = database.ask(counts.select_from(sample.outerjoin(above.relation, match)))
    return bool(distinct >= _DISTINCT and found >= _SHARE * rows)
