"""The contract of reading an engine: sessions, the catalogue, keys, digests, text, and descriptions of errors.

SQLAlchemy provides binding, quoting and most of SQL. An engine adds only what SQLAlchemy lacks. Expressions go in and
come out; nothing here changes data.
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

#: How many hexadecimal digits of a digest are summed: 60 bits, which every engine's integers hold.
SUMMED = 15
#: The parts of a moment that rows are grouped by; `hour of day` is the same in every day.
Part = Literal["day", "hour", "hour of day", "minute"]


@dataclass(frozen=True, slots=True)
class Stage:
    """Operations, or keys, as a relation: columns `seq`, `before`, `after`, and `k0`, `k1` ... typed as the key."""

    relation: FromClause
    parameters: Mapping[str, Any]

    def same_key(self, rows: FromClause, key: Sequence[str]) -> ColumnElement[bool]:
        """Return the condition that an operation belongs to a row of `rows`, whose table has this key."""
        return and_(*(rows.c[name] == self.relation.c[f"k{i}"] for i, name in enumerate(key)))


class ReadingDialect(JsonDialect):
    """Reads an engine. A scan needs nothing more.

    Arguments named `value` are expressions that hold JSON in `storage`; text arguments are text.
    """

    name: str
    #: Whether a URL names a file: then no part of it is a host, a user or a password.
    is_file: bool = False

    def spelling(self) -> sa.Dialect:
        """Return SQLAlchemy's dialect for SQL as text, without a driver's own syntax.

        By default it is the one of our name.
        """
        # named parameters: the other styles double every per cent sign in the text
        made: sa.Dialect = registry.load(self.name)(paramstyle="named")
        return made

    @abstractmethod
    def engine(self, url: URL, *, write: bool) -> Engine:
        """Return an engine whose sessions are configured for exact bytes. Without `write` they cannot write."""

    @abstractmethod
    def identity(self, connection: Connection) -> Mapping[str, str]:
        """Return what distinguishes this database from others. Every value is text, none empty."""

    @abstractmethod
    def place(self, connection: Connection) -> str:
        """Return where the database is (host, port, directory), which a physical clone does not copy."""

    @abstractmethod
    def version(self, connection: Connection) -> str:
        """Return the engine's name and version for people."""

    def actual(self, connection: Connection) -> str:
        """Return the name of the dialect that this server really speaks: `mysql://` may lead to MariaDB."""
        return self.name

    @abstractmethod
    def now(self) -> ColumnElement[int]:
        """Return the seconds since 1970 on the database's clock."""

    def deadline(self, connection: Connection, seconds: float) -> AbstractContextManager[None]:
        """Cancel a statement of `connection` that runs longer than `seconds`.

        By default the session's own limit does that.
        """
        return nullcontext()

    @abstractmethod
    def tables(self, connection: Connection) -> list[str]:
        """Return the names of the base tables, without the journal's and the engine's own."""

    @abstractmethod
    def table(self, connection: Connection, name: str) -> Table:
        """Read one base table. Raises `UsageError` naming the nearest tables when there is none."""

    def naming(self, connection: Connection) -> str:
        """Return the schema in which an unqualified name is looked up; '' where there is only one schema."""
        return ""

    def name_by(self, connection: Connection, schema: str) -> None:
        """Look unqualified names up in `schema` from now on in this session; '' undoes that.

        The session's settings do not matter then.
        """

    def schema_stamp(self, connection: Connection, tables: Sequence[Table]) -> str:
        """Return a text that changes when one of `tables` changes its shape.

        Every chunk calls it, so it must be cheap.
        """
        return digest(canonical([self.table(connection, table.name).facts or {} for table in tables]))

    def own_rows(self, table: Table, alias: str) -> FromClause:
        """Return the table under an alias, with exactly the rows that a foreign key of or to the table covers."""
        return table.sql.alias(alias)

    def loose_rules(self, connection: Connection, table: Table) -> Sequence[LooseRule]:
        """Return the constraints of a table, without trueup's guards, that older rows may violate (NOT VALID)."""
        return []

    #: The storage of JSON that `adopt` assumes on this engine.
    usual_storage: Storage = "json"

    def adopt(self, table: Table) -> Table:
        """Return a table of another engine with this engine's types, to write statements that are not run."""
        usual = self.usual_storage
        return replace(table, columns={n: replace(c, storage=c.storage and usual) for n, c in table.columns.items()})

    @abstractmethod
    def key(self, table: Table, row: FromClause) -> list[ColumnElement[Any]]:
        """Return the key of `row`, one expression for each part, in the form that `token` takes."""

    def token(self, raw: Any) -> str:
        """Return the text of one key part as fetched; by default the engine has returned text already."""
        return str(raw)

    def addresses(self, key: Sequence[str]) -> bool:
        """Whether key tokens identify one row. They do not where the engine lets a primary key hold NULL."""
        return True

    def refers(self, child: ColumnElement[Any], parent: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a foreign key matches `child` with `parent`.

        The rules (collation, class) are those of the parent's column.
        """
        return parent == child

    @abstractmethod
    def stage(self, connection: Connection, table: Table, ops: Sequence[tuple[int, str, str, Sequence[str]]]) -> Stage:
        """Send `ops` (seq, before digest, after digest, key tokens) to the database as a relation.

        For one table the relation is always the same expression and only the parameters differ, so that a statement
        built on it once serves every chunk.
        """

    @abstractmethod
    def digest(self, columns: Iterable[tuple[Column, ColumnElement[Any]]]) -> ColumnElement[str]:
        """Return the SHA-256 (64 hexadecimal digits) of the canonical bytes of the values; NULL differs from ''.

        It is injective: two lists of values have one digest only when every value is stored identically.
        """

    @abstractmethod
    def cast(self, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """Convert `value` to what `column` would store, so that its digest can be computed before the write."""

    @abstractmethod
    def preview(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[str]:
        """Return the value as short text (at most 200 characters) for a reader."""

    @abstractmethod
    def sum_of_digests(self, value: ColumnElement[str]) -> ColumnElement[str]:
        """Aggregate the sum of the first `SUMMED` digits of each digest, as decimal text that never overflows.

        It is SQL NULL without rows.
        """

    def dumps_rounded(self, column: Column) -> bool:
        """Whether the engine's own dump writes fewer digits than the column holds."""
        return False

    def dumps_by_name(self, column: Column) -> bool:
        """Whether the engine's own dump writes the names of objects where the column holds their numbers."""
        return False

    #: Whether `collect` in the counting pass is faster than a second statement for the keys.
    collects: bool = True
    #: Whether it is also faster in a query of its own, because a cursor's query plan is not optimal for all rows.
    collects_sets: bool = False

    def collect_limit(self, connection: Connection) -> int | None:
        """Return the number of bytes from which `collect` may truncate its text; None when it never does."""
        return None

    def collect(self, wanted: ColumnElement[bool], payload: ColumnElement[str]) -> ColumnElement[str]:
        """Aggregate the `payload` of the rows where `wanted`, joined by commas; truncated or NULL if too long."""
        return func.group_concat(sa.case((wanted, payload)))

    def total(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """Aggregate the sum of a column; NULL without rows."""
        return func.sum(value)

    def not_a_number(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether `value` of a numeric `column` is not a number (NaN, text); false for SQL NULL, never NULL.

        The engine must sort such a value above every number.
        """
        return sa.false()

    @abstractmethod
    def moment(self, value: ColumnElement[Any], part: Part) -> ColumnElement[str]:
        """Return a part of a timestamp as text in the same form on every engine: `2026-11-03`, `2026-11-03 03`, `03`.

        It is SQL NULL for SQL NULL.
        """

    @abstractmethod
    def fold(self, value: ColumnElement[str], rules: Sequence[str]) -> ColumnElement[str]:
        """Return text after `rules` (of `case`, `space`, `unicode`), to be compared byte for byte.

        Raises `NotChecked` when the engine cannot apply a rule.
        """

    def is_blank(self, value: ColumnElement[str]) -> ColumnElement[bool]:
        """Whether text is empty or only Unicode white space; never NULL."""
        # not `= ''`: collations that pad with blanks find more than blanks equal to it
        return func.coalesce(self.same_bytes(self.fold(value, ["space"]), sa.literal("")), sa.false())

    def characters(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """Return the number of characters of text."""
        return func.char_length(text)

    @abstractmethod
    def matches(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """Whether a regular expression that `trueup.sql.regexes.portable` accepts matches anywhere in `text`."""

    @abstractmethod
    def as_integer(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """Convert text to a 64-bit integer; SQL NULL where it is not the decimal form of one, never an error."""

    @abstractmethod
    def retryable(self, error: BaseException) -> bool:
        """Whether the transaction failed for a transient reason: deadlock, lock or statement timeout."""

    @abstractmethod
    def describe(self, error: BaseException) -> str:
        """Return the error's code and constraint name; never its detail, which may hold values."""

    def describe_connect(self, error: BaseException) -> str:
        """Return `describe` for a connection error, in which some drivers repeat parts of the URL."""
        return self.describe(error)

    def idled(self, error: BaseException) -> bool:
        """Whether the server ended a session for being idle before the session could set its own limits."""
        return False

    def disconnected(self, error: BaseException) -> bool:
        """Whether the connection is gone, so that the outcome of a COMMIT is unknown."""
        return bool(getattr(error, "connection_invalidated", False))
