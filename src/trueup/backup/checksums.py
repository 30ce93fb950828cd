"""What a table holds, in a few numbers: rows, and for each column that is not computed a sum over digests of key and
value.

The sums do not depend on the order of rows, tell swapped values (the key is in each digest) and pairs that would cancel
out in an exclusive or, and are made inside the database. Two tables with equal sums hold the same, but for a chance
of one in 2^60 a column.
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
    """One table: its rows, the sum of each column, and its shape. Columns that a dump rounds are summed by their text
    only; their names are in `coarse`.
    """

    rows: int
    columns: Mapping[str, str]
    shape: str
    coarse: tuple[str, ...] = ()


def sums(database: SqlDatabase, tables: Iterable[str], progress: Progress) -> dict[str, TableSum]:
    """The sums of tables, in one transaction of the session (the caller says which)."""
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
    """What a table is made of, without what no scratch copy has: its place, its triggers, its rules, its policies."""
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


_TEXT = Column("text", "varchar(100)", True, "text")


def _digest(row: Row, column: Column, *, inexact: bool) -> ColumnElement[str]:
    value = (_TEXT, cast(row[column.name], Text)) if inexact else _named(row, column)
    key = [_named(row, row.column(name)) for name in row.table.key if name != column.name]
    return row.dialect.digest([*key, value])


def _named(row: Row, column: Column) -> tuple[Column, ColumnElement[Any]]:
    """Of what names an object (`regclass` ...) the name: a dump writes that, and the object has another number then."""
    value = row[column.name]
    return (_TEXT, cast(value, Text)) if row.dialect.dumps_by_name(column) else (column, value)


def differences(
    wanted: Mapping[str, TableSum], also: Mapping[str, TableSum], found: Mapping[str, TableSum]
) -> list[str]:
    """Where `found` is neither as `wanted` nor as `also` (the same tables a moment later), in sentences."""
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
