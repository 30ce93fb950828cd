"""The contract of writing to an engine: limits, locks, the journal's tables, and what an error means for a run.

`docs/reliability.md` has the rules of writing and comparing.
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

    `columns` are types by name, in the words of `Dialect.catalogued`, followed by `NOT NULL`; `uniques` are the columns
    of its keys. `faults` say what does not belong to the table: clauses that read after its name.
    """

    columns: Mapping[str, str]
    uniques: frozenset[tuple[str, ...]] = frozenset()
    faults: tuple[str, ...] = ()


class WritingDialect(ABC):
    """Writes to an engine: what apply, undo and the journal need beyond reading."""

    #: The seconds that a chunk should hold its locks, and the seconds of sleep for each second of work.
    chunk_seconds: float = 0.1
    nice: float = 1.0
    #: Prefix of the journal's tables, and their schema where the engine has schemas.
    journal_schema: str | None = None
    journal_prefix: str = "_trueup_"
    #: SQLAlchemy's options for the journal's tables, more options for the image tables, and the type of long texts.
    journal_options: Mapping[str, Any] = {}
    image_options: Mapping[str, Any] = {}
    journal_text: TypeEngine[str] = sa.Text()
    #: Whether only one transaction can write at a time, so that no row locks are needed.
    single_writer: bool = False
    #: Whether `rows_written` is free and counts the rows that a foreign key's action wrote.
    counts_rows: bool = False

    @abstractmethod
    def writable(self, connection: Connection) -> str:
        """Return why this database cannot be written at all (a replica, read-only ...), or ''."""

    def lacks(self, connection: Connection, needs: Sequence[Need]) -> list[str]:
        """Return those of `needs` that this account lacks: the privilege, the table and the GRANT statement.

        It is called before anything is written, and asks the server itself where it can.
        """
        return []

    def load(self, connection: Connection) -> str:
        """Return why a write should wait (replicas lag, the server is busy, a metric cannot be read), or ''."""
        return ""

    def standing(self, connection: Connection, table: Table) -> Mapping[str, Any]:
        """Return, as JSON, how `still` can recognise a table.

        It is empty on engines with lasting table numbers.
        """
        return {}

    def still(self, connection: Connection, table: Table, then: Mapping[str, Any]) -> bool:
        """Whether a table is the one for which `standing` returned `then`."""
        return True

    def outlast_alter(self, connection: Connection, tables: Sequence[Table]) -> None:  # noqa: B027 - where numbers tell
        """Wait until a later ALTER of `tables` can be told from the last one, where only its time tells."""

    @abstractmethod
    def begin(self, connection: Connection) -> None:
        """Set the limits of one chunk's transaction, as its first statements."""

    def finish(self, connection: Connection) -> None:  # noqa: B027 - most have nothing to do
        """Do what must happen before COMMIT for a failure to fall inside the chunk."""

    def rows_written(self, connection: Connection) -> int:
        """Return how many rows this transaction has inserted, changed or deleted in all tables but the journal's.

        It is called for a table that `calls_functions`, and for every table where the engine `counts_rows`.
        """
        raise NotImplementedError

    @abstractmethod
    def locked(self, statement: Select[Any], row: FromClause, *, gone: bool = False) -> Select[Any]:
        """Add a lock on the rows that `statement` reads from `row`, until the transaction ends.

        With `gone` the lock also prevents new references to the rows, because they will be deleted.
        """

    def unlocked(self, statement: Select[Any], row: FromClause) -> Select[Any]:
        """Lock the rows that `statement` reads from `row`, and skip those that others have locked."""
        return statement

    def shared(self, statement: Select[Any], row: FromClause) -> Select[Any]:
        """Add a shared lock on the rows that `statement` reads from `row`, so that they stay as they are."""
        return statement

    def await_writers(self, connection: Connection, tables: Sequence[Table]) -> None:  # noqa: B027 - where a locking read waits
        """Wait until the transactions that were writing to `tables` when this was called have ended.

        It is for rows that do not exist yet, which no lock can hold. An engine whose locking reads wait for such rows
        does nothing. Raises the engine's own error for a lock timeout.
        """

    def alone(self, connection: Connection, what: str) -> AbstractContextManager[None]:
        """Hold a lock on a name of ours, `what`, so that only one session at a time is inside the block.

        Enter it between transactions and commit inside the block. Raises `StoreError`, or the engine's own error for a
        lock timeout.
        """
        return nullcontext()

    def exact(self, statement: Changing) -> Changing:
        """Make an INSERT or UPDATE of an application's table change exactly the rows it names, or fail."""
        return statement

    def chosen(
        self,
        keys: Sequence[tuple[ColumnElement[Any], ColumnElement[Any]]],
        images: FromClause,
        where: ColumnElement[bool],
    ) -> ColumnElement[bool]:
        """Return the condition of a DELETE for the rows whose key is that of a row of `images` that meets `where`.

        `keys` pairs each part of the live row's key with the image's. The rows are found by key: a subquery would make
        the engine read and lock the whole table.
        """
        return sa.and_(*(live == image for live, image in keys), where)

    def restoring(self, statement: Insert) -> Insert:
        """Allow `statement` to set columns that the engine numbers itself."""
        return statement

    def enforce_references(self, connection: Connection, yes: bool) -> None:  # noqa: B027 - where they cannot be switched
        """Switch the enforcement of declared foreign keys in this session on or off. Call it between transactions.

        Only undo switches it off, and only to restore a reference that was broken before the run. Where the engine or
        the role does not allow that, the row stays an undo conflict.
        """

    def suspended(self, connection: Connection) -> AbstractContextManager[None]:
        """Suspend declared foreign keys inside of a savepoint that is rolled back, to rehearse an undo."""
        return nullcontext()

    def image_type(self, column: Column) -> str:
        """Return the type of a column's copy in the journal.

        It never belongs to the application, which may drop its types.
        """
        return column.ddl

    def into_image(self, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """Convert a value of `column` to its image, which has the same digest."""
        return value

    def from_image(self, image: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """Convert an image back to a value of `column`, for writing or comparing."""
        return image

    @abstractmethod
    def kept(self, connection: Connection, names: Sequence[str]) -> Mapping[str, Kept]:
        """Return those of the journal's tables `names` that exist, and under `""` their schema, where there is one.

        It runs no code that somebody else may have attached to them.
        """

    @abstractmethod
    def catalogued(self, ddl: str) -> str:
        """Return a type of the journal's tables in the catalogue's words."""

    def unfit(self, connection: Connection, names: Sequence[str]) -> str:
        """Return a sentence on why nothing should be written to the journal's tables `names` here, or ''.

        Either their rows would leave the database (replication), or triggers on them cannot be seen.
        """
        return ""

    def seclude(self, connection: Connection, names: Sequence[str], *, place: bool = False) -> None:  # noqa: B027 - where defaults give nothing
        """Revoke what default privileges granted on new tables of the journal, and on a new schema (`place`)."""

    def largest(self, connection: Connection) -> int | None:
        """Return the size limit of a statement in bytes; None where there is no limit."""
        return None

    def exhausted(self, error: BaseException) -> bool:
        """Whether the store failed and no row is at fault.

        Examples are a full disk, an I/O error, a server that became read-only.
        """
        return False

    @abstractmethod
    def refused_by_guard(self, error: BaseException) -> bool:
        """Whether one of trueup's guards refused the row.

        Only the guard's name proves it, never the content of the row.
        """
