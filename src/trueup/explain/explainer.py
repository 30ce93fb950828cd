"""Finds where the broken rows of a check come from: counts by day, group, type and value, and their common pattern.

Everything is counted in the database with GROUP BY; no row is fetched but the first and the last broken one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, func, literal, select

from trueup.check import Check, Row, RowCheck
from trueup.errors import UsageError
from trueup.explain.patterns import Counts, Pattern, Seeker, Term
from trueup.results import Progress
from trueup.scan.second_look import masked, plain
from trueup.sql.reading import Part
from trueup.sql.tables import Column
from trueup.stores.sql import SqlDatabase

#: Lines of a breakdown, and values of a column that the search for a pattern considers.
TOP, CONSIDERED = 20, 300
#: A text column with at most so many different values is an enumeration, whose values identify no person.
ENUMERATION = 50
#: A value in fewer rows than this may identify a person.
RARE = 5
#: How many days a breakdown by day has; whoever draws more shows them by month.
DAYS = 3660
#: PostgreSQL's name for a moment after all others, and with a minus before all others.
INFINITY = "infinity"


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows with one value of a column: how many there are, and how many of them are broken."""

    value: str
    rows: int
    broken: int


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Slices of one column or moment (`by`), the most broken first; for days in the order of days.

    `distinct` is the number of values with broken rows. `hidden` says that values are shown by their length only,
    because each of them occurs in fewer than `RARE` rows.
    """

    by: str
    slices: tuple[Slice, ...]
    distinct: int
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is known about the broken rows of one check. `first` and `last` are (key, moment) of a broken row."""

    check: str
    kind: str
    store: str
    table: str
    columns: tuple[str, ...]
    rows: int
    broken: int
    types: tuple[tuple[str, int], ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    moment: str = ""
    first: tuple[str, str] = ("", "")
    last: tuple[str, str] = ("", "")
    newest: str = ""
    pattern: Pattern | None = None
    window: tuple[str, str] = ("", "")
    sentences: tuple[str, ...] = ()
    environment: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """A column, or a part of a moment, to group rows by. `family` is the same for dimensions with the same information.

    With `open` its values may be shown: a moment, a boolean, a member of an enumeration, the column of `group_by`.
    """

    name: str
    family: str
    words: str
    value: Callable[[Row], ColumnElement[Any]]
    text: bool = False
    open: bool = False


@dataclass(kw_only=True)
class Explainer:
    """Explains one check on one session. `by` adds columns to those of the check; `values` shows text as it is."""

    database: SqlDatabase
    check: Check
    progress: Progress
    by: Sequence[str] = ()
    values: bool = False
    _known: dict[str, Breakdown] = field(default_factory=dict)

    def __post_init__(self) -> None:
        broken = self.check.broken(self.database)
        self.row = broken.row
        self.source: FromClause = self.row.relation
        if isinstance(self.check, RowCheck):
            self.bad = case((self.check.holds(self.row), 1), else_=0)
        else:
            # the query itself once, not the question asked of each row, which can be a scan each
            key = self.row.table.key
            if not key:
                raise UsageError(f"{self.check.table} has no key, so its broken rows cannot be told from the others")
            parts = [self.row[name].label(f"k{i}") for i, name in enumerate(key)]
            bad = select(*parts).select_from(broken.source).where(broken.where).distinct().subquery("trueup_broken")
            self.row = self.database.row(self.check.table, "explained")
            same = and_(*(self.row[name] == bad.c[f"k{i}"] for i, name in enumerate(key)))
            self.source = self.row.relation.outerjoin(bad, same)
            self.bad = case((bad.c.k0.is_not(None), 1), else_=0)

    def dimensions(self) -> list[Dimension]:
        """Return the moments of time columns, then every column that could distinguish rows, requested ones first."""
        wanted = [name for name in (*self.by, self.check.group_by, *self.check.context) if name]
        for name in wanted:
            if self.row.place(name)[0] not in self.row.table.columns:
                raise UsageError(f"table {self.check.table!r} has no column {name!r}")
        known = {self.row.place(name)[0] for name in self.check.columns}
        rest = [name for name, column in self.row.table.columns.items() if self._tells(column) and name not in known]
        found: list[Dimension] = []
        for name in dict.fromkeys([*wanted, *rest]):
            found += self._of(name)
        return found

    def _tells(self, column: Column) -> bool:
        if column.family in ("binary", "json", "float") or column.storage or column.name in self.row.table.key:
            return False
        if (column.name,) in self.row.table.uniques:
            return False
        return column.temporal or not column.numeric or column.integer

    def _of(self, name: str) -> Iterator[Dimension]:
        column, path = self.row.place(name)
        about = self.row.column(column)
        if about.temporal and not path:
            parts: tuple[tuple[Part, str], ...] = (
                ("day", "day of {}"), ("hour", "hour of {}"), ("hour of day", "hour of the day of {}"),
            )  # fmt: skip
            for part, words in parts:
                yield Dimension(
                    name=f"{part} of {name}",
                    family=name,
                    words=words.format(name),
                    value=lambda row, part=part: row.dialect.moment(row[name], part),  # type: ignore[misc]
                    open=True,
                )
            return
        grouped = name == self.check.group_by
        if path:
            yield Dimension(
                name=name, family=name, words=name, value=lambda row: row.json(name).text(), text=True, open=grouped
            )
        else:
            # text, numbers, and true and false as the driver gives them; it may not know what else there is
            known = about.family not in ("plain", "json") or about.numeric or about.boolean
            yield Dimension(
                name=name,
                family=name,
                words=name,
                value=lambda row: row[name] if known else row.dialect.preview(about, row[name]),
                text=about.family == "text",
                open=grouped or about.boolean or about.family == "enum",
            )

    def grouped(
        self, dimension: Dimension, terms: Sequence[Term], limit: int, *, healthy: bool = False
    ) -> list[Counts]:
        """Count rows and broken rows by value where `terms` hold, for the values with the most broken rows.

        Values without a broken row explain nothing and are left out, unless `healthy`: a chart by day needs them.
        """
        value = dimension.value(self.row).label("value")
        broken = func.sum(self.bad).label("broken")
        statement: Select[Any] = select(value, func.count().label("rows"), broken).select_from(self.source)
        statement = statement.where(*(self.holds(term) for term in terms)).group_by(value)
        statement = statement if healthy else statement.having(broken > 0)
        statement = statement.order_by(broken.desc()).limit(limit)
        # the value as the driver gives it: it goes back into conditions
        return [Counts(row[0], int(row[1]), int(row[2])) for row in self.database.ask(statement)]

    def holds(self, term: Term) -> ColumnElement[bool]:
        """Return a term as a condition on the row."""
        value = self.by_name[term.name].value(self.row)
        return value.is_(None) if term.value is None else value == term.value

    def totals(self, terms: Sequence[Term] = ()) -> tuple[int, int]:
        """Count the rows and broken rows where `terms` hold."""
        statement = select(func.count(), func.coalesce(func.sum(self.bad), 0)).select_from(self.source)
        ((rows, broken),) = self.database.ask(statement.where(*(self.holds(term) for term in terms)))
        return int(rows), int(broken)

    def run(self) -> Explanation:
        """Count, search for the pattern, and build the explanation."""
        began = time.perf_counter()
        dimensions = self.dimensions()
        self.by_name = {dimension.name: dimension for dimension in dimensions}
        self.progress.task(f"{self.check.table}: counting", len(dimensions))
        rows, broken = self.totals()
        about = Explanation(
            check=self.check.title,
            kind=self.check.kind,
            store=self.database.store.name,
            table=self.check.table,
            columns=self.check.columns,
            rows=rows,
            broken=broken,
        )
        if not broken:
            return about
        breakdowns = []
        for dimension in dimensions:
            shown = self.breakdown(dimension)
            if shown.slices:
                breakdowns.append(shown)
            self.progress.advance(1)
        self.progress.task(f"{self.check.table}: looking for a pattern", None)
        pattern = Seeker(
            self.families(dimensions),
            lambda name, terms: self.grouped(self.by_name[name], terms, CONSIDERED),
            rows,
            broken,
        ).best()
        when = self.clock()
        types = self.types()
        first, last, newest = self.ends(when)
        window = self.window(pattern, when)
        found = replace(
            about,
            breakdowns=tuple(breakdowns),
            types=types,
            moment=when,
            first=first,
            last=last,
            newest=newest,
            pattern=self.shown(pattern),
            window=window,
        )
        return replace(found, sentences=tuple(sentences(found)), seconds=time.perf_counter() - began)

    def families(self, dimensions: Sequence[Dimension]) -> dict[str, str]:
        """Return the dimensions that a pattern may name.

        Of those with the same information, an hour is the most useful.
        """
        ordered = sorted(dimensions, key=lambda one: not one.words.startswith("hour of "))
        return {one.name: one.family for one in ordered if self._known[one.name].distinct}

    def breakdown(self, dimension: Dimension) -> Breakdown:
        """Return the slices of one dimension: the top ones, or every day."""
        by_day = dimension.name.startswith("day of ")
        counts = self.grouped(dimension, (), DAYS if by_day else CONSIDERED, healthy=by_day)
        closed = not (dimension.open or self.values)
        hidden = closed and dimension.text and len(counts) > ENUMERATION
        chosen = sorted(counts, key=lambda one: str(plain(one.value))) if by_day else counts[:TOP]
        slices = tuple(
            Slice(self.word(one.value, hidden or (closed and one.rows < RARE)), one.rows, one.broken) for one in chosen
        )
        distinct = sum(one.broken > 0 for one in counts)
        self._known[dimension.name] = Breakdown(dimension.words, slices if distinct else (), distinct, hidden)
        return self._known[dimension.name]

    def word(self, value: Any, hidden: bool) -> str:
        """Return a value as text for a reader; a `hidden` one by its length."""
        if value is None:
            return "NULL"
        return masked(value) if hidden else str(plain(value))

    def shown(self, pattern: Pattern | None) -> Pattern | None:
        """Return the pattern with the names of its columns, and with values as a reader may see them."""
        if pattern is None:
            return None
        terms = tuple(
            Term(self.by_name[t.name].words, self.word(t.value, self._known[t.name].hidden)) for t in pattern.terms
        )
        return replace(pattern, terms=terms)

    def clock(self) -> str:
        """Return the column with the time of a row: the check's context first, then the first time column."""
        temporal = [name for name, column in self.row.table.columns.items() if column.temporal]
        preferred = [name for name in (*self.by, *self.check.context) if name in temporal]
        return next(iter([*preferred, *temporal]), "")

    def ends(self, when: str) -> tuple[tuple[str, str], tuple[str, str], str]:
        """Return the first and the last broken row as (key, moment), and the moment of the newest row of all."""
        key = self.row.key()
        if not key:
            return ("", ""), ("", ""), ""
        order: list[ColumnElement[Any]] = [self.row[when]] if when else [self.row[name] for name in self.row.table.key]
        known = [order[0].is_not(None)]
        moment = self.database.dialect.moment
        stamp: ColumnElement[Any] = moment(self.row[when], "minute") if when else literal("")
        found = []
        for ordered in (order, [part.desc() for part in order]):
            statement = select(stamp, *key).select_from(self.source).where(self.bad == 1, *known).order_by(*ordered)
            rows = self.database.ask(statement.limit(1))
            token = self.database.dialect.token
            found.append((", ".join(token(part) for part in rows[0][1:]), str(plain(rows[0][0]))) if rows else ("", ""))
        newest = ""
        if when:
            ((value,),) = self.database.ask(select(moment(func.max(self.row[when]), "minute")))
            newest = str(plain(value) or "")
        return found[0], found[1], newest

    def window(self, pattern: Pattern | None, when: str) -> tuple[str, str]:
        """Return the first and last minute of the broken rows of a pattern."""
        if pattern is None or not when:
            return "", ""
        stamp, moment = self.row[when], self.database.dialect.moment
        statement = select(moment(func.min(stamp), "minute"), moment(func.max(stamp), "minute"))
        conditions = [self.holds(term) for term in pattern.terms]
        ((low, high),) = self.database.ask(statement.select_from(self.source).where(self.bad == 1, *conditions))
        return str(plain(low) or ""), str(plain(high) or "")

    def types(self) -> tuple[tuple[str, int], ...]:
        """Count broken rows by the word of the check's measures, such as their JSON type."""
        if not isinstance(self.check, RowCheck) or (word := self.check.measures(self.row).word) is None:
            return ()
        word = word.label("word")
        count = func.count().label("broken")
        statement = select(word, count).select_from(self.source).where(self.bad == 1).group_by(word)
        return tuple((str(plain(row[0])), int(row[1])) for row in self.database.ask(statement.order_by(count.desc())))


def sentences(found: Explanation) -> Iterator[str]:
    """Describe the counts in sentences."""
    if found.pattern is not None:
        yield pattern_sentence(found)
    else:
        some = f"{found.broken:,} broken {'row' if found.broken == 1 else 'rows'}"
        spread = "it is like them" if found.broken == 1 else "they are spread evenly"
        yield f"no column or moment tells the {some} from the others: {spread}"
    if found.types:
        word, count = found.types[0]
        if len(found.types) == 1:
            yield f"all are of one type: {word}"
        else:
            others = ", ".join(f"{name} {number:,}" for name, number in found.types[:6])
            lead = "mostly of one type" if count > 0.9 * found.broken else f"of {len(found.types)} types"
            yield f"{lead}: {others}"
    if found.moment and found.first[1] and found.last[1]:
        yield f"the first is {found.first[0]} of {found.first[1]}, the last {found.last[0]} of {found.last[1]}" + (
            f"; the newest row of the table is of {found.newest}" if found.newest else ""
        )


def pattern_sentence(found: Explanation) -> str:
    """Return for example `142 of 156 have event_type 'quiz' and fall on ...; elsewhere the rate is 0.01 %`."""
    pattern = found.pattern
    assert pattern is not None
    parts = []
    for term in pattern.terms:
        if term.value.endswith(INFINITY):
            column = term.name.removeprefix("hour of the ").removeprefix("hour of ").removeprefix("day of ")
            parts.append(f"have {column} = {term.value!r}")
        elif term.name == f"hour of {found.moment}":
            parts.append(f"fall between {_span(found.window)}")
        elif term.name == f"day of {found.moment}":
            parts.append(f"fall on {term.value} between {' and '.join(end[11:] for end in found.window)}")
        elif term.name.startswith("hour of the day of "):
            parts.append(f"fall between {term.value}:00 and {term.value}:59 of a day")
        else:
            parts.append(f"have no {term.name}" if term.value == "NULL" else f"have {term.name} = {term.value!r}")
    return (
        f"{pattern.broken:,} of {found.broken:,} {' and '.join(parts)}, where {share(pattern.broken, pattern.rows)} of "
        f"{pattern.rows:,} rows are broken; elsewhere the rate is "
        f"{share(found.broken - pattern.broken, found.rows - pattern.rows)}"
    )


def _span(window: tuple[str, str]) -> str:
    low, high = window
    return f"{low} and {high[11:] if low[:10] == high[:10] else high}"


def share(part: int, whole: int) -> str:
    """Return a share as text. It never rounds a share above zero to nothing."""
    if not whole or not part:
        return "0 %"
    value = 100 * part / whole
    return f"{value:.2g} %" if value < 1 else f"{value:.1f} %" if value < 99.95 or part == whole else ">99.9 %"
