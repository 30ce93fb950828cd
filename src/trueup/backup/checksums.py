"""Summarises a table in a few numbers: its rows, and for each column that is not computed a sum of digests.

Each digest is over the key and the value. The sums do not depend on the order of rows, detect swapped values (the key
is in each digest) and pairs that would cancel out in an exclusive or, and are computed inside the database. Two tables
with equal sums have the same content, but for a chance of one in 2^60 for each column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, select

from trueup.check import Row
from trueup.codec import canonical, digest
from trueup.results import Progress
from trueup.sql.tables import Column, Table
from trueup.stores.sql import SqlDatabase


@dataclass(frozen=True, slots=True)
class TableSum:
    """The summary of one table: its rows, the sum of each column, and its shape.

    A column that a dump rounds is summed by its text only; its name is in `coarse`.
    """

    rows: int
    columns: Mapping[str, str]
    shape: str
    coarse: tuple[str, ...] = ()


def sums(database: SqlDatabase, tables: Iterable[str], progress: Progress) -> dict[str, TableSum]:
    """Compute the sums of tables in one transaction of the session, which the caller chooses."""
    dialect = database.dialect
    found = {}
    for name in tables:
        row = database.row(name)
        columns = row.table.stored()
        inexact = tuple(column.name for column in columns if dialect.dumps_rounded(column))
        parts = [dialect.sum_of_digests(_digest(row, column, inexact=column.name in inexact)) for column in columns]
        (values,) = database.ask(select(func.count(), *parts).select_from(row.relation))
        told = {column.name: str(value or 0) for column, value in zip(columns, values[1:], strict=True)}
        found[name] = TableSum(int(values[0]), told, shape(row.table), inexact)
        progress.advance(1)
    return found


def shape(table: Table) -> str:
    """Return the shape of a table without what no scratch copy has: its place, triggers, rules and policies."""
    facts = table.facts or {}
    return digest(
        canonical(
            {
                "columns": [
                    [one.name, one.ddl, one.nullable, one.generated, one.auto_update, one.has_default]
                    for one in table.columns.values()
                ],
                "key": list(table.key),
                "uniques": [list(one) for one in table.uniques],
                "indexes": sorted(list(one) for one in table.indexes),
                "references": sorted(
                    [list(one.columns), list(one.parent_columns), one.on_delete, one.on_update]
                    for one in table.references
                ),
                **{name: facts[name] for name in ("checks", "expressions") if name in facts},
            }
        )
    )


_TEXT = Column(name="text", ddl="varchar(100)", nullable=True, family="text")


def _digest(row: Row, column: Column, *, inexact: bool) -> ColumnElement[str]:
    value = (_TEXT, cast(row[column.name], Text)) if inexact else _named(row, column)
    key = [_named(row, row.column(name)) for name in row.table.key if name != column.name]
    return row.dialect.digest([*key, value])


def _named(row: Row, column: Column) -> tuple[Column, ColumnElement[Any]]:
    """Return the name for a value that identifies an object (`regclass` ...).

    A dump writes the name, and the oid is another one in the copy.
    """
    value = row[column.name]
    return (_TEXT, cast(value, Text)) if row.dialect.dumps_by_name(column) else (column, value)


def differences(
    wanted: Mapping[str, TableSum], also: Mapping[str, TableSum], found: Mapping[str, TableSum]
) -> list[str]:
    """Return sentences on where `found` matches neither `wanted` nor `also` (the same tables a moment later)."""
    told = [f"table {name} is missing" for name in wanted if name not in found]
    told += [f"table {name} is there, and was not before" for name in found if name not in wanted]
    for name in wanted:
        if name not in found:
            continue
        ways = [_unlike(name, one, found[name]) for one in (wanted[name], also[name])]
        told += ways[0] if len(ways[0]) <= len(ways[1]) else ways[1]
    return told


def _unlike(name: str, wanted: TableSum, found: TableSum) -> list[str]:
    told = []
    if wanted.shape != found.shape:
        told.append(f"table {name} has another shape")
    if wanted.rows != found.rows:
        told.append(f"table {name} has {found.rows:,} rows, not {wanted.rows:,}")
    for column, total in wanted.columns.items():
        if found.columns.get(column) != total:
            told.append(f"{name}.{column} does not hold the same")
    return told
