"""The contract of a check: which rows are broken, which facts a report shows of them, and how they can be repaired.

A check is a frozen dataclass in a file of its own under `checks/`; its fields are its options in
`trueup.yaml`, its file name is its kind, its docstring is its page.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, ClassVar, Protocol

from sqlalchemy import ColumnElement, Executable, FromClause, case, false

from trueup.changes import Action, Effect
from trueup.errors import UsageError
from trueup.findings import Severity
from trueup.sql.dialect import Dialect
from trueup.sql.short_circuit import ShortCircuit
from trueup.sql.tables import Column, Storage, Table

#: For `Check.message_covers`: the message says every fact.
ALL = ("*",)


class Database(Protocol):
    """A database as a check sees it: rows to build expressions on, and small questions."""

    dialect: Dialect

    def tables(self) -> Sequence[Table]:
        """Every base table."""
        ...

    def row(self, table: str, alias: str = "", *, own: bool = False) -> Row:
        """A row of `table`. A query that names a table twice needs an `alias`; for `own` see `Dialect.own_rows`."""
        ...

    def ask(self, statement: Executable) -> Sequence[Sequence[Any]]:
        """Run `statement` and return all rows of its small result."""
        ...


class Row:
    """One row of a table, as expressions: `row["amount"]`, `row.json("metadata.quiz_id").type()`."""

    def __init__(self, table: Table, database: Database, relation: FromClause | None = None) -> None:
        self.table = table
        self.database = database
        self.dialect = database.dialect
        self.relation: FromClause = table.sql if relation is None else relation

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        self.column(name)
        return self.relation.c[name]

    def column(self, name: str) -> Column:
        """The column as the catalogue describes it. Raises `UsageError` that suggests a similar name."""
        if name not in self.table.columns:
            near = get_close_matches(name, self.table.columns, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(self.table.columns)}"
            raise UsageError(f"table {self.table.name!r} has no column {name!r}{hint}")
        return self.table.columns[name]

    def place(self, name: str) -> tuple[str, tuple[str, ...]]:
        """Split `column.key.key` into a column and a path inside its JSON; a column of that exact name wins."""
        if name in self.table.columns:
            return name, ()
        column, *path = name.split(".")
        self.column(column if path else name)
        return column, tuple(path)

    def json(self, name: str) -> Json:
        """The JSON in a column, or at a path inside it (`metadata.quiz_id`)."""
        column, path = self.place(name)
        storage = self.storage(column)
        value = self[column]
        if not path:
            return Json(value, storage, self.dialect)
        return Json(self.dialect.json_get(value, storage, path), storage, self.dialect, value, path)

    def storage(self, name: str) -> Storage:
        """How the column stores JSON. Raises `UsageError` for a column of numbers."""
        column = self.column(name)
        if column.storage is None and (column.numeric or column.integer or column.family in ("bit", "float")):
            raise UsageError(f"{self.table.name}.{name} is a column of numbers, which hold no JSON")
        return column.storage or "text"

    def key(self) -> list[ColumnElement[Any]]:
        """The columns that address the row, as expressions."""
        return self.dialect.key(self.table, self.relation)

    def digest(self, columns: Sequence[str]) -> ColumnElement[str]:
        """SHA-256 over the canonical bytes of `columns`."""
        return self.dialect.digest([(self.column(name), self[name]) for name in columns])


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON value in a row. Each method returns an expression that the engine evaluates."""

    value: ColumnElement[Any]
    storage: Storage
    dialect: Dialect
    #: The document that `value` was taken from, and where in it.
    whole: ColumnElement[Any] | None = None
    path: tuple[str, ...] = ()

    def type(self) -> ColumnElement[str]:
        """`object`, `array`, `string`, `integer`, `double`, `boolean`, `null` or `invalid`; SQL NULL for SQL NULL."""
        if self.whole is not None:
            return self.dialect.json_path_type(self.whole, self.storage, self.path)
        return self.dialect.json_type(self.value, self.storage)

    def is_not(self, types: Sequence[str]) -> ColumnElement[bool]:
        """Whether the value exists and has none of `types`; never NULL."""
        if self.whole is None:
            return self.dialect.json_is_not(self.value, self.storage, types)
        inside = self.dialect.json_path_is_not(self.whole, self.storage, self.path, types)
        guard = self.dialect.json_readable_if(self.whole, self.storage)
        return inside if guard is None else ShortCircuit(self.whole, guard, inside, false())

    def text(self) -> ColumnElement[str]:
        """The value as text; a string without its quotes."""
        return self.dialect.json_text(self.value, self.storage)

    def holds_json(self, types: Sequence[str]) -> ColumnElement[bool]:
        """Whether this is a JSON string whose content is itself JSON of one of `types`: encoded twice."""
        return case(
            (
                self.type() == "string",
                self.dialect.json_valid(self.dialect.json_string(self.value, self.storage), types),
            ),
            else_=false(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One way to repair the broken rows of a check.

    `fits` is the condition that it can repair a broken row (never NULL). `sets` returns the new value of each column
    that it writes, always in the same order; it is empty for a delete, which moves the row into the journal. `made_up`
    says that the new value comes from the configuration and not from the data, so that the repair has to be asked for
    by name.
    """

    name: str
    effect: Effect
    fits: Callable[[Row], ColumnElement[bool]]
    sets: Callable[[Row], Mapping[str, ColumnElement[Any]]]
    action: Action = "update"
    made_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a check shows of one broken row. The field decides who may see it, not the name.

    `plain` is never data of the application: a state, a JSON type, a count, the key of another row. Everybody sees it.
    `values` is read from the rows. It is left out, here and in every report, unless values are asked for.
    """

    plain: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)
    values: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if both := sorted(set(self.plain) & set(self.values)):
            raise ValueError(f"a fact is either plain or a value, {both[0]!r} is both")

    def __bool__(self) -> bool:
        return bool(self.plain or self.values)

    def __or__(self, other: Facts) -> Facts:
        return Facts(plain={**self.plain, **other.plain}, values={**self.values, **other.values})

    def shown(self, *, values: bool) -> Mapping[str, ColumnElement[Any]]:
        """The facts to read from the database: without `values` only those that are plain."""
        return {**self.plain, **self.values} if values else self.plain


@dataclass(frozen=True, slots=True)
class Broken:
    """The broken rows of a check as a relation: `source` joined as needed, filtered by `where`.

    `facts` are those that only the whole query knows (such as which of several rows is kept); the second look
    then runs this query again, where it otherwise asks `holds` of each row.
    """

    row: Row
    source: FromClause
    where: ColumnElement[bool]
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True, slots=True)
class Premise:
    """Other rows that a finding depends on: those of `row` that match `on`, which joins them to the broken row.

    The transaction that repairs the broken row locks them. With `absent` the finding depends on there being none.
    """

    row: Row
    on: ColumnElement[bool]
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Unique:
    """A unique constraint: no two rows are equal in `columns`. NULL equals nothing."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refers:
    """A foreign key: `columns` are NULL, or equal `parent_columns` of a row of `parent`."""

    columns: tuple[str, ...]
    parent: Table
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A key inside a value (`settings.theme`), and what it must hold. `within` names the schema that says so."""

    place: str
    expected: str
    within: str = ""


