"""The contracts below a check: a store, its tables as the catalogue shows them, and an engine's own words.

SQLAlchemy gives binding, quoting and most of SQL. A `Dialect` adds only what it does not give: JSON
types, canonical bytes, typed copies, locks and limits of one engine. Source of the rules on writing
and comparing: `docs/reliability.md`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any, Literal, Protocol

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Insert,
    Select,
    Text,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    true,
    type_coerce,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.engine import URL

JSON_TYPES = ("object", "array", "string", "integer", "double", "boolean", "null", "invalid")

#: How a column holds JSON: the engine's own type (`json`, `jsonb`), or text that should parse (`text`).
Storage = Literal["json", "jsonb", "text"]
#: What the canonical bytes of a column depend on, beyond its text.
Family = Literal["text", "binary", "float", "json", "enum", "bit", "plain"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `ddl` is its type word for word, so that a typed copy can be made of it."""

    name: str
    ddl: str
    nullable: bool
    family: Family = "plain"
    storage: Storage | None = None
    generated: bool = False
    auto_update: bool = False
    has_default: bool = False
    numeric: bool = False
    integer: bool = False
    temporal: bool = False
    #: Holds true and false, in the engine's own type or as 1 and 0.
    boolean: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A declared foreign key, seen from the side that holds it."""

    name: str
    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str = ""
    on_update: str = ""
    enforced: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One base table. `key` is empty when no primary key or unique key without NULL addresses a row.

    `obstacles` are facts that forbid writing (triggers, another storage engine, row security ...), each
    a clause that reads after "cannot be repaired: ". `rows` is the catalogue's estimate, exact when small.
    """

    name: str
    sql: SqlTable
    columns: Mapping[str, Column]
    key: tuple[str, ...]
    references: tuple[Reference, ...] = ()
    referenced_by: tuple[Reference, ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    obstacles: tuple[str, ...] = ()
    rows: int = 0
    facts: Mapping[str, Any] | None = None

    def stored(self) -> list[Column]:
        """The columns that hold data of their own: all but the generated ones."""
        return [column for column in self.columns.values() if not column.generated]


@dataclass(frozen=True, slots=True)
class Stage:
    """A chunk's operations as a relation: columns `seq`, `before`, `after`, and `k0`, `k1` ... typed as the key."""

    relation: FromClause
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Load:
    """Why a write should wait: an empty reason means go on."""

    reason: str = ""


#: Paths in a JSON document, and what is to stand there.
Changes = Sequence[tuple[Sequence[str], ColumnElement[Any]]]


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a JSON array as rows: `value` is the JSON of one, in `storage`."""

    relation: FromClause
    value: ColumnElement[Any]
    storage: Storage


class Dialect(ABC):
    """One engine's own words. Stateless: expressions go in, expressions come out.

    `value` arguments are expressions that hold JSON in `storage`; text arguments are text.
    """

    name: str
    #: Seconds of lock hold that a chunk aims at, and seconds of rest for each second of work.
    chunk_seconds: float = 0.1
    nice: float = 1.0
    #: Prefix of the journal's tables, and their schema where the engine has schemas.
    journal_schema: str | None = None
    journal_prefix: str = "_trueup_"

    #: Whether a DELETE may name a second table; where it may, a subquery would have the whole table read and locked.
    joined_delete: bool = True

    # -- connecting -------------------------------------------------------------------------------
    @abstractmethod
    def engine(self, url: URL, *, write: bool) -> Engine:
        """Return an engine whose sessions are pinned for exact bytes; without `write` they cannot write."""

    @abstractmethod
    def identity(self, connection: Connection) -> Mapping[str, str]:
        """What tells this database from others: every value text, none empty."""

    @abstractmethod
    def place(self, connection: Connection) -> str:
        """Where the database lives (host, port, directory): what a physical clone does not copy."""

    @abstractmethod
    def version(self, connection: Connection) -> str:
        """The engine's name and version, for people."""

    def actual(self, connection: Connection) -> str:
        """The dialect this server really speaks; a URL may name its twin."""
        return self.name

    @abstractmethod
    def now(self) -> ColumnElement[int]:
        """Seconds since 1970 on the database's clock."""

    # -- the catalogue ----------------------------------------------------------------------------
    @abstractmethod
    def tables(self, connection: Connection) -> list[str]:
        """Names of the base tables, without the journal's and the engine's own."""

    @abstractmethod
    def table(self, connection: Connection, name: str) -> Table:
        """Read one base table. Raises `UsageError` naming the nearest tables when there is none."""

    def schema_stamp(self, connection: Connection, tables: Sequence[Table]) -> str:
        """A word that changes when one of `tables` changes its shape; asked in every chunk, so it must be cheap."""
        from trueup.codec import canonical, digest

        return digest(canonical([self.table(connection, table.name).facts or {} for table in tables]))

    #: How this engine would hold JSON by default, for `adopt`.
    usual_storage: Storage = "json"

    def adopt(self, table: Table) -> Table:
        """A table of another engine as this one would hold it, to word statements that are not run."""
        columns = {
            name: replace(column, storage=column.storage and self.usual_storage)
            for name, column in table.columns.items()
        }
        return replace(table, columns=columns)

    # -- keys -------------------------------------------------------------------------------------
    @abstractmethod
    def key(self, table: Table, row: FromClause) -> list[ColumnElement[Any]]:
        """The key of `row`, one expression a part, in the form `token` takes."""

    def token(self, raw: Any) -> str:
        """The text of one key part as fetched; by default the engine has made it text already."""
        return str(raw)

    @abstractmethod
    def stage(self, connection: Connection, table: Table, ops: Sequence[tuple[int, str, str, Sequence[str]]]) -> Stage:
        """Hand `ops` (seq, before digest, after digest, key tokens) to the database as a relation.

        For one table the relation is always the same expression; only the parameters differ, so that a statement
        built on it once serves every chunk.
        """

    # -- canonical bytes --------------------------------------------------------------------------
    @abstractmethod
    def digest(self, columns: Iterable[tuple[Column, ColumnElement[Any]]]) -> ColumnElement[str]:
        """SHA-256 (64 hexadecimal digits) of the canonical bytes of the values; NULL is told from ''.

        Injective: two lists of values have one digest only when every value is stored the same.
        """

    @abstractmethod
    def cast(self, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """`value` as `column` would store it, so that its digest can be told before it is written."""

    @abstractmethod
    def preview(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[str]:
        """The value as short text (at most 200 characters) for a reader."""

    # -- JSON -------------------------------------------------------------------------------------
    @abstractmethod
    def json_type(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """One of `JSON_TYPES`, or SQL NULL for SQL NULL; 'invalid' for text that does not parse."""

    def json_is_not(self, value: ColumnElement[Any], storage: Storage, types: Sequence[str]) -> ColumnElement[bool]:
        """Whether the value is not NULL and of none of `types`; never NULL, exact, the engine's quickest way."""
        return func.coalesce(self.json_type(value, storage).not_in(list(types)), False)

    def json_guard(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[bool] | None:
        """What has to hold of `value` for `json_path_is_not` to look into it; None where nothing has to."""
        return None

    def json_path_is_not(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], types: Sequence[str]
    ) -> ColumnElement[bool]:
        """`json_is_not` of what is at `path` in a document of which `json_guard` holds; false where nothing is."""
        return self.json_is_not(self.json_get(value, storage, path), storage, types)

    def json_path_type(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[str]:
        """`json_type` of what is at `path` in any value; SQL NULL where nothing is."""
        return self.json_type(self.json_get(value, storage, path), storage)

    @abstractmethod
    def json_get(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """The JSON value at `path` (keys of objects), in `storage`; SQL NULL where there is none."""

    def json_path_text(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[str]:
        """`json_text` of what is at `path` in any value, a number in any spelling; SQL NULL where nothing is."""
        return self.json_text(self.json_get(value, storage, path), storage)

    def json_path_number(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """The number at `path` in any value; SQL NULL where there is none."""
        is_one = self.json_path_type(value, storage, path).in_(["integer", "double"])
        return case((is_one, self.as_number(self.json_path_text(value, storage, path))))

    @abstractmethod
    def json_text(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """A scalar without its quotes; for objects and arrays their text; SQL NULL for JSON null."""

    def json_string(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """`json_text` of what is known to be a string."""
        return self.json_text(value, storage)

    @abstractmethod
    def json_valid(self, text: ColumnElement[str], types: Sequence[str]) -> ColumnElement[bool]:
        """Whether `text` parses as JSON of one of `types`; never NULL, never an error."""

    @abstractmethod
    def json_parse(self, text: ColumnElement[str], column: Column) -> ColumnElement[Any]:
        """Valid JSON text as a value for `column`."""

    @abstractmethod
    def json_wrap(self, key: str, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """An object that holds the value of `column` under `key`."""

    @abstractmethod
    def json_set_null(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[Any]:
        """The document with JSON null at `path`."""

    @abstractmethod
    def json_literal(self, value: ColumnElement[Any], column: Column) -> ColumnElement[str]:
        """The value of `column` as JSON text: a number, a string (a moment by ISO 8601) ...; SQL NULL for SQL NULL."""

    @abstractmethod
    def json_put(
        self, value: ColumnElement[Any], column: Column, path: Sequence[str], members: Mapping[str, ColumnElement[str]]
    ) -> ColumnElement[Any]:
        """A document that has an object at `path`, with `members` (JSON text by key, never NULL) in that object."""

    def json_rewritable(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether `json_put` can write the document without losing any of it; asked of what is JSON."""
        return true()

    def json_set(
        self, value: ColumnElement[Any], column: Column, path: Sequence[str], members: Mapping[str, ColumnElement[str]]
    ) -> ColumnElement[Any]:
        """The document with `members` (JSON text by key, never NULL) in the object at `path`.

        Objects that are not there, or null, are made; so is the document. Unchanged where `json_takes` is false.
        """
        ways: list[tuple[ColumnElement[bool], ColumnElement[Any]]] = []
        for depth, way in enumerate(self._json_ways(value, column, path)):
            rest = path[depth:]
            inside = {rest[0]: _nested(rest[1:], members)} if rest else members
            ways.append((way, self.json_put(value, column, path[:depth], inside)))
        made = self.json_parse(_nested(path, members), column)
        return case(*ways, (self._json_nothing(value, column, ()), made), else_=value)

    def json_takes(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[bool]:
        """Whether `json_set` can put members into the object at `path`; never NULL."""
        return or_(self._json_nothing(value, column, ()), *self._json_ways(value, column, path))

    def _json_ways(
        self, value: ColumnElement[Any], column: Column, path: Sequence[str]
    ) -> Iterator[ColumnElement[bool]]:
        """For each depth: that an object is there, and nothing below it in the way."""
        for depth in range(len(path) + 1):
            kind = self._json_kind(value, column, path[:depth])
            below = self._json_nothing(value, column, path[: depth + 1]) if depth < len(path) else true()
            rewritable = case((kind == "object", self.json_rewritable(value, column)), else_=false())
            yield and_(func.coalesce(rewritable, false()), below)

    def _json_nothing(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[bool]:
        return func.coalesce(self._json_kind(value, column, path), "null") == "null"

    def _json_kind(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[str]:
        storage: Storage = column.storage or "text"
        return self.json_path_type(value, storage, path) if path else self.json_type(value, storage)

    def json_inside(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """`json_get` in a document of which `json_guard` holds."""
        return self.json_get(value, storage, path)

    def json_path_lacks(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], types: Sequence[str]
    ) -> ColumnElement[bool]:
        """`json_path_is_not`, and true where nothing is."""
        absent = self.json_inside(value, storage, path).is_(None)
        return or_(absent, self.json_path_is_not(value, storage, path, types))

    def json_inside_string(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]
    ) -> ColumnElement[str]:
        """The content of what is known to be a string at `path`, in a document of which `json_guard` holds."""
        return self.json_string(self.json_inside(value, storage, path) if path else value, storage)

    def json_inside_one_of(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], texts: Sequence[str]
    ) -> ColumnElement[bool]:
        """Whether the content of what is known to be a string at `path` is one of `texts`, byte for byte."""
        found = self.json_inside_string(value, storage, path)
        return or_(*(self.same_bytes(found, literal(text, Text())) for text in texts))

    @abstractmethod
    def json_number(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[Any]:
        """What is known to be a number, as a double of the engine or as something more exact."""

    def json_inside_number(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]
    ) -> ColumnElement[Any]:
        """`json_number` of what is at `path`, in a document of which `json_guard` holds."""
        return self.json_number(self.json_inside(value, storage, path) if path else value, storage)

    @abstractmethod
    def json_length(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[int]:
        """How many elements what is known to be an array has."""

    @abstractmethod
    def json_elements(self, value: ColumnElement[Any], storage: Storage) -> Elements:
        """The elements of what is known to be an array, or is SQL NULL."""

    @abstractmethod
    def json_other_keys(self, value: ColumnElement[Any], storage: Storage, keys: Sequence[str]) -> ColumnElement[bool]:
        """Whether what is known to be an object has a key that is none of `keys`.

        Raises `NotChecked` for keys that the engine has no words for.
        """

    @abstractmethod
    def json_change(self, value: ColumnElement[Any], column: Column, changes: Changes) -> ColumnElement[Any]:
        """A document that is an object, and `json_rewritable`, with new values (as `json_parse` makes them) at paths.

        The changes are made in their order. A key that is missing is added; what it is added to must be an object. A
        change whose new value is SQL NULL is none.
        """

    #: Whether `collect` in the pass that counts is quicker than a second statement for the keys.
    collects: bool = True
    #: Whether it is for a query of its own too, since a plan for a cursor is not the best for all rows.
    collects_sets: bool = False

    def collect_limit(self, connection: Connection) -> int | None:
        """Bytes from which on `collect` may cut its text short; None when it never does."""
        return None

    def collect(self, wanted: ColumnElement[bool], payload: ColumnElement[str]) -> ColumnElement[str]:
        """An aggregate: the `payload` of the rows where `wanted`, joined by commas; cut short or NULL if too long."""
        return func.group_concat(case((wanted, payload)))

    # -- numbers ----------------------------------------------------------------------------------
    @abstractmethod
    def as_number(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """Text that spells a JSON number as a number."""

    def total(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """The sum of a column as an aggregate; NULL of no rows."""
        return func.sum(value)

    def not_a_number(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether `value` of a numeric `column` is no number (NaN, text); false for SQL NULL, never NULL.

        The engine must sort what is no number above every number.
        """
        return false()

    # -- text -------------------------------------------------------------------------------------
    @abstractmethod
    def fold(self, value: ColumnElement[str], rules: Sequence[str]) -> ColumnElement[str]:
        """Text after `rules` (of `case`, `space`, `unicode`), to be compared byte for byte.

        Raises `NotChecked` when the engine has no words for a rule.
        """

    def is_blank(self, value: ColumnElement[str]) -> ColumnElement[bool]:
        """Whether text is nothing but Unicode's white space, or empty; never NULL."""
        # not `= ''`: collations that pad with blanks find more than blanks equal to it
        return func.coalesce(self.same_bytes(self.fold(value, ["space"]), literal("")), false())

    def characters(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """How many characters text has."""
        return func.char_length(text)

    @abstractmethod
    def matches(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """Whether a regular expression, one that `trueup.regexes.portable` takes, matches anywhere in `text`."""

    @abstractmethod
    def same_bytes(self, left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether two texts are equal byte for byte, whatever their collation; NULL when one is NULL."""

    @abstractmethod
    def as_integer(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """Text as a 64-bit integer; SQL NULL (never an error) where it is not the decimal spelling of one."""

    # -- writing ----------------------------------------------------------------------------------
    @abstractmethod
    def writable(self, connection: Connection) -> str:
        """Why this database cannot be written at all (a replica, read-only ...), or an empty string."""

    @abstractmethod
    def begin(self, connection: Connection) -> None:
        """Set limits for one chunk's transaction, as its first statements."""

    def deadline(self, connection: Connection, seconds: float) -> AbstractContextManager[None]:
        """End a statement of `connection` that outlives `seconds`; by default the session's own limit does."""
        from contextlib import nullcontext

        return nullcontext()

    def finish(self, connection: Connection) -> None:  # noqa: B027 - most engines have nothing to do
        """Do what has to happen before COMMIT so that a failure falls inside the chunk."""

    @abstractmethod
    def locked(self, statement: Select[Any], row: FromClause) -> Select[Any]:
        """`statement` locking the rows it reads from `row` until the transaction ends."""

    def enforce_references(self, connection: Connection, yes: bool) -> None:
        """Have declared foreign keys checked or not in this session, called between transactions.

        Only undo turns them off, and only to give back a reference that was broken before the run; where the
        engine or the role does not allow it, the row stays an undo conflict.
        """
        return

    def restoring(self, statement: Insert) -> Insert:
        """`statement` allowed to give values to columns that the engine numbers itself."""
        return statement

    @abstractmethod
    def retryable(self, error: BaseException) -> bool:
        """Whether the transaction failed for a passing reason: deadlock, lock or statement timeout."""

    def exhausted(self, error: BaseException) -> bool:
        """Whether the store is at fault and no row: a full disk, an I/O error, a server that became read-only."""
        return False

    @abstractmethod
    def describe(self, error: BaseException) -> str:
        """The error's code and constraint name; never its detail, which may carry values."""

    def disconnected(self, error: BaseException) -> bool:
        """Whether the connection is gone, so that the outcome of a COMMIT is not known."""
        return bool(getattr(error, "connection_invalidated", False))

    def load(self, connection: Connection) -> Load:
        """Whether replicas lag or the server is busy; a metric that cannot be read is a reason to wait."""
        return Load()


def strings(text: ColumnElement[str]) -> ColumnElement[int]:
    """Twice the number of strings in JSON text: fewer are left where one of two equal keys was dropped."""
    bare = reduce(
        lambda found, sign: func.replace(found, literal(sign, Text), literal("", Text)), ("\\\\", '\\"'), text
    )
    return func.length(bare) - func.length(func.replace(bare, literal('"', Text), literal("", Text)))


def _nested(path: Sequence[str], members: Mapping[str, ColumnElement[str]]) -> ColumnElement[str]:
    """The JSON text of objects within each other, the innermost with `members`."""
    parts: list[ColumnElement[str]] = []
    opening = "".join("{" + json.dumps(key, ensure_ascii=False) + ": " for key in path) + "{"
    for key, text in members.items():
        parts += [literal(opening + json.dumps(key, ensure_ascii=False) + ": ", Text), type_coerce(text, Text)]
        opening = ", "
    return reduce(add, [*parts, literal("}" * (len(path) + 1), Text)])


class Store(Protocol):
    """One place where an application keeps data, opened by URL."""

    name: str
    url: URL

    def close(self) -> None:
        """Give back connections."""
        ...
