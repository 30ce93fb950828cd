"""The contract of a guard: what the database is told, so that a broken value is refused when it is written."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from trueup.check import Check, Refers, Row, RowCheck, Unique
from trueup.codec import digest
from trueup.console import spelling
from trueup.errors import Refused
from trueup.stores.sql import SqlDatabase
from trueup.tables import Table

PREFIX = "trueup_guard_"

#: `constraint` holds for every row; `transition` lets rows that are broken already be, and refuses new ones.
Form = Literal["constraint", "transition"]


@dataclass(frozen=True, slots=True)
class Step:
    """One statement, its lock in a few words, and whether it must run outside of a transaction."""

    sql: str
    lock: str
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Guard:
    """What guards one check on one engine. `objects` are the names that the catalogue must show afterwards."""

    name: str
    check: str
    table: str
    form: Form
    install: tuple[Step, ...]
    remove: tuple[Step, ...]
    objects: tuple[str, ...]
    notes: tuple[str, ...] = ()


class _Bare(Row):
    """A row whose columns stand alone (`"metadata"`), or under the name of a trigger's row (`new."metadata"`)."""

    def __init__(self, row: Row, words: Words, prefix: str) -> None:
        super().__init__(row.table, row.database, row.relation)
        self.dialect = words.native(row)
        self._words, self._prefix = words, prefix

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        self.column(name)
        return sa.literal_column(self._prefix + self._words.quoted(name), self.relation.c[name].type)


class Words(ABC):
    """An engine's own words for guards. Stateless."""

    name: str
    #: What the reader should know about every guard of this engine.
    notes: tuple[str, ...] = ()

    # -- spelling ---------------------------------------------------------------------------------------------------
    def native(self, row: Row) -> Any:
        """The dialect that words a condition with nothing but the engine's own functions."""
        return row.dialect

    def quoted(self, name: str) -> str:
        """An identifier, always quoted."""
        return str(spelling(self.name).identifier_preparer.quote_identifier(name))

    def table(self, table: Table) -> str:
        """A table's full name."""
        return str(spelling(self.name).identifier_preparer.format_table(table.sql))

    def text(self, value: str) -> str:
        """A literal."""
        return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'" if self.escapes else quoted_text(value)

    #: Whether a backslash in a literal must be doubled.
    escapes = False

    def spelled(self, expression: ColumnElement[Any], check: Check) -> str:
        """A condition as SQL. Raises `Refused` where it needs a function that only trueup's sessions have."""
        text = str(expression.compile(dialect=spelling(self.name), compile_kwargs={"literal_binds": True}))
        if re.search(r"\btrueup_\w+(?=\()", text):
            raise Refused(f"{check.title} has no guard on this engine: it has no function of its own that asks this")
        return " ".join(text.split("\n"))

    def condition(self, check: Check, row: Row, prefix: str) -> str:
        """Whether a row is broken, asked of the columns under `prefix`; never NULL."""
        return self.spelled(check.holds(_Bare(row, self, prefix)), check)

    def watched(self, check: Check, row: Row) -> list[str]:
        """The columns whose change can break a row."""
        return list(dict.fromkeys(row.place(name)[0] for name in check.judged_by))

    # -- making -----------------------------------------------------------------------------------------------------
    def guard(self, check: Check, database: SqlDatabase, *, transition: bool, window: bool) -> Guard:
        """The guard of a check. `window` allows locks that stop writers while the table is read.

        Raises `Refused` where the engine cannot guard it.
        """
        row = database.row(check.table)
        wanted = check.constraint(row)
        if isinstance(wanted, Unique):
            if transition:
                raise Refused(f"{check.title} is guarded by a unique index, which has no transition form")
            return self.unique(check, row, wanted)
        if isinstance(wanted, Refers) and not transition:
            return self.reference(check, row, wanted)
        # a condition on other rows can only be asked by a trigger
        return self.row(check, row, transition=transition or not isinstance(check, RowCheck), window=window)

    def triggers(self, check: Check, lock: str, insert: str, update: str) -> Guard:
        """Two triggers, whose `CREATE TRIGGER` goes on with these words."""
        name = guard_name(check)
        words = {f"{name}_ins": insert, f"{name}_upd": update}
        notes = ("a reference is asked for when the row is written; deleting what it refers to is not refused",)
        return Guard(
            name,
            check.title,
            check.table,
            "transition",
            tuple(Step(f"CREATE TRIGGER {self.quoted(one)} {text}", lock) for one, text in words.items()),
            tuple(Step(f"DROP TRIGGER IF EXISTS {self.quoted(one)}", lock) for one in words),
            tuple(words),
            notes if check.reference() else (),
        )

    @abstractmethod
    def row(self, check: Check, row: Row, *, transition: bool, window: bool) -> Guard:
        """By a condition on the row."""

    @abstractmethod
    def reference(self, check: Check, row: Row, wanted: Refers) -> Guard:
        """By a foreign key."""

    @abstractmethod
    def unique(self, check: Check, row: Row, wanted: Unique) -> Guard:
        """By a unique index."""

    # -- looking ----------------------------------------------------------------------------------------------------
    @abstractmethod
    def present(self, connection: Connection, names: Sequence[str]) -> Mapping[str, str]:
        """Which of `names` the catalogue shows, and their definitions as it tells them; one switched off is not there.

        Names of constraints, triggers and indexes share one space here: a guard's never collide.
        """

    def prepare(self, connection: Connection) -> None:  # noqa: B027 - not every engine has limits to set
        """Set the limits of the session that installs: short waits for locks, no limit on the work itself."""


def quoted_text(value: str) -> str:
    """A literal of standard SQL."""
    return "'" + value.replace("'", "''") + "'"


def guard_name(check: Check) -> str:
    """The guard's name, the same every time: at most 52 characters, so that endings fit in any engine's limit."""
    slug = re.sub(r"[^a-z0-9]+", "_", check.title.lower()).strip("_")[:30]
    return f"{PREFIX}{slug}_{digest(json.dumps([check.store, check.title]).encode())[:8]}"


def refusal(check: Check, name: str) -> str:
    """What a refused writer reads: at most 128 characters, as MySQL allows, and no value."""
    return f"{name}: {check.table}.{', '.join(check.columns)} would break the check {check.title}"[:128]
