"""Stored numbers that disagree with what they are counted or summed from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import (
    ColumnElement,
    Numeric,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
)

from trueup.check import ALL, Broken, Database, Facts, Refers, Repair, Row, SetCheck, Unique
from trueup.checks._sources import (
    absent,
    bare,
    beside,
    condition,
    exact,
    is_number,
    json_number,
    links,
    refuse_empty,
    spelled,
    told,
)
from trueup.errors import Refused, UsageError
from trueup.repairs import sql_true
from trueup.sql.tables import TEXT, Column

_NUMBER = Column(name="total", ddl="numeric", nullable=True, numeric=True)
# holds the largest whole number of any engine
_EXACT = Numeric(20, 0)
_NOTHING: ColumnElement[Any] = literal_column("0")
#: How far apart two equal numbers may be after arithmetic with binary fractions: at all, and by their size.
_NOISE, _SHARE, _SINGLE_SHARE = Decimal("0.000000001"), Decimal("0.000000000001"), Decimal("0.000001")
_LARGE: ColumnElement[Any] = literal_column("1e290")
_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}


@dataclass(frozen=True, kw_only=True)
class StaleTotal(SetCheck):
    """A stored number disagrees with the rows that it counts or sums, or with another stored number.

    **Why it is bad.** Lists, limits, ranks and bonuses go by the stored number, the details beside it by the rows:
    they contradict each other, and what was granted by the wrong one is wrong too.

    **How it happens.** A counter that is counted up in one place and not down in another; two requests that read,
    add and write; rows imported, merged or deleted past the code that counts; a change inside a JSON column that was
    never written, so that the column and its copy in JSON differ.

    **Options.** `column` is a column of numbers, or a path inside JSON (`mlmVolumes.personalTotal`). It derives from
    one of: `count_of: purchases` (rows of a table); `sum_of: purchases.amount`, or a product of two of its columns
    (`sum_of: purchases.packQty * packPrice`); `equals: personalVolumeTotal`, another column or path of the same row.

    `by` names the column (or columns) of that table that refers to this one, by its primary key or by `key`; a path
    inside JSON may refer too. Without `by` all of its rows count, for every row of this table. `where` says which
    rows count, and `when` which rows of this table are judged: `{status: paid}`, `{status: [paid, sent]}`,
    `{price: ">= 5000"}`, `{deleted_at: null}`, `{deleted_at: not null}`, paths inside JSON too.

    NULL, JSON null and a key that is not there count as 0: they are right where there is nothing to count. What is
    no number is never right. Numbers are compared by value: integers and decimals exactly, as far as the column has
    decimals; where binary fractions are in play (floats, JSON, SQLite) within 0.000000001 and a trillionth of the
    number. `tolerance: 0.05` allows a difference on top.

    An index on the columns in `by` keeps a repair cheap; without one each row reads the whole other table.

    **Repairs.** `recompute` (lossless: the number derives from what stays) writes the derived number into the column,
    rounded as the column demands, or into the JSON at its path; the rest of the document stays. It leaves a number that
    the column cannot hold, a document in which something else is in the way, and with `equals` a row where the
    other number is not there.

    **Example.**

    ```sql
    CREATE TABLE users (id INTEGER PRIMARY KEY, total NUMERIC);
    CREATE TABLE purchases (id INTEGER PRIMARY KEY, user_id INTEGER, quantity INTEGER, price NUMERIC, status TEXT);
    INSERT INTO users (id, total) VALUES (1, 25.5), (2, 10), (3, NULL), (4, NULL), (5, 7);
    INSERT INTO purchases (user_id, quantity, price, status) VALUES
      (1, 2, 12.75, 'paid'), (1, 1, 99, 'open'), (2, 1, 12, 'paid'), (3, 1, 5, 'paid');
    ```

    ```yaml
    checks:
      - kind: stale-total
        table: users
        column: total
        sum_of: purchases.quantity * price
        by: user_id
        where: {status: paid}
    ```

    Finds 3.
    """

    kind: ClassVar[str] = "stale-total"
    message_covers: ClassVar[tuple[str, ...]] = ALL

    column: str
    count_of: str = ""
    sum_of: str = ""
    equals: str = ""
    by: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tolerance: str = "0"

    def __post_init__(self) -> None:
        refuse_empty(self.kind, where=self.where, when=self.when)
        given = [name for name in ("count_of", "sum_of", "equals") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"{self.kind} needs one of 'count_of', 'sum_of' and 'equals', not {len(given)}")
        if self.equals and (self.by or self.key or self.where):
            raise ValueError(
                f"{self.kind} with 'equals' compares two numbers of a row and takes no 'by', 'key', 'where'"
            )
        if self.key and not self.by:
            raise ValueError(f"{self.kind} with 'key' needs 'by'")
        if self.sum_of and not self._summed()[0]:
            raise ValueError(f"{self.kind} cannot sum {self.sum_of!r}; write table.column, or table.column * column")
        allowed = exact(self.tolerance)
        if allowed is None or allowed < 0:
            raise ValueError(f"{self.kind} cannot use the tolerance {self.tolerance!r}; write a number from 0 on")

    @property
    def columns(self) -> tuple[str, ...]:
        """The column, or the path inside it."""
        return (self.column,)

    @property
    def reads(self) -> tuple[str, ...]:
        """Also the column that it must equal, and those of `when`."""
        return (self.column, *([self.equals] if self.equals else []), *self.when)

    def derives_from(self) -> str:
        """The table that is counted or summed."""
        return self.count_of or self._summed()[0]

    def holds(self, row: Row) -> ColumnElement[bool]:
        """The stored number differs from the derived one."""
        return self._wrong(row, self._derived(row))

    def broken(self, database: Database) -> Broken:
        """The same rows by one grouped query that is joined once."""
        row = database.row(self.table)
        if self.equals or not self.by:
            return Broken(row, row.relation, self.holds(row))
        source = beside(row, self.derives_from())
        pairs = links(self.title, row, source, self._by(), self.key)
        labelled = [part.label(f"k{number}") for number, (part, _) in enumerate(pairs)]
        # grouped by columns: PostgreSQL does not take two equal expressions with parameters for one
        rows = (
            select(*labelled, self._value(source).label("value"))
            .where(condition(source, self.where))
            .subquery("trueup_rows")
        )
        keys = [rows.c[f"k{number}"] for number, _ in enumerate(pairs)]
        totals = select(*keys, self._total(row, rows.c.value).label("total")).group_by(*keys).subquery("trueup_totals")
        same = and_(*(totals.c[f"k{number}"] == above for number, (_, above) in enumerate(pairs)))
        derived = func.coalesce(totals.c.total, _NOTHING)
        # without an index the second look does better with the whole query than with a search for every row
        shown = {} if self._indexed(source) else {"value_derived": row.dialect.preview(_NUMBER, derived)}
        return Broken(row, row.relation.outerjoin(totals, same), self._wrong(row, derived), Facts(values=shown))

    def constraint(self, row: Row) -> Unique | Refers | None:
        """None for two numbers of one row. Raises `Refused` for a total of other rows."""
        if self.equals:
            return None
        raise Refused(f"{self.title} has no guard: rows are written before or after the total that counts them")

    def breaking_values(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        """With `equals`: text inside JSON, which is no number, or a number that is too large by one."""
        if not self.equals or self.when:
            return {}
        name, path = row.place(self.column)
        if path:
            text = literal('"no number"', Text())
            return {name: row.dialect.json_set(row[name], row.column(name), path[:-1], {path[-1]: text})}
        more = spelled(1 + 2 * (exact(self.tolerance) or Decimal(0)))
        return {name: row.dialect.cast(self._derived(row) + more, row.column(name))}

    def lookup_columns(self) -> tuple[str, tuple[str, ...]]:
        """The columns of the other table that refer to this one."""
        return self.derives_from(), self._by()

    def evidence(self, row: Row) -> Facts:
        """Whether anything is stored, and both numbers."""
        name, path = row.place(self.column)
        dialect = row.dialect
        shown, column = (row.json(self.column).text(), TEXT) if path else (row[name], row.column(name))
        return Facts(
            plain={"stored": case((absent(row, self.column), 0), else_=1)},
            values={
                "value": dialect.preview(column, shown),
                "value_derived": dialect.preview(_NUMBER, self._derived(row)),
            },
        )

    def message(self, evidence: Mapping[str, Any]) -> str:
        """`users.total is 10, but the sum of purchases.amount is 12`; without the numbers where they are not known."""
        place, source = f"{self.table}.{self.column}", self._source()
        missing = not evidence.get("stored", 1)
        if "value_derived" not in evidence:
            return f"{place} is {'NULL, ' if missing else ''}not {source}"
        return f"{place} is {'NULL' if missing else evidence.get('value')}, but {source} is {evidence['value_derived']}"

    def repairs(self) -> Sequence[Repair]:
        """`recompute`."""
        return [Repair(name="recompute", effect="lossless", fits=self._recomputable, sets=self._recomputed)]

    # -- what is derived --------------------------------------------------------------------------
    def _derived(self, row: Row) -> ColumnElement[Any]:
        """The derived number of `row`, never NULL."""
        if self.equals:
            return func.coalesce(self._number(row, self.equals), _NOTHING)
        source = beside(row, self.derives_from())
        pairs = links(self.title, row, source, self._by(), self.key) if self.by else []
        total = select(self._total(row, self._value(source))).select_from(source.relation)
        mine = total.where(condition(source, self.where), *(part == above for part, above in pairs))
        found = mine.correlate(row.relation).scalar_subquery()
        return func.coalesce(found, _NOTHING)

    def _total(self, row: Row, value: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.count() if self.count_of else row.dialect.total(value)

    def _value(self, source: Row) -> ColumnElement[Any]:
        factors = [self._number(source, name) for name in self._summed()[1]]
        if len(factors) < 2:
            return factors[0] if factors else literal(1)
        if self._whole_columns(source):
            # no product of whole numbers is too large, or below zero because one of them is UNSIGNED
            factors[0] = cast(factors[0], _EXACT)
        return factors[0] * factors[1]

    def _whole_columns(self, source: Row) -> bool:
        """Whether what is multiplied are columns of whole numbers, by their types."""
        columns = [source.column(name) for name, path in map(source.place, self._summed()[1]) if not path]
        return len(columns) == 2 and all(column.integer and column.typed for column in columns)

    def _summed(self) -> tuple[str, tuple[str, ...]]:
        """The table, and the columns that are multiplied; an empty table when `sum_of` says neither."""
        first, *more = (part.strip() for part in self.sum_of.split("*"))
        table, _, column = first.rpartition(".")
        fine = table and column and len(more) < 2 and all(more)
        return (table, (column, *bare(more, table))) if fine else ("", ())

    def _by(self) -> tuple[str, ...]:
        return bare(self.by, self.derives_from())

    def _indexed(self, source: Row) -> bool:
        table, by = source.table, self._by()
        return any(set(one[: len(by)]) == set(by) for one in (table.key, *table.uniques, *table.indexes))

    def _source(self) -> str:
        """The derived number in words."""
        if self.equals:
            return self.equals
        what = f"the count of {self.count_of}" if self.count_of else f"the sum of {self.sum_of}"
        return what + told(self.where)

    # -- what is stored ---------------------------------------------------------------------------
    def _number(self, row: Row, name: str) -> ColumnElement[Any]:
        """A number of a row; NULL where there is none."""
        column, path = row.place(name)
        if path:
            return json_number(row, name)
        if not is_number(row.column(column)):
            raise UsageError(f"{row.table.name}.{name} is no column of numbers")
        return row[name]

    def _wrong(self, row: Row, derived: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether `when` matches and the stored number is too far from `derived`; never NULL."""
        name, path = row.place(self.column)
        column, number = row.column(name), self._number(row, self.column)
        strange = number.is_(None) if path else row.dialect.not_a_number(row[name], column)
        nothing = absent(row, self.column)
        # each engine works the derived number out as often as it is named, so that it is named once
        stored = func.coalesce(number, _NOTHING)
        away = self._slack(row, stored)
        differs = derived != stored if away is None else not_(derived.between(stored - away, stored + away))
        # arithmetic with infinity can be NULL
        wrong = or_(and_(not_(nothing), func.coalesce(strange, false())), func.coalesce(differs, sql_true()))
        return and_(condition(row, self.when), wrong)

    def _slack(self, row: Row, stored: ColumnElement[Any]) -> ColumnElement[Any] | None:
        """The difference that is allowed between the numbers; None where they must be equal."""
        name, path = row.place(self.column)
        column = row.column(name)
        whole = self._whole(row)
        allowed = exact(self.tolerance) or Decimal(0)
        if not path and not whole and (scale := _scale(column)) >= 0:
            # what the column has no decimals for it was rounded to
            allowed += Decimal(5).scaleb(-1 - scale)
        if (whole and (path or column.integer)) or (not path and not self._binary(row)):
            return spelled(allowed) if allowed else None
        share = _SINGLE_SHARE if any(_single(one.column(one.place(n)[0])) for one, n in self._places(row)) else _SHARE
        size = func.abs(stored)
        # what is near the end of all doubles, or infinite, would go past it
        return spelled(allowed + _NOISE) + case((size < _LARGE, size * spelled(share)), else_=_NOTHING)

    def _parts(self, row: Row) -> list[tuple[Row, str]]:
        """The columns that the derived number is computed from."""
        if self.equals:
            return [(row, self.equals)]
        source = beside(row, self.derives_from())
        return [(source, name) for name in self._summed()[1]]

    def _places(self, row: Row) -> list[tuple[Row, str]]:
        return [(row, self.column), *self._parts(row)]

    def _whole(self, row: Row) -> bool:
        """Whether the derived number has no fraction."""
        return all(not one.place(name)[1] and one.column(name).integer for one, name in self._parts(row))

    def _binary(self, row: Row) -> bool:
        """Whether the stored number, or one that it derives from, is kept as a binary fraction."""
        # SQLite tells no declared type, and has no decimals
        return any(
            one.place(name)[1]
            or one.column(name).family == "float"
            or (not one.column(name).integer and not one.column(name).ddl)
            for one, name in self._places(row)
        )

    # -- mending ----------------------------------------------------------------------------------
    def _recomputable(self, row: Row) -> ColumnElement[bool]:
        name, path = row.place(self.column)
        there = not_(absent(row, self.equals)) if self.equals else sql_true()
        number = not_(row.dialect.not_a_number(self._derived(row), _NUMBER))
        if path:
            return and_(there, number, row.dialect.json_takes(row[name], row.column(name), path[:-1]))
        limits = _limits(row.column(name))
        if limits is None:
            return and_(there, number)
        low, high = map(spelled, limits)
        fits = self._derived(row).between(low, high)
        return and_(there, fits)

    def _recomputed(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        name, path = row.place(self.column)
        column, derived = row.column(name), self._derived(row)
        if not path:
            return {name: func.round(derived) if column.integer and not self._whole(row) else derived}
        text = row.dialect.json_literal(derived, _NUMBER)
        return {name: row.dialect.json_set(row[name], column, path[:-1], {path[-1]: text})}


def _single(column: Column) -> bool:
    """Whether a column holds binary fractions of single precision."""
    return column.family == "float" and bool(column.ddl) and "double" not in column.ddl.lower()


def _scale(column: Column) -> int:
    """The decimals of a column; -1 where its type does not say."""
    if column.integer:
        return 0
    found = re.match(r"(?:numeric|decimal)\((\d+)(?:,\s*(\d+))?\)", column.ddl, re.IGNORECASE)
    return int(found[2] or 0) if found else -1


def _limits(column: Column) -> tuple[Decimal, Decimal] | None:
    """The least and the largest number that a column can hold; None where its type does not say."""
    ddl = column.ddl.lower()
    found = re.match(r"(?:numeric|decimal)\((\d+)(?:,\s*(\d+))?\)", ddl)
    if found:
        places = int(found[2] or 0)
        most = Decimal(10 ** int(found[1]) - 1).scaleb(-places)
    else:
        word = re.match(r"\w+", ddl)
        bits = _BITS.get(word[0] if word else "")
        if bits is None:
            return None
        if "unsigned" in ddl:
            return Decimal(0), Decimal(2**bits - 1)
        return Decimal(-(2 ** (bits - 1))), Decimal(2 ** (bits - 1) - 1)
    return (Decimal(0) if "unsigned" in ddl else -most), most
