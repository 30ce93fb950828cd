"""What an engine owes to be read: sessions, the catalogue, keys, digests, text, and errors in words.

SQLAlchemy gives binding, quoting and most of SQL. An engine adds only what it does not give. Expressions go in,
expressions come out; nothing here changes data.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Engine, FromClause, and_, func
from sqlalchemy.dialects import registry
from sqlalchemy.engine import URL

from trueup.codec import canonical, digest
from trueup.sql.json import JsonDialect
from trueup.sql.tables import Column, LooseRule, Storage, Table

#: Hexadecimal digits of a digest that are summed up: 60 bits, which every engine's integers hold.
SUMMED = 15
#: The parts of a moment that rows are grouped by; `hour of day` is the same in every day.
Part = Literal["day", "hour", "hour of day", "minute"]


@dataclass(frozen=True, slots=True)
class Stage:
    """Operations, or keys, as a relation: columns `seq`, `before`, `after`, and `k0`, `k1` ... typed as the key."""

    relation: FromClause
    parameters: Mapping[str, Any]

    def same_key(self, rows: FromClause, key: Sequence[str]) -> ColumnElement[bool]:
        """The operation is of this row of `rows`, whose table has this key."""
        return and_(*(rows.c[name] == self.relation.c[f"k{i}"] for i, name in enumerate(key)))


class ReadingDialect(JsonDialect):
    """How an engine is read. A scan asks for no more than this.

    `value` arguments are expressions that hold JSON in `storage`; text arguments are text.
    """

    name: str
    #: Whether a URL names a file: then no part of it is a host, a user or a password.
    is_file: bool = False

    def spelling(self) -> sa.Dialect:
        """SQLAlchemy's dialect for SQL as text, without a driver's peculiarities; by default the one of our name."""
        # named parameters: the other styles double every per cent sign in the text
        made: sa.Dialect = registry.load(self.name)(paramstyle="named")
        return made

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

    def deadline(self, connection: Connection, seconds: float) -> AbstractContextManager[None]:
        """End a statement of `connection` that outlives `seconds`; by default the session's own limit does."""
        return nullcontext()

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

    @abstractmethod
    def key(self, table: Table, row: FromClause) -> list[ColumnElement[Any]]:
        """The key of `row`, one expression a part, in the form `token` takes."""

    def token(self, raw: Any) -> str:
        """The text of one key part as fetched; by default the engine has made it text already."""
        return str(raw)

    def addresses(self, key: Sequence[str]) -> bool:
        """Whether key tokens name one row: not where the engine lets a primary key hold NULL."""
        return True

    def refers(self, child: ColumnElement[Any], parent: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a foreign key takes `child` for `parent`: by the rules (collation, class) of the parent's column."""
        return parent == child

    @abstractmethod
    def stage(self, connection: Connection, table: Table, ops: Sequence[tuple[int, str, str, Sequence[str]]]) -> Stage:
        """Hand `ops` (seq, before digest, after digest, key tokens) to the database as a relation.

        For one table the relation is always the same expression; only the parameters differ, so that a statement
        built on it once serves every chunk.
        """

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

    @abstractmethod
    def sum_of_digests(self, value: ColumnElement[str]) -> ColumnElement[str]:
        """An aggregate: the sum of the first `SUMMED` digits of each digest, as decimal text, never too long.

        SQL NULL of no rows.
        """

    def dumps_rounded(self, column: Column) -> bool:
        """Whether the engine's own dump writes fewer digits than the column holds."""
        return False

    def dumps_by_name(self, column: Column) -> bool:
        """Whether the engine's own dump writes the names of objects where the column holds their numbers."""
        return False

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

    def total(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """The sum of a column as an aggregate; NULL of no rows."""
        return func.sum(value)

    def not_a_number(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether `value` of a numeric `column` is no number (NaN, text); false for SQL NULL, never NULL.

        The engine must sort what is no number above every number.
        """
        return sa.false()

    @abstractmethod
    def moment(self, value: ColumnElement[Any], part: Part) -> ColumnElement[str]:
        """A part of a timestamp as text of one form on every engine: `2026-11-03`, `2026-11-03 03`, `03`.

        SQL NULL for SQL NULL.
        """

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
        """Whether a regular expression, one that `trueup.sql.regexes.portable` takes, matches anywhere in `text`."""

    @abstractmethod
    def as_integer(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """Text as a 64-bit integer; SQL NULL (never an error) where it is not the decimal spelling of one."""

    @abstractmethod
    def retryable(self, error: BaseException) -> bool:
        """Whether the transaction failed for a passing reason: deadlock, lock or statement timeout."""

    @abstractmethod
    def describe(self, error: BaseException) -> str:
        """The error's code and constraint name; never its detail, which may carry values."""

    def describe_connect(self, error: BaseException) -> str:
        """`describe` of an error of connecting, in which some drivers repeat parts of the URL."""
        return self.describe(error)

    def idled(self, error: BaseException) -> bool:
        """Whether the server ended a session for being idle, before that could set limits of its own."""
        return False

    def disconnected(self, error: BaseException) -> bool:
        """Whether the connection is gone, so that the outcome of a COMMIT is not known."""
        return bool(getattr(error, "connection_invalidated", False))
