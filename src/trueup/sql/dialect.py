"""The contracts below a check: a store, its tables as the catalogue shows them, and an engine's own words.

SQLAlchemy gives binding, quoting and most of SQL. A `Dialect` adds only what it does not give: JSON
types, canonical bytes, typed copies, locks and limits of one engine. Source of the rules on writing
and comparing: `docs/reliability.md`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Insert, Select, Update, func
from sqlalchemy.engine import URL

from trueup.codec import canonical, digest
from trueup.sql.json import JsonWords
from trueup.sql.tables import Column, LooseRule, Need, Storage, Table

Changing = TypeVar("Changing", Insert, Update)


@dataclass(frozen=True, slots=True)
class Stage:
    """A chunk's operations as a relation: columns `seq`, `before`, `after`, and `k0`, `k1` ... typed as the key."""

    relation: FromClause
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """A table of the journal as the catalogue shows it.

    `columns` are types by name, spelled as `Dialect.catalogued` spells ours, with `NOT NULL` after them; `uniques` the
    columns of its keys. `faults` say what does not belong to it: clauses that read after the table's name.
    """

    columns: Mapping[str, str]
    uniques: frozenset[tuple[str, ...]] = frozenset()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """Why a write should wait: an empty reason means go on."""

    reason: str = ""


