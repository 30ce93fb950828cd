"""Values below a minimum or above a maximum."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any, ClassVar

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Double,
    Numeric,
    Time,
    and_,
    case,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    true,
)
from sqlalchemy.engine.interfaces import Dialect as SqlDialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from trueup.check import ALL, Facts, Repair, Row, RowCheck
from trueup.errors import UsageError
from trueup.repairs import nullify

_INT64 = 2**63


@dataclass(frozen=True, kw_only=True)
class OutOfRange(RowCheck):
    """A number, a date or a time lies outside of what makes sense.

    **Why it is bad.** A negative stock, a rate of 130 %, an order of the year 0202: one such row moves averages,
    breaks charts, and sends jobs into branches that nobody wrote.

    **How it happens.** Units mixed up (seconds and milliseconds), counters taken down twice, years with two
    digits, dates that mean "none", arithmetic that yields NaN, and on SQLite text in a column of numbers.

    **Options.** `minimum` and `maximum`, both inclusive, at least one of them. They are written as the column's
    type is: a number, a date (`2024-01-31`), a timestamp (`2024-01-31 08:30:00`, UTC where the column knows
    zones), a time. SQL NULL is in range. NaN, and what is no number in a column of numbers, never is.
    SQLite has no dates: there text is compared with text, so write the bounds as the application writes its dates.

    **Repairs.** `clamp` (lossy, only when asked for by name: a bound is no measured value) sets the nearest bound,
    and leaves what is no number. `nullify` (lossy) sets NULL where the column allows it.

    **Example.**

    ```sql
    CREATE TABLE items (id INTEGER PRIMARY KEY, click_rate REAL);
    INSERT INTO items (id, click_rate) VALUES (1, 0.0), (2, 0.25), (3, 1.0), (4, 1.3), (5, -0.1), (6, NULL);
    ```

    ```yaml
    checks:
      - kind: out-of-range
        table: items
        column: click_rate
        minimum: 0
        maximum: 1
    ```

    Finds 2.
    """

    kind: ClassVar[str] = "out-of-range"
    message_covers: ClassVar[tuple[str, ...]] = ALL

    column: str
    minimum: str = ""
    maximum: str = ""

    def __post_init__(self) -> None:
        if not self.minimum and not self.maximum:
            raise ValueError(f"{self.kind} needs 'minimum' or 'maximum'")
        low, high = _number(self.minimum), _number(self.maximum)
        if low is not None and high is not None and low > high:
            raise ValueError(f"{self.kind}: no value is between {self.minimum} and {self.maximum}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    def holds(self, row: Row) -> ColumnElement[bool]:
        """Below the minimum, above the maximum, or no number at all, which is above any."""
        low, high = self._bounds(row)
        if low is not None and high is not None:
            return not_(row[self.column].between(low, high)).is_(true())
        return (self._high(row) if low is None else or_(self._low(row), self._strange(row))).is_(true())

    def evidence(self, row: Row) -> Facts:
        """On which side the value lies (`low`, `high`, `no number`), and the value."""
        side = case(
            (self._strange(row), literal("no number")), (func.coalesce(self._low(row), false()), literal("low")),
            else_=literal("high"),
        )  # fmt: skip
        value = row.dialect.preview(row.column(self.column), row[self.column])
        return Facts(plain={"side": side}, values={"value": value})

    def message(self, evidence: Mapping[str, Any]) -> str:
        """`items.click_rate is 1.3, above the maximum 1`; without the value where it is not known."""
        place, side, value = f"{self.table}.{self.column}", evidence.get("side"), evidence.get("value")
        if side == "no number":
            return f"{place} is no number" if value is None else f"{place} is {value}, which is no number"
        bound = f"below the minimum {self.minimum}" if side == "low" else f"above the maximum {self.maximum}"
        return f"{place} is {bound}" if value is None else f"{place} is {value}, {bound}"

    def repairs(self) -> Sequence[Repair]:
        """`clamp`, `nullify`."""
        return [
            Repair(name="clamp", effect="lossy", fits=self._clampable, sets=self._clamped, made_up=True),
            nullify(self.column),
        ]

    def breaking_values(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        """A value just outside of a bound."""
        text, step = (self.minimum, -1) if self.minimum else (self.maximum, 1)
        if _is_number(row, self.column):
            number = _number(text)
            outside = null() if number is None else literal(number + step, _Exact())
            return {self.column: row.dialect.cast(outside, row.column(self.column))}
        moment, _ = _moment(text, row[self.column].type)
        if isinstance(moment, str):
            moment = f"{'0000' if step < 0 else '9999'}-{moment}"
        elif isinstance(moment, time):
            return {}
        else:
            moment += timedelta(days=step)
        return {self.column: _as(moment, row[self.column].type)}

    def _low(self, row: Row) -> ColumnElement[bool]:
        low, _ = self._bounds(row)
        return false() if low is None else row[self.column] < low

    def _high(self, row: Row) -> ColumnElement[bool]:
        _, high = self._bounds(row)
        return false() if high is None else row[self.column] > high

    def _strange(self, row: Row) -> ColumnElement[bool]:
        column = row.column(self.column)
        return row.dialect.not_a_number(row[self.column], column) if _is_number(row, self.column) else false()

    def _clampable(self, row: Row) -> ColumnElement[bool]:
        column = row.column(self.column)
        inside: list[ColumnElement[bool]] = []
        if column.numeric and not column.integer and column.family != "float":
            # a column with few decimals rounds a bound (0.005 to 0.01), maybe to the wrong side of itself
            low, high = self._bounds(row)
            inside += [row.dialect.cast(low, column) >= low] if low is not None else []
            inside += [row.dialect.cast(high, column) <= high] if high is not None else []
        return and_(self.holds(row), not_(self._strange(row)), *inside)

    def _clamped(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        low, high = self._bounds(row)
        ends = [(self._low(row), low)] if low is not None else []
        ends += [(self._high(row), high)] if high is not None else []
        return {self.column: case(*ends, else_=row[self.column])}

    def _bounds(self, row: Row) -> tuple[ColumnElement[Any] | None, ColumnElement[Any] | None]:
        low = _bound(row, self.column, self.minimum, ROUND_CEILING) if self.minimum else None
        return low, _bound(row, self.column, self.maximum, ROUND_FLOOR) if self.maximum else None


class _Exact(TypeDecorator[Any]):
    """A number bound without rounding: as a decimal where the driver knows them, else as integer or double."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: SqlDialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Numeric() if dialect.supports_native_decimal else Double())

    def process_bind_param(self, value: Any, dialect: SqlDialect) -> Any:
        if dialect.supports_native_decimal or value is None:
            return value
        return int(value) if value == value.to_integral_value() and abs(value) < _INT64 else float(value)


