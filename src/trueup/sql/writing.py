"""What an engine owes to be written: limits, locks, the journal's tables, and what an error means for a run.

The rules of writing and comparing are in `docs/reliability.md`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause, Insert, Select, Update
from sqlalchemy.types import TypeEngine

from trueup.sql.tables import Column, Need, Table

Changing = TypeVar("Changing", Insert, Update)


@dataclass(frozen=True, slots=True)
class Kept:
    """A table of the journal as the catalogue shows it.

    `columns` are types by name, spelled as `Dialect.catalogued` spells ours, with `NOT NULL` after them; `uniques` the
    columns of its keys. `faults` say what does not belong to it: clauses that read after the table's name.
    """

    columns: Mapping[str, str]
    uniques: frozenset[tuple[str, ...]] = frozenset()
    faults: tuple[str, ...] = ()


class WritingDialect(ABC):
    """How an engine is written: what apply, undo and the journal ask for beyond reading."""

    #: Seconds of lock hold that a chunk aims at, and seconds of rest for each second of work.
    chunk_seconds: float = 0.1
    nice: float = 1.0
    #: Prefix of the journal's tables, and their schema where the engine has schemas.
    journal_schema: str | None = None
    journal_prefix: str = "_trueup_"
    #: SQLAlchemy's options for the journal's tables, and for those of images beside them; and its type of long texts.
    journal_options: Mapping[str, Any] = {}
    image_options: Mapping[str, Any] = {}
    journal_text: TypeEngine[str] = sa.Text()
    #: Whether a transaction that writes is alone, so that nothing has to be locked against others.
    single_writer: bool = False
    #: `rows_written` costs nothing, and counts what a foreign key's action did.
    counts_rows: bool = False

    @abstractmethod
    def writable(self, connection: Connection) -> str:
        """Why this database cannot be written at all (a replica, read-only ...), or an empty string."""

    def lacks(self, connection: Connection, needs: Sequence[Need]) -> list[str]:
        """Those of `needs` that this account has no right to: the right, the table and the statement that gives it.

        Asked before anything is written, of the server itself where it can be.
        """
        return []

    def load(self, connection: Connection) -> str:
        """Why a write should wait (replicas lag, the server is busy, a metric cannot be read), or an empty string."""
        return ""

    def standing(self, connection: Connection, table: Table) -> Mapping[str, Any]:
        """What `still` knows a table by, as JSON, where the engine gives it no number that lasts; empty elsewhere."""
        return {}

    def still(self, connection: Connection, table: Table, then: Mapping[str, Any]) -> bool:
        """Whether a table is the one that stood as `standing` said `then`."""
        return True

    @abstractmethod
    def begin(self, connection: Connection) -> None:
        """Set limits for one chunk's transaction, as its first statements."""

    def finish(self, connection: Connection) -> None:  # noqa: B027 - most have nothing to do
        """Do what has to happen before COMMIT so that a failure falls inside the chunk."""

    def rows_written(self, connection: Connection) -> int:
        """How many rows this transaction inserted, changed or deleted so far, in any table but the journal's: asked of
        a table that `calls_functions`, and of every one where the engine `counts_rows`."""
        raise NotImplementedError

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

    def await_writers(self, connection: Connection, tables: Sequence[Table]) -> None:  # noqa: B027 - where a locking read waits
        """Wait until what was being written to `tables` when this was called is committed or rolled back.

        For rows that are not there yet, which no lock can hold; nothing to do where a locking read waits for them.
        Raises the engine's own error for a lock that was not to be had in time.
        """

    def alone(self, connection: Connection, what: str) -> AbstractContextManager[None]:
        """Hold a lock on a name, so that one session at a time is inside; `what` is a word of ours.

        Entered between transactions; what is done inside is to be committed inside. Raises `StoreError`, or the
        engine's own error, for a lock that was not to be had in time.
        """
        return nullcontext()

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

    def restoring(self, statement: Insert) -> Insert:
        """`statement` allowed to give values to columns that the engine numbers itself."""
        return statement

    def enforce_references(self, connection: Connection, yes: bool) -> None:  # noqa: B027 - where they cannot be switched
        """Have declared foreign keys checked or not in this session, called between transactions.

        Only undo turns them off, and only to give back a reference that was broken before the run; where the
        engine or the role does not allow it, the row stays an undo conflict.
        """

    def suspended(self, connection: Connection) -> AbstractContextManager[None]:
        """Have declared foreign keys not checked inside of a savepoint that is rolled back, to rehearse an undo."""
        return nullcontext()

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

    def seclude(self, connection: Connection, names: Sequence[str], *, place: bool = False) -> None:  # noqa: B027 - where defaults give nothing
        """Take back what defaults gave to others on new tables of the journal, and on a new schema (`place`)."""

    def largest(self, connection: Connection) -> int | None:
        """Bytes of the largest statement that the server takes; None where it takes any."""
        return None

    def exhausted(self, error: BaseException) -> bool:
        """Whether the store is at fault and no row: a full disk, an I/O error, a server that became read-only."""
        return False

    @abstractmethod
    def refused_by_guard(self, error: BaseException) -> bool:
        """Whether a guard of ours refused the row, told by the guard's name and never by what the row holds."""
