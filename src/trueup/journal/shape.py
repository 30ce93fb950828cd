"""The shape of the journal's tables: the columns of an image table, and differences between a table and ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Connection, UniqueConstraint
from sqlalchemy import Table as SqlTable
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import UserDefinedType

from trueup.changes import Group
from trueup.sql.dialect import Dialect
from trueup.sql.tables import Table
from trueup.sql.writing import Kept


class RawType(UserDefinedType[Any]):
    """A column type in the catalogue's exact words. Its values never pass through Python."""

    cache_ok = True

    def __init__(self, ddl: str) -> None:
        self.ddl = ddl


@compiles(RawType)
def _spelled(kind: RawType, compiler: Any, **_: Any) -> str:
    # the members of an ENUM may hold a per cent sign, which a driver takes for the beginning of a parameter
    return kind.ddl.replace("%", "%%") if compiler.dialect.paramstyle in ("format", "pyformat") else kind.ddl


#: The parts of an image: the key, and the touched columns before and after.
Side = Literal["k", "b", "a"]
SIDES: tuple[Side, ...] = ("k", "b", "a")


def image_column(side: Side, number: int) -> str:
    """Return the name of a column of an image table:

    `k0`, `k1` ... hold the key, `b0` and `a0` the first touched column.
    """
    return f"{side}{number}"


def touched(table: Table, group: Group) -> list[str]:
    """Return the columns whose images are stored: the written ones, or for a delete every stored column."""
    return [column.name for column in table.stored()] if group.action == "delete" else list(group.columns)


def image_shape(dialect: Dialect, table: Table, group: Group) -> dict[str, Any]:
    """Return the column names and types of an image table for the group: the key, before and after."""

    def typed(names: Sequence[str]) -> list[list[str]]:
        return [[name, dialect.image_type(table.columns[name])] for name in names]

    written = touched(table, group)
    return {
        "table": [part or "" for part in table.place],
        "action": group.action,
        "k": typed(table.key),
        "b": typed(written),
        "a": [] if group.action == "delete" else typed(written),
    }


def differs(dialect: Dialect, connection: Connection, kept: Kept, table: SqlTable) -> str:
    """Return how a table in the database differs from the one that trueup creates, or ''."""
    wanted = {}
    for column in table.columns:
        raw = column.type.ddl if isinstance(column.type, RawType) else column.type.compile(connection.dialect)
        wanted[column.name] = dialect.catalogued(raw) + ("" if column.nullable else " NOT NULL")
    for name in [*wanted, *kept.columns]:
        is_now, should = kept.columns.get(name), wanted.get(name)
        if is_now != should:
            if should is None:
                return f"has a column {name!r} that is not trueup's"
            was = f"is {is_now}" if is_now else "is gone"
            return f"was altered: its column {name!r} {was}, and should be {should or 'of no type'}"
    keys = {tuple(column.name for column in table.primary_key.columns)}
    keys |= {
        tuple(column.name for column in one.columns) for one in table.constraints if isinstance(one, UniqueConstraint)
    }
    lost = sorted(keys - kept.uniques)
    return f"was altered: it has no unique key of {', '.join(lost[0])}" if lost else ""