def _is_number(row: Row, name: str) -> bool:
    column = row.column(name)
    return column.numeric or column.integer or column.family == "float"


def _bound(row: Row, name: str, text: str, rounding: str) -> ColumnElement[Any]:
    """An option as a value to compare the column with. Raises `UsageError` when it cannot be one."""
    column = row.column(name)
    if not _is_number(row, name):
        moment, wanted = _moment(text, row[name].type)
        if moment is None:
            raise UsageError(f"out-of-range of {row.table.name}.{name} cannot use {text!r}; write a {wanted}")
        return _as(moment, row[name].type)
    number = _number(text)
    if number is None:
        raise UsageError(f"out-of-range of {row.table.name}.{name} cannot use {text!r}; write a number")
    if column.integer:
        # the first whole number inside of the range: 0.5 must not be rounded out of it
        number = number.to_integral_value(rounding)
    value = literal(number, _Exact())
    # single precision: 0.1 in the column must equal 0.1 in the option
    single = column.family == "float" and column.ddl and "double" not in column.ddl.lower()
    return row.dialect.cast(value, column) if single else value


def _as(moment: Any, type_: TypeEngine[Any]) -> ColumnElement[Any]:
    # text under a type that SQLite does not know could not be spelled in a statement for a console
    return literal(moment) if isinstance(moment, str) else literal(moment, type_)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _moment(text: str, type_: TypeEngine[Any]) -> tuple[Any, str]:
    """What the driver of a column of `type_` takes for `text` (None when it is no such thing), and its name."""
    read: Callable[[str], Any]
    if isinstance(type_, DateTime):
        read, wanted = datetime.fromisoformat, "timestamp, as 2024-01-31 08:30:00"
    elif isinstance(type_, Date):
        read, wanted = date.fromisoformat, "date, as 2024-01-31"
    elif isinstance(type_, Time):
        read, wanted = time.fromisoformat, "time, as 08:30:00"
    else:  # dates kept as text; `2024` or `07` would be anything
        read, wanted = (lambda text: text if re.match(r"\d+[-:]\d", text) else None), "date or a time"
    try:
        return read(text), wanted
    except ValueError:
        return None, wanted
