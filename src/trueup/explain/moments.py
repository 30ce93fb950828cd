"""A point in time as text of one form on every engine: `2026-11-03`, `2026-11-03 03`, `03`."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import ColumnElement, String, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

#: The parts of a moment that rows are grouped by; `hour of day` is the same in every day.
Part = Literal["day", "hour", "hour of day", "minute"]

_PLACES = {"day": (1, 10), "hour": (1, 13), "hour of day": (12, 2), "minute": (1, 16)}
_POSTGRESQL = {"day": "YYYY-MM-DD", "hour": "YYYY-MM-DD HH24", "hour of day": "HH24", "minute": "YYYY-MM-DD HH24:MI"}
_INNODB = {"day": "%Y-%m-%d", "hour": "%Y-%m-%d %H", "hour of day": "%H", "minute": "%Y-%m-%d %H:%i"}


class _Moment(FunctionElement[str]):
    """Each engine spells it from the value, the format of PostgreSQL, that of InnoDB, and a place in ISO text."""

    type = String()
    name = "moment"
    inherit_cache = True


@compiles(_Moment, "postgresql")
def _postgresql(element: _Moment, compiler: SQLCompiler, **options: Any) -> str:
    value, form, *_ = (compiler.process(clause, **options) for clause in element.clauses)
    # what is infinite has no parts
    return f"coalesce(to_char({value}, {form}), CAST({value} AS text))"


@compiles(_Moment, "mysql")
@compiles(_Moment, "mariadb")
def _innodb(element: _Moment, compiler: SQLCompiler, **options: Any) -> str:
    value, _, form, *_ = (compiler.process(clause, **options) for clause in element.clauses)
    return f"DATE_FORMAT({value}, {form})"


@compiles(_Moment, "sqlite")
def _sqlite(element: _Moment, compiler: SQLCompiler, **options: Any) -> str:
    # dates are text there, ISO's with a blank or a T; numbers (seconds since 1970) are cut like text, and say little
    value, _, _, start, length = (compiler.process(clause, **options) for clause in element.clauses)
    return f"SUBSTR(REPLACE({value}, 'T', ' '), {start}, {length})"


def moment(value: ColumnElement[Any], part: Part) -> ColumnElement[str]:
    """`part` of a timestamp as text; SQL NULL for SQL NULL."""
    start, length = _PLACES[part]
    return _Moment(
        value, literal(_POSTGRESQL[part], String()), literal(_INNODB[part], String()), literal(start), literal(length)
    )
