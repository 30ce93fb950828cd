"""Writes of which one half was saved and the other was not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Text,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
)

from trueup.check import ALL, Broken, Database, Facts, Refers, Repair, Row, SetCheck, Unique
from trueup.checks._sources import (
    absent,
    bare,
    beside,
    condition,
    is_number,
    json_number,
    json_text,
    links,
    refuse_empty,
    told,
)
from trueup.errors import Refused, UsageError
from trueup.repairs import sql_true
from trueup.sql.tables import TEXT, Column

_CONSTANTS = ("true", "false")

#: The value that a place derives from, as an expression, and its column; None for a constant.
Origin = tuple[ColumnElement[Any], Column | None]


@dataclass(frozen=True, kw_only=True)
class TornWrite(SetCheck):
    """One half of a write is there, the other half is not: a column was saved, its twin in JSON was not.

    **Why it is bad.** The two halves are read by different code: one part of the application takes a rank, a bonus
    or a confirmation for granted, another one denies it, or grants it again.

    **How it happens.** An object-relational mapper does not see a change inside a JSON value, so it writes the
    columns and the history, and loses the JSON; two statements without a transaction; a handler that fails between
    two saves; an import that fills one half.

    **Options.** `expects` names what must be there: paths inside JSON (`mlmStatus.rankQualifiedAt`) or columns. NULL,
    JSON null and a missing key are not there. It must be there for rows that `when` describes (`{status: active}`), or
    for which `exists` (another table) has a row: `by` names the columns of that table that refer to this one, by its
    primary key or by `key`, and `where` says which of its rows count. Conditions are those of `stale-total`.

    `from` says what each place derives from: `{mlmStatus.rankQualifiedAt: qualified_at}`, a column of the newest
    row of the other table by the column `newest`, or without `exists` a column of the row itself; `true` and `false`
    stand for themselves. With `equals: true` the places must not only be there but hold the same, unless that is NULL:
    text byte for byte, whole numbers by value, and true and false also as the 1 and 0 of engines without them; sums
    are for `stale-total`.

    An index on the columns in `by` keeps repairs cheap.

    **Repairs.** `restore` (lossless), where `from` is given, puts what is not there in its place, from the newest
    row. Places in `from` that are not expected are filled too where they are empty. Moments are written into JSON
    by ISO 8601 (`2024-01-31T08:30:00`). What is there already stays, unless it must be equal.

    **Example.**

    ```sql
    CREATE TABLE users (id INTEGER PRIMARY KEY, status JSON);
    CREATE TABLE rank_history (id INTEGER PRIMARY KEY, user_id INTEGER, new_rank TEXT, qualified_at TEXT);
    INSERT INTO users (id, status) VALUES (1, '{"rankQualifiedAt": "2024-01-31"}'), (2, '{}'), (3, NULL), (4, '{}');
    INSERT INTO rank_history (user_id, new_rank, qualified_at) VALUES
      (1, 'builder', '2024-01-31'), (2, 'builder', '2024-02-01'), (2, 'growth', '2024-03-01'), (3, 'start', '2024');
    ```

    ```yaml
    checks:
      - kind: torn-write
        table: users
        expects: status.rankQualifiedAt
        exists: rank_history
        by: user_id
        newest: qualified_at
        from: {status.rankQualifiedAt: qualified_at, status.assignedRank: new_rank}
    ```

    Finds 2.
    """

    kind: ClassVar[str] = "torn-write"
    message_covers: ClassVar[tuple[str, ...]] = ALL

    expects: tuple[str, ...]
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exists: str = ""
    by: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    from_: Mapping[str, str] = field(default_factory=dict)
    newest: str = ""
    equals: bool = False

    def __post_init__(self) -> None:
        if not self.expects:
            raise ValueError(f"{self.kind} needs 'expects'")
        refuse_empty(self.kind, when=self.when, where=self.where)
        if not (self.when or self.exists or self.equals):
            raise ValueError(
                f"{self.kind} needs 'when', 'exists' or 'equals'; what every row must have is for 'missing'"
            )
        if bool(self.exists) != bool(self.by):
            raise ValueError(f"{self.kind} takes 'exists' and 'by' together")
        if not self.exists and (self.key or self.where or self.newest):
            raise ValueError(f"{self.kind} takes 'key', 'where' and 'newest' only with 'exists'")
        if self.exists and bool(self.from_) != bool(self.newest):
            raise ValueError(f"{self.kind} with 'exists' takes 'from' and 'newest' together")
        if self.equals and (lost := [place for place in self.expects if place not in self.from_]):
            raise ValueError(f"{self.kind} with 'equals' needs to know in 'from' what {lost[0]} is equal to")

    @property
    def columns(self) -> tuple[str, ...]:
        """The places that must be filled."""
        return self.expects

    @property
    def reads(self) -> tuple[str, ...]:
        """Also the columns of `when`, and those that a place must equal."""
        twins = (
            [word for word in self.from_.values() if word not in _CONSTANTS] if self.equals and not self.exists else []
        )
        return (*self.expects, *self.when, *twins)

    def holds(self, row: Row) -> ColumnElement[bool]:
        """`when` or a row of `exists` says that the write happened, and one of `expects` is missing or different."""
        lost = or_(*(self._wrong(row, place, self._origin(row)) for place in self.expects))
        if not self.exists:
            return and_(condition(row, self.when), lost)
        source = beside(row, self.exists)
        found = select(1).select_from(source.relation).where(*self._same(row, source)).correlate(row.relation)
        return and_(condition(row, self.when), exists(found), lost)

    def broken(self, database: Database) -> Broken:
        """The same with the other table read once."""
        row = database.row(self.table)
        if not self.exists:
            return Broken(row, row.relation, self.holds(row))
        source = beside(row, self.exists)
        pairs = links(self.title, row, source, self._by(), self.key)
        counts = and_(condition(source, self.where), *(part.is_not(None) for part, _ in pairs))
        parts, wanted = [part for part, _ in pairs], [above for _, above in pairs]
        if not self.equals:
            lost = or_(*(self._wrong(row, place, self._origin(row)) for place in self.expects))
            mine = wanted[0] if len(wanted) == 1 else tuple_(*wanted)
            found = mine.in_(select(*parts).select_from(source.relation).where(counts))
            return Broken(row, row.relation, and_(condition(row, self.when), found, lost))
        newest = self._numbered(source, parts, counts)
        same = and_(newest.c.place == 1, *(newest.c[f"k{n}"] == above for n, above in enumerate(wanted)))

        def origin(place: str) -> Origin:
            word = self.from_[place]
            return self._constant(source, word) or (newest.c[f"v_{word}"], source.column(word))

        lost = or_(*(self._wrong(row, one, origin) for one in self.expects))
        return Broken(row, row.relation.join(newest, same), and_(condition(row, self.when), lost))

    def constraint(self, row: Row) -> Unique | Refers | None:
        """None for a condition of one row. Raises `Refused` where another table is asked."""
        if not self.exists:
            return None
        raise Refused(f"{self.title} has no guard: the two tables are not written by one statement")

    def lookup_columns(self) -> tuple[str, tuple[str, ...]]:
        """The columns of the other table that refer to this one."""
        return self.exists, self._by()

    def evidence(self, row: Row) -> Facts:
        """Of each place whether it is `missing`, `different` or neither; with `equals` both values."""
        states: dict[str, ColumnElement[Any]] = {}
        values: dict[str, ColumnElement[Any]] = {}
        origin = self._origin(row)
        for number, place in enumerate(self.expects):
            wrong = self._wrong(row, place, origin)
            states[f"state_{number}"] = case(
                (not_(wrong), literal("")), (absent(row, place), literal("missing")), else_=literal("different")
            )
            if self.equals:
                value, column = origin(place)
                values[f"value_{number}"] = self._preview(row, place)
                values[f"value_of_{number}"] = row.dialect.preview(column or TEXT, value)
        return Facts(plain=states, values=values)

    def message(self, evidence: Mapping[str, Any]) -> str:
        """`users.status.x is not there, although rank_history has a row for it`; or what it must be equal to."""
        clauses = []
        for number, place in enumerate(self.expects):
            state = evidence.get(f"state_{number}")
            if state and self.equals:
                clauses.append(self._unequal(place, state, evidence, number))
            elif state:
                clauses.append(f"{self.table}.{place}")
        if self.equals:
            return ", ".join(clauses) or f"{self.table}.{self.expects[0]} is not as it must be"
        lost = " and ".join(clauses) or f"{self.table}.{self.expects[0]}"
        return f"{lost} {'are' if len(clauses) > 1 else 'is'} not there, although {self._sign()}"

    def repairs(self) -> Sequence[Repair]:
        """`restore` where `from` says from what."""
        return (
            [Repair(name="restore", effect="lossless", fits=self._restorable, sets=self._restored)]
            if self.from_
            else []
        )

    # -- words ------------------------------------------------------------------------------------
    def _sign(self) -> str:
        """The condition that says the write happened, in words."""
        signs = [told(self.when).removeprefix(" where ")] if self.when else []
        return " and ".join([*signs, *([f"{self.exists} has a row for it{told(self.where)}"] if self.exists else [])])

    def _unequal(self, place: str, state: str, evidence: Mapping[str, Any], number: int) -> str:
        word = self.from_[place]
        missing, wanted = state == "missing", evidence.get(f"value_of_{number}")
        held = "not there" if missing else evidence.get(f"value_{number}")
        if word in _CONSTANTS:
            return f"{self.table}.{place} is {f'{held}, ' if wanted else ''}not {word}"
        other = f"the newest {self.exists}.{word}" if self.exists else word
        if wanted is None:
            return f"{self.table}.{place} is not {other}"
        return f"{self.table}.{place} is {held}, but {other} is {wanted}"

    def _preview(self, row: Row, place: str) -> ColumnElement[str]:
        name, path = row.place(place)
        shown, column = (json_text(row, place), TEXT) if path else (row[name], row.column(name))
        return row.dialect.preview(column, shown)

    # -- the other half ---------------------------------------------------------------------------
    def _by(self) -> tuple[str, ...]:
        return bare(self.by, self.exists)

    def _same(self, row: Row, source: Row) -> list[ColumnElement[bool]]:
        pairs = links(self.title, row, source, self._by(), self.key)
        return [condition(source, self.where), *(part == above for part, above in pairs)]

    def _order(self, source: Row) -> list[ColumnElement[Any]]:
        """The order by which the newest row is found: `newest`, then the key."""
        return [source[name] for name in dict.fromkeys([self.newest, *source.table.key])]

    def _numbered(self, source: Row, by: Sequence[ColumnElement[Any]], counts: ColumnElement[bool]) -> FromClause:
        """The rows of the other table: `k0` ... that they refer by, `v_column`, and `place`: 1 for the newest."""
        words = [word for word in dict.fromkeys(self.from_.values()) if self._constant(source, word) is None]
        shown = [
            *(part.label(f"k{n}") for n, part in enumerate(by)),
            *(source[word].label(f"v_{word}") for word in words),
        ]
        order = [part.label(f"o{n}") for n, part in enumerate(self._order(source))]
        rows = select(*shown, *order).where(counts, source[self.newest].is_not(None)).subquery("trueup_rows")
        last = [rows.c[part.name].desc() for part in order]
        keys = [rows.c[f"k{n}"] for n, _ in enumerate(by)]
        place = func.row_number().over(partition_by=keys, order_by=last).label("place")
        return select(*(rows.c[part.name] for part in shown), place).subquery("trueup_newest")

    def _constant(self, source: Row, word: str) -> Origin | None:
        return (literal(word, Text), None) if word in _CONSTANTS and word not in source.table.columns else None

    def _origin(self, row: Row) -> Callable[[str], Origin]:
        """For each place: the value that it derives from, as a subquery for one row."""

        def origin(place: str) -> Origin:
            word = self.from_[place]
            if not self.exists:
                return self._constant(row, word) or (row[word], row.column(word))
            source = beside(row, self.exists)
            if constant := self._constant(source, word):
                return constant
            order = [part.desc() for part in self._order(source)]
            rows = select(source[word]).where(*self._same(row, source), source[self.newest].is_not(None))
            found = rows.order_by(*order).limit(1).correlate(row.relation).scalar_subquery()
            return found, source.column(word)

        return origin

    def _wrong(self, row: Row, place: str, origin: Callable[[str], Origin]) -> ColumnElement[bool]:
        """Whether a place is empty or, with `equals`, differs from its source; never NULL."""
        nothing = absent(row, place)
        if not self.equals or place not in self.expects:
            return nothing
        value, column = origin(place)
        return and_(value.is_not(None), or_(nothing, func.coalesce(self._differs(row, place, value, column), false())))

    def _differs(self, row: Row, place: str, value: ColumnElement[Any], column: Column | None) -> ColumnElement[bool]:
        name, path = row.place(place)
        if column and column.boolean:
            held = json_text(row, place) if path else cast(row[name], Text)
            return not_(row.dialect.same_bytes(_truth(held), _truth(cast(value, Text))))
        if column and (column.temporal or column.storage or (is_number(column) and not column.integer)):
            what = "moments" if column.temporal else "documents" if column.storage else "numbers with a fraction"
            raise UsageError(f"{self.title} cannot compare {what} by 'equals'; leave it out, or use stale-total")
        if column and column.integer:
            # what is no number is not equal either
            number = json_number(row, place) if path else row[name]
            return func.coalesce(number != value, sql_true())
        text = json_text(row, place) if path else cast(row[name], Text)
        return not_(row.dialect.same_bytes(text, cast(value, Text)))

    # -- mending ----------------------------------------------------------------------------------
    def _restorable(self, row: Row) -> ColumnElement[bool]:
        self._parents(row)
        origin = self._origin(row)
        tests = [not_(self._wrong(row, place, origin)) for place in self.expects if place not in self.from_]
        for place in self.from_:
            name, path = row.place(place)
            if place in self.expects:
                tests.append(or_(not_(self._wrong(row, place, origin)), origin(place)[0].is_not(None)))
            if path:
                tests.append(row.dialect.json_takes(row[name], row.column(name), path[:-1]))
        return and_(*tests, *self._kept(row))

    def _kept(self, row: Row) -> list[ColumnElement[bool]]:
        """For each column that must keep its value, whether it does after the cast; one without a type does."""
        digest, tests = row.dialect.digest, list[ColumnElement[bool]]()
        for name, value in self._restored(row).items():
            column = row.column(name)
            if column.typed and name in self.from_ and not (self.equals and name in self.expects):
                same = digest([(column, row.dialect.cast(value, column))]) == digest([(column, row[name])])
                tests.append(or_(absent(row, name), same))
        return tests

    def _restored(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        origin, values = self._origin(row), dict[str, ColumnElement[Any]]()
        members: dict[str, dict[str, ColumnElement[str]]] = {}
        parents = self._parents(row)
        # a plan tells the options in an order of its own, and the bytes of a document are in the order of its keys
        for place in sorted(self.from_):
            name, path = row.place(place)
            value, column = origin(place)
            # what must be equal is written where it is known: fewer levels than to compare it, and SQLite takes 100
            wrong = value.is_not(None) if self.equals and place in self.expects else absent(row, place)
            if not path:
                # in the column's type first: that which the engine finds in common may bend what is kept
                values[name] = case((wrong, row.dialect.cast(value, row.column(name))), else_=row[name])
                continue
            new = row.dialect.json_literal(value, column) if column else value
            old = cast(row.json(place).value, Text)
            members.setdefault(name, {})[path[-1]] = func.coalesce(case((wrong, new), else_=old), "null")
        for name, inside in members.items():
            values[name] = row.dialect.json_set(row[name], row.column(name), parents[name], inside)
        return values

    def _parents(self, row: Row) -> Mapping[str, tuple[str, ...]]:
        """By JSON column the path of the object that keys are put into. Raises `UsageError` when there are two."""
        parents: dict[str, tuple[str, ...]] = {}
        for name, path in map(row.place, self.from_):
            if path and parents.setdefault(name, path[:-1]) != path[:-1]:
                raise UsageError(f"{self.title} can restore keys of one object in {self.table}.{name}, not of two")
        return parents


def _truth(text: ColumnElement[str]) -> ColumnElement[str]:
    """`true` and `false`, however a boolean is spelled; other text as it is."""
    spellings = [(literal(number, Text), literal(told, Text)) for number, told in (("1", "true"), ("0", "false"))]
    return case(*((text == number, word) for number, word in spellings), else_=text)
