"""Conditions of the options `where` and `when`, and joins to the table that a total derives from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import ColumnElement, Numeric, Text, and_, cast, false, func, literal, literal_column, not_, or_, true

from trueup.check import Row
from trueup.errors import UsageError
from trueup.sql.tables import Column

#: By column or path inside JSON: the words of which one must fit.
Where = Mapping[str, tuple[str, ...]]

_SIGNS = (">=", "<=", ">", "<")
_TRUTH = {"true": ("true", "1"), "false": ("false", "0")}


def condition(row: Row, where: Where) -> ColumnElement[bool]:
    """Whether `row` is as `where` says; never NULL.

    A word is a value, `null`, `not null`, or a bound such as `>= 100`. Numbers are compared as numbers, text by the
    engine's own rules, all else as the engine spells it. Raises `UsageError` for a word that a column cannot be.
    """
    return and_(true(), *(or_(*(_fits(row, name, word) for word in words)) for name, words in where.items()))


def refuse_empty(kind: str, **conditions: Where) -> None:
    """Raise `ValueError` for a condition without a value, which would match every row or none."""
    for option, where in conditions.items():
        for name, words in where.items():
            if not words:
                raise ValueError(f"{kind} needs a value for {name!r} in {option!r}")


def told(where: Where) -> str:
    """The condition in words: ` where status is paid or sent`; empty for none."""
    parts = [f"{name} is {' or '.join(words)}" for name, words in where.items()]
    return f" where {' and '.join(parts)}" if parts else ""


def absent(row: Row, name: str) -> ColumnElement[bool]:
    """Whether the value is SQL NULL or, at a path, JSON null or a missing key. Never NULL."""
    if not row.place(name)[1]:
        return row[name].is_(None)
    kind = row.json(name).type()
    return or_(kind.is_(None), kind == "null")


def is_number(column: Column) -> bool:
    """Whether a column holds numbers."""
    return column.numeric or column.integer or column.family == "float"


def json_text(row: Row, name: str) -> ColumnElement[str]:
    """The scalar at a path inside JSON, without quotes; NULL where there is none."""
    column, path = row.place(name)
    return row.dialect.json_path_text(row[column], row.column(column).storage or "text", path)


def json_number(row: Row, name: str) -> ColumnElement[Any]:
    """The number at a path inside JSON; NULL where there is none."""
    column, path = row.place(name)
    return row.dialect.json_path_number(row[column], row.column(column).storage or "text", path)


def exact(text: str) -> Decimal | None:
    """The number that text spells; None if it spells none."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def spelled(number: Decimal) -> ColumnElement[Any]:
    """A number as an SQL literal, exact where the engine has decimals."""
    return literal_column(f"{number:f}", Numeric())


def bare(columns: Sequence[str], table: str) -> tuple[str, ...]:
    """Column names without the table's: `purchases.userID` becomes `userID`."""
    return tuple(name.removeprefix(f"{table}.") for name in columns)


def beside(row: Row, table: str) -> Row:
    """A row of the source table, under the alias `source`."""
    return row.database.row(table, "source")


def links(title: str, row: Row, source: Row, by: Sequence[str], key: Sequence[str]) -> list[tuple[Any, Any]]:
    """Pairs of expressions: what `source` refers by, and the column of `row` that it refers to.

    Raises `UsageError` when they are not equally many.
    """
    wanted = tuple(key) or row.table.key
    if len(by) != len(wanted):
        raise UsageError(
            f"{title}: {len(by)} column{'s' * (len(by) > 1)} in 'by' cannot refer to {len(wanted)} of "
            f"{row.table.name!r}; name them in 'key'"
        )
    return [(_referring(source, name, row.column(above)), row[above]) for name, above in zip(by, wanted, strict=True)]


def _referring(source: Row, name: str, wanted: Column) -> ColumnElement[Any]:
    column, path = source.place(name)
    if not path:
        return source[column]
    text = json_text(source, name)
    return source.dialect.as_integer(text) if wanted.integer else text


def _fits(row: Row, name: str, word: str) -> ColumnElement[bool]:
    if word in ("null", "not null"):
        nothing = absent(row, name)
        return nothing if word == "null" else not_(nothing)
    sign = next((one for one in _SIGNS if word.startswith(one)), "")
    value = word.removeprefix(sign).strip()
    if row.place(name)[1]:
        return func.coalesce(_json_fits(row, name, sign, value), false())
    # not COALESCE: an index on the column would be of no use
    return and_(row[name].is_not(None), _column_fits(row, name, sign, value))


def _column_fits(row: Row, name: str, sign: str, word: str) -> ColumnElement[bool]:
    column, value = row.column(name), row[name]
    if is_number(column):
        number = exact(_TRUTH[word][1] if word in _TRUTH else word)
        if number is None:
            raise UsageError(f"{row.table.name}.{name} cannot be {word!r}; write a number")
        return _compared(value, sign, spelled(number))
    if column.family == "text":
        return _compared(value, sign, literal(word, Text))
    text = cast(value, Text)
    # a boolean is spelled differently by every engine
    return text.in_(_TRUTH[word]) if word in _TRUTH and not sign else _compared(text, sign, literal(word, Text))


def _json_fits(row: Row, name: str, sign: str, word: str) -> ColumnElement[bool]:
    text, number = json_text(row, name), exact(word)
    same = _compared(text, sign, literal(word, Text))
    if number is None:
        return same
    found = _compared(json_number(row, name), sign, spelled(number))
    # "7" and 7 are both 7; a bound that is a number asks numbers only
    return found if sign else or_(found, same)


def _compared(value: ColumnElement[Any], sign: str, other: ColumnElement[Any]) -> ColumnElement[bool]:
    return value.op(sign, is_comparison=True)(other) if sign else value == other