def _no_parts(_: Mapping[str, Any]) -> Collection[int]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What a check counts in the pass that finds broken rows. Conditions are cheap and never NULL.

    **The distribution.** `word` is a word of few values for any row, such as its JSON type; never a value of the data.
    Broken rows are counted by it. Healthy rows are counted by the conditions `healthy_words`, and the rest of them as
    `ordinary_word`.

    **Compliance by key.** `parts` are the keys whose compliance is reported: for each, the share of rows in which it is
    right. `measured_rows` are the denominators: for each schema name (`Part.within`), the condition that a row is
    validated against it. `failed_parts` says, from the evidence of a broken row, which parts (by number) are wrong in
    it. `unmeasured` are the rows of which the check can say nothing, and why: `their kind has no schema`.
    """

    word: ColumnElement[str] | None = None
    healthy_words: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)
    ordinary_word: str = "good"
    parts: Sequence[Part] = ()
    failed_parts: Callable[[Mapping[str, Any]], Collection[int]] = _no_parts
    measured_rows: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)
    unmeasured: tuple[ColumnElement[bool], str] | None = None


@dataclass(frozen=True, kw_only=True)
class Check(ABC):
    """What every check has. Options of the kind are added as fields."""

    kind: ClassVar[str]
    #: The facts that `message` says already, so that a report for people does not say them twice; or `ALL` of them.
    message_covers: ClassVar[tuple[str, ...]] = ()

    table: str
    name: str = ""
    store: str = ""
    severity: Severity = "medium"
    group_by: str = ""
    critical: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    context: tuple[str, ...] = ()
    repair: tuple[str, ...] = ()

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns that the check tests, in the order of the report."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns, or paths inside JSON, that `holds` reads. A guard evaluates it when one of them changes."""
        return self.columns

    @property
    def title(self) -> str:
        """The option `name`, or kind, table and columns joined by hyphens."""
        return self.name or "-".join([self.kind, self.table, *self.columns])

    @abstractmethod
    def holds(self, row: Row) -> ColumnElement[bool]:
        """Whether `row` is broken: true or false, never NULL. Subqueries correlate to `row`."""

    def broken(self, database: Database) -> Broken:
        """The broken rows; by default those for which `holds` is true."""
        row = database.row(self.table)
        return Broken(row, row.relation, self.holds(row))

    def evidence(self, row: Row) -> Facts:
        """The facts shown with a finding, cheap to read for one row. A value is a `Dialect.preview` of its column."""
        return Facts()

    @abstractmethod
    def message(self, evidence: Mapping[str, Any]) -> str:
        """The finding as a sentence: `orders.user_id is 7, but no users.id has that value`.

        `evidence` holds the facts by name, both sorts; where values are not shown it holds the plain ones only.
        """

    def repairs(self) -> Sequence[Repair]:
        """The repairs that the check offers, the least destructive first."""
        return ()

    def rests_on(self, row: Row, repair: str) -> Sequence[Premise]:
        """The other rows that `holds` or the repair reads, which are locked meanwhile; empty if there are none."""
        return ()

    def parent(self) -> str:
        """The table that rows refer to: one that is empty is in doubt itself, so that nothing is repaired.

        What a repair takes away from a row was a broken reference, and undo turns foreign keys off to give it back.
        """
        return ""

    def derives_from(self) -> str:
        """The table that a total is made of: while it is empty nothing is repaired. Undo keeps foreign keys on."""
        return ""

    def constraint(self, row: Row) -> Unique | Refers | None:
        """The constraint that is equivalent to this check; None when a guard can evaluate `holds` on one row.

        Raises `Refused` when no engine can be told to keep it.
        """
        return None

    def lookup_columns(self) -> tuple[str, tuple[str, ...]]:
        """The table and the columns that the check searches by: an index on them makes it cheap.

        No columns: it reads each row by itself.
        """
        return self.table, self.columns

    def breaking_values(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        """Column values that break a healthy row, to test a guard in a rolled-back transaction. Empty: unknown."""
        return {}

    @classmethod
    def propose(cls, database: Database) -> Iterator[Check]:
        """Checks of this kind that `trueup init` proposes from the catalogue and a sample of the data."""
        return iter(())

    def group_of(self, value: Any) -> Severity:
        """The severity of a finding in the group `value`, from `critical`, else `severity`."""
        for level in ("high", "medium", "low"):
            if value is not None and str(value) in self.critical.get(level, ()):
                return level
        return self.severity

    def chosen(self) -> list[Repair]:
        """The repairs to try, in order: those asked for, else all that destroy nothing and make up no value.

        Raises `UsageError` for one that the check does not offer.
        """
        offered = {repair.name: repair for repair in self.repairs()}
        for name in self.repair:
            if name not in offered:
                raise UsageError(f"{self.title} has no repair {name!r}; it offers {', '.join(offered) or 'none'}")
        if self.repair:
            return [offered[name] for name in self.repair]
        return [one for one in offered.values() if one.effect != "destructive" and not one.made_up]


class RowCheck(Check):
    """A check that reads only the row itself. All row checks of a table share one pass."""

    def measures(self, row: Row) -> Measures:
        """What else to count in the pass that finds the broken rows; by default nothing."""
        return Measures()


class SetCheck(Check):
    """A check that compares a row with other rows of the database. Each runs a query of its own."""
