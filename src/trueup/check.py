"""The contract of a check: what it says is broken, what it shows for it, and how it can be mended.

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
        """A row of `table`, under another name when it stands beside itself; see `Dialect.own_rows` for `own`."""
        ...

    def ask(self, statement: Executable) -> Sequence[Sequence[Any]]:
        """All rows of a small result."""
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
        """The catalogue's word on a column. Raises `UsageError` that names the nearest."""
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
        """How a column keeps JSON. Raises `UsageError` for one that keeps numbers."""
        column = self.column(name)
        if column.storage is None and (column.numeric or column.integer or column.family in ("bit", "float")):
            raise UsageError(f"{self.table.name}.{name} is a column of numbers, which hold no JSON")
        return column.storage or "text"

    def key(self) -> list[ColumnElement[Any]]:
        """The expressions that address this row."""
        return self.dialect.key(self.table, self.relation)

    def digest(self, columns: Sequence[str]) -> ColumnElement[str]:
        """SHA-256 of the canonical bytes of `columns`."""
        return self.dialect.digest([(self.column(name), self[name]) for name in columns])


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON value in a row; its questions are answered by the engine."""

    value: ColumnElement[Any]
    storage: Storage
    dialect: Dialect
    #: The document that `value` was taken from, and where in it.
    whole: ColumnElement[Any] | None = None
    path: tuple[str, ...] = ()

    def type(self) -> ColumnElement[str]:
        """`object`, `array`, `string`, `integer`, `double`, `boolean`, `null`, `invalid`; SQL NULL for SQL NULL."""
        if self.whole is not None:
            return self.dialect.json_path_type(self.whole, self.storage, self.path)
        return self.dialect.json_type(self.value, self.storage)

    def is_not(self, types: Sequence[str]) -> ColumnElement[bool]:
        """Not SQL NULL and of none of `types`; never NULL."""
        if self.whole is None:
            return self.dialect.json_is_not(self.value, self.storage, types)
        inside = self.dialect.json_path_is_not(self.whole, self.storage, self.path, types)
        guard = self.dialect.json_guard(self.whole, self.storage)
        return inside if guard is None else ShortCircuit(self.whole, guard, inside, false())

    def text(self) -> ColumnElement[str]:
        """A scalar without quotes."""
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


@dataclass(frozen=True, slots=True)
class Repair:
    """One way to mend the rows of a check.

    `fits` says for which broken rows it can be used (never NULL); `sets` gives the new value of each
    column it touches (empty for a delete, which moves the row to quarantine first). `made_up`: the new value does not
    come from the data but from whoever wrote the check, so it is written only where the repair is asked for by name.
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
    """Rows that a finding rests on: those of `row` where `on` holds, which names the broken row too.

    They are held in the transaction that mends the broken row. With `absent` the finding rests on there being none.
    """

    row: Row
    on: ColumnElement[bool]
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Unique:
    """The rule that no two rows are equal in `columns`; NULL equals nothing."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refers:
    """The rule that `columns` are NULL or those of a row of `parent`."""

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
        """The columns the check is about, in the order a reader expects."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of a row, or paths inside them, that `holds` reads: a guard asks again when one changes."""
        return self.columns

    @property
    def title(self) -> str:
        """The name given, or one derived from kind, table and columns."""
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
        """The ways to mend, the gentlest first."""
        return ()

    def rests_on(self, row: Row, repair: str) -> Sequence[Premise]:
        """The other rows on which `holds`, or what a repair sets, rests; none where the row alone decides."""
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
        """The rule between rows that this check is; None when `holds` is a condition that a guard can ask of a row.

        Raises `Refused` when no engine can be told to keep it.
        """
        return None

    def lookup_columns(self) -> tuple[str, tuple[str, ...]]:
        """The table, and the columns of it, that rows are looked up by: an index on them makes the check cheap.

        No columns: each row is judged by itself.
        """
        return self.table, self.columns

    def breaking_values(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        """Values that break a good row, to try a guard with in a transaction that is rolled back; none: not known."""
        return {}

    @classmethod
    def propose(cls, database: Database) -> Iterator[Check]:
        """Checks of this kind that the catalogue and the data suggest."""
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
    """A check that the row alone decides. All of a table's run in one pass."""

    def measures(self, row: Row) -> Measures:
        """What the same pass counts beside the broken rows; by default nothing."""
        return Measures()


class SetCheck(Check):
    """A check of the row against other rows of the same database: a query of its own."""