class Dialect(JsonWords):
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
    #: Whether a transaction that writes is alone, so that nothing has to be locked against others.
    single_writer: bool = False
    #: `rows_written` costs nothing, and counts what a foreign key's action did.
    counts_rows: bool = False

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

    def naming(self, connection: Connection) -> str:
        """The schema in which a name alone is looked up; empty where there is only one."""
        return ""

    def name_by(self, connection: Connection, schema: str) -> None:
        """Look names alone up in `schema` from now on in this session, not where its settings say; "" undoes it."""

    def schema_stamp(self, connection: Connection, tables: Sequence[Table]) -> str:
        """A word that changes when one of `tables` changes its shape; asked in every chunk, so it must be cheap."""
        return digest(canonical([self.table(connection, table.name).facts or {} for table in tables]))

    def standing(self, connection: Connection, table: Table) -> Mapping[str, Any]:
        """What `still` knows a table by, as JSON, where the engine gives it no number that lasts; empty elsewhere."""
        return {}

    def still(self, connection: Connection, table: Table, then: Mapping[str, Any]) -> bool:
        """Whether a table is the one that stood as `standing` said `then`."""
        return True

    def own_rows(self, table: Table, alias: str) -> FromClause:
        """A table under another name, with the rows that a foreign key of or to it covers and no others."""
        return table.sql.alias(alias)

    def loose_rules(self, connection: Connection, table: Table) -> Sequence[LooseRule]:
        """The rules of a table, without guards of ours, that rows from before them may break."""
        return []

    #: How this engine would hold JSON by default, for `adopt`.
    usual_storage: Storage = "json"

    def adopt(self, table: Table) -> Table:
        """A table of another engine as this one would hold it, to word statements that are not run."""
        usual = self.usual_storage
        return replace(table, columns={n: replace(c, storage=c.storage and usual) for n, c in table.columns.items()})

    # -- keys -------------------------------------------------------------------------------------
    @abstractmethod
    def key(self, table: Table, row: FromClause) -> list[ColumnElement[Any]]:
        """The key of `row`, one expression a part, in the form `token` takes."""

    def token(self, raw: Any) -> str:
        """The text of one key part as fetched; by default the engine has made it text already."""
        return str(raw)

    def addresses(self, key: Sequence[str]) -> bool:
        """Whether key tokens name one row: not where the engine lets a primary key hold NULL."""
        return True

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

    #: Whether `collect` in the pass that counts is quicker than a second statement for the keys.
    collects: bool = True
    #: Whether it is for a query of its own too, since a plan for a cursor is not the best for all rows.
    collects_sets: bool = False

    def collect_limit(self, connection: Connection) -> int | None:
        """Bytes from which on `collect` may cut its text short; None when it never does."""
        return None

    def collect(self, wanted: ColumnElement[bool], payload: ColumnElement[str]) -> ColumnElement[str]:
        """An aggregate: the `payload` of the rows where `wanted`, joined by commas; cut short or NULL if too long."""
        return func.group_concat(sa.case((wanted, payload)))

    # -- numbers ----------------------------------------------------------------------------------
    def total(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """The sum of a column as an aggregate; NULL of no rows."""
        return func.sum(value)

    def not_a_number(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether `value` of a numeric `column` is no number (NaN, text); false for SQL NULL, never NULL.

        The engine must sort what is no number above every number.
        """
        return sa.false()

    # -- text -------------------------------------------------------------------------------------
    @abstractmethod
    def fold(self, value: ColumnElement[str], rules: Sequence[str]) -> ColumnElement[str]:
        """Text after `rules` (of `case`, `space`, `unicode`), to be compared byte for byte.

        Raises `NotChecked` when the engine has no words for a rule.
        """

    def is_blank(self, value: ColumnElement[str]) -> ColumnElement[bool]:
        """Whether text is nothing but Unicode's white space, or empty; never NULL."""
        # not `= ''`: collations that pad with blanks find more than blanks equal to it
        return func.coalesce(self.same_bytes(self.fold(value, ["space"]), sa.literal("")), sa.false())

    def characters(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """How many characters text has."""
        return func.char_length(text)

    @abstractmethod
    def matches(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """Whether a regular expression, one that `trueup.regexes.portable` takes, matches anywhere in `text`."""

    @abstractmethod
    def as_integer(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """Text as a 64-bit integer; SQL NULL (never an error) where it is not the decimal spelling of one."""

    # -- the journal ------------------------------------------------------------------------------
    def image_type(self, column: Column) -> str:
        """The type of a column's copy in the journal: none that belongs to the application, which may drop it."""
        return column.ddl

    def into_image(self, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """A value of `column` as its copy holds it; the copy's digest is that of the value."""
        return value

    def from_image(self, image: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """A copy as a value of `column` again, to be written to it or compared with it."""
        return image

    @abstractmethod
    def kept(self, connection: Connection, names: Sequence[str]) -> Mapping[str, Kept]:
        """Those of the journal's tables `names` that are there; under `""` the schema they lie in, where there is one.

        Whatever it finds, it runs nothing that somebody else may have put there.
        """

    @abstractmethod
    def catalogued(self, ddl: str) -> str:
        """A type of the journal's tables as the catalogue spells it."""

    def unfit(self, connection: Connection, names: Sequence[str]) -> str:
        """Why nothing should be written to a journal of tables `names` here (a sentence), or an empty string.

        Its rows would leave the database by themselves, or what others hung on its tables cannot be seen.
        """
        return ""

    def seclude(self, connection: Connection, names: Sequence[str], *, place: bool = False) -> None:
        """Take back what defaults gave to others on new tables of the journal, and on a new schema (`place`)."""

    def largest(self, connection: Connection) -> int | None:
        """Bytes of the largest statement that the server takes; None where it takes any."""
        return None

    # -- writing ----------------------------------------------------------------------------------
    @abstractmethod
    def writable(self, connection: Connection) -> str:
        """Why this database cannot be written at all (a replica, read-only ...), or an empty string."""

    def lacks(self, connection: Connection, needs: Sequence[Need]) -> list[str]:
        """Those of `needs` that this account has no right to: the right, the table and the statement that gives it.

        Asked before anything is written, of the server itself where it can be.
        """
        return []

    @abstractmethod
    def begin(self, connection: Connection) -> None:
        """Set limits for one chunk's transaction, as its first statements."""

    def deadline(self, connection: Connection, seconds: float) -> AbstractContextManager[None]:
        """End a statement of `connection` that outlives `seconds`; by default the session's own limit does."""
        return nullcontext()

    def finish(self, connection: Connection) -> None:
        """Do what has to happen before COMMIT so that a failure falls inside the chunk."""

    @abstractmethod
    def locked(self, statement: Select[Any], row: FromClause, *, gone: bool = False) -> Select[Any]:
        """`statement` locking the rows it reads from `row` until the transaction ends; with `gone` against new
        references to them, too, as they will be deleted."""

    def unlocked(self, statement: Select[Any], row: FromClause) -> Select[Any]:
        """`statement` locking the rows it reads from `row`, without those that another transaction has locked."""
        return statement

    def shared(self, statement: Select[Any], row: FromClause) -> Select[Any]:
        """`statement` keeping the rows it reads from `row` as they are until the transaction ends, by a shared lock."""
        return statement

    def await_writers(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Wait until what was being written to `tables` when this was called is committed or rolled back.

        For rows that are not there yet, which no lock can hold; nothing to do where a locking read waits for them.
        Raises the engine's own error for a lock that was not to be had in time.
        """

    def refers(self, child: ColumnElement[Any], parent: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a foreign key takes `child` for `parent`: by the rules (collation, class) of the parent's column."""
        return parent == child

    def exact(self, statement: Changing) -> Changing:
        """An INSERT or UPDATE of an application's table that changes the rows it names and no others, or fails."""
        return statement

    def chosen(
        self,
        keys: Sequence[tuple[ColumnElement[Any], ColumnElement[Any]]],
        images: FromClause,
        where: ColumnElement[bool],
    ) -> ColumnElement[bool]:
        """Of a DELETE the rows whose key is that of a row of `images` that meets `where`; found by their key.

        `keys` are its parts, of the live row and of the image. A subquery would have the whole table read and locked.
        """
        return sa.and_(*(live == image for live, image in keys), where)

    def rows_written(self, connection: Connection) -> int:
        """How many rows this transaction inserted, changed or deleted so far, in any table but the journal's: asked of
        a table that `calls_functions`, and of every one where the engine `counts_rows`."""
        raise NotImplementedError

    def alone(self, connection: Connection, what: str) -> AbstractContextManager[None]:
        """Hold a lock on a name, so that one session at a time is inside; `what` is a word of ours.

        Entered between transactions; what is done inside is to be committed inside. Raises `StoreError`, or the
        engine's own error, for a lock that was not to be had in time.
        """
        return nullcontext()

    def enforce_references(self, connection: Connection, yes: bool) -> None:
        """Have declared foreign keys checked or not in this session, called between transactions.

        Only undo turns them off, and only to give back a reference that was broken before the run; where the
        engine or the role does not allow it, the row stays an undo conflict.
        """

    def suspended(self, connection: Connection) -> AbstractContextManager[None]:
        """Have declared foreign keys not checked inside of a savepoint that is rolled back, to rehearse an undo."""
        return nullcontext()

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
    def refused_by_guard(self, error: BaseException) -> bool:
        """Whether a guard of ours refused the row, told by the guard's name and never by what the row holds."""

    @abstractmethod
    def describe(self, error: BaseException) -> str:
        """The error's code and constraint name; never its detail, which may carry values."""

    def idled(self, error: BaseException) -> bool:
        """Whether the server ended a session for being idle, before that could set limits of its own."""
        return False

    def disconnected(self, error: BaseException) -> bool:
        """Whether the connection is gone, so that the outcome of a COMMIT is not known."""
        return bool(getattr(error, "connection_invalidated", False))

    def load(self, connection: Connection) -> Load:
        """Whether replicas lag or the server is busy; a metric that cannot be read is a reason to wait."""
        return Load()


class Store(Protocol):
    """One place where an application keeps data, opened by URL."""

    name: str
    url: URL

    def close(self) -> None:
        """Give back connections."""
