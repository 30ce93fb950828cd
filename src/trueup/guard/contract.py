"""The contract of a guard: what the database is told, so that a broken value is refused when it is written."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import ColumnClause, ColumnElement, Connection
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import visitors

from trueup import discovery
from trueup.check import Check, Refers, Row, RowCheck, Unique
from trueup.codec import digest
from trueup.errors import Refused, UsageError
from trueup.sql.spelling import quoted_text, spelling
from trueup.sql.tables import Table
from trueup.stores.sql import SqlDatabase

PREFIX = "trueup_guard_"

# what stands in quotes; a function that only trueup's sessions have; a line's end
_OUTSIDE = re.compile(
    r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`)|\b(trueup_\w+)(?=\()|[ \t]*\n[ \t]*", re.DOTALL
)

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
    """What guards one check on one engine. `objects` are the names that the catalogue must show afterwards.

    `place` is the table's schema and name. `definer` is the account in whose name triggers run where that is neither
    the writer's nor the table owner's; `made` says that the account was made for this guard. `reads` are the columns
    of other tables (schema, table, column) that whoever it runs as must be able to read.
    """

    name: str
    check: str
    table: str
    form: Form
    install: tuple[Step, ...]
    remove: tuple[Step, ...]
    objects: tuple[str, ...]
    notes: tuple[str, ...] = ()
    place: tuple[str | None, str] = (None, "")
    definer: str = ""
    made: bool = False
    reads: tuple[tuple[str | None, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Writer:
    """A role of the application that may write a table, and the columns that it may insert and update."""

    name: str
    inserts: frozenset[str]
    updates: frozenset[str]


class _Bare(Row):
    """A row whose columns stand alone (`"metadata"`), or under the name of a trigger's row (`new."metadata"`)."""

    def __init__(self, row: Row, words: GuardDialect, prefix: str) -> None:
        super().__init__(row.table, row.database, row.relation)
        self.dialect = words.native(row)
        self._words, self._prefix = words, prefix

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        self.column(name)
        return sa.literal_column(self._prefix + self._words.quoted(name), self.relation.c[name].type)


class GuardDialect(ABC):
    """An engine's own words for guards. Stateless."""

    name: str
    #: What the reader should know about every guard of this engine.
    notes: tuple[str, ...] = ()

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
        """A literal. Raises `Refused` for text that the engine cannot spell."""
        if "\0" in value:
            raise Refused("a guard cannot spell a text with a NUL in it")
        return quoted_text(value)

    def spelled(self, expression: ColumnElement[Any], check: Check, row: Row | None = None) -> str:
        """A condition as SQL, for the server that `row` is on.

        Raises `Refused` where it needs a function that only trueup's sessions have.
        """
        words = spelling(self.name)
        quoted, compiler = self.text, words.statement_compiler

        class Literal(compiler):  # type: ignore[valid-type,misc]
            """Every text in a guard is quoted by one function, by the rules of its engine."""

            def render_literal_value(self, value: Any, type_: Any) -> str:
                if isinstance(value, str) and not isinstance(type_, sa.JSON):
                    return quoted(value)
                return str(super().render_literal_value(value, type_))

        words.statement_compiler = Literal
        session = getattr(row and row.database, "connection", None)
        if session is not None and session.dialect.name == words.name:
            words.server_version_info = session.dialect.server_version_info
        text = str(expression.compile(dialect=words, compile_kwargs={"literal_binds": True}))
        # what stands in quotes is no call, and keeps its line breaks
        if any(match[2] for match in _OUTSIDE.finditer(text)):
            raise Refused(f"{check.title} has no guard on this engine: it has no function of its own that asks this")
        return _OUTSIDE.sub(lambda match: match[1] or " ", text)

    def condition(self, check: Check, row: Row, prefix: str) -> str:
        """Whether a row is broken, asked of the columns under `prefix`; never NULL."""
        return self.spelled(check.holds(_Bare(row, self, prefix)), check, row)

    def reads(self, check: Check, row: Row) -> tuple[tuple[str | None, str, str], ...]:
        """The columns of other tables that the condition reads."""
        found: dict[tuple[str | None, str, str], None] = {}
        for part in visitors.iterate(check.holds(_Bare(row, self, ""))):
            table = getattr(part, "table", None)
            table = getattr(table, "element", table)
            if isinstance(part, ColumnClause) and isinstance(table, SqlTable):
                found[(str(table.schema) if table.schema else None, str(table.name), str(part.name))] = None
        return tuple(found)

    def watched(self, check: Check, row: Row) -> list[str]:
        """The columns whose change can break a row."""
        return list(dict.fromkeys(row.place(name)[0] for name in check.reads))

    #: Whether the engine's own client takes a semicolon within a trigger for its end.
    cuts_at_semicolons: bool = False

    def settings(self, guard: Guard) -> str:
        """The statement that has a session read quoted text as it is spelled here; empty where any session does."""
        return ""

    def in_any_session(self, guard: Guard) -> list[str]:
        """What installs a guard in a session of whatever settings, and leaves them as they were."""
        return [step.sql for step in guard.install]

    def guard(self, check: Check, database: SqlDatabase, *, transition: bool, window: bool, definer: str = "") -> Guard:
        """The guard of a check. `window` allows locks that stop writers while the table is read.

        `definer` is the account whose rights triggers run with, where the engine has such. Raises `Refused` where
        the engine cannot guard it.
        """
        return self.owned(self._guard(check, database, transition=transition, window=window), database, definer)

    def forms(self, check: Check, database: SqlDatabase) -> Iterator[Guard]:
        """Every form that a guard may have been installed in, to take it off."""
        for transition, window in ((False, False), (False, True), (True, False)):
            try:
                yield self.leaving(self._guard(check, database, transition=transition, window=window), database)
            except Refused:
                continue  # this check has no such form

    def leaving(self, guard: Guard, database: SqlDatabase) -> Guard:
        """The guard as it is taken off, whatever rights are left."""
        return guard

    def left(self, connection: Connection, guard: Guard) -> str:
        """What is still there of a guard that was taken off; empty for nothing."""
        return ""

    def owned(self, guard: Guard, database: SqlDatabase, definer: str) -> Guard:
        """The guard with what says in whose name it runs. Raises `UsageError` where the engine has no such choice."""
        if definer:
            raise UsageError("--definer is for MySQL and MariaDB, where a trigger runs in the name of an account")
        return guard

    def _guard(self, check: Check, database: SqlDatabase, *, transition: bool, window: bool) -> Guard:
        row = database.row(check.table)
        made = self._formed(check, row, transition=transition, window=window)
        place = row.table.sql
        made = replace(made, place=(str(place.schema) if place.schema else None, str(place.name)))
        return replace(made, reads=self.reads(check, row)) if made.form == "transition" else made

    def _formed(self, check: Check, row: Row, *, transition: bool, window: bool) -> Guard:
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
            notes if check.parent() else (),
        )

    def spot(self, guard: Guard) -> str:
        """The full name of the table that a guard stands on."""
        return ".".join(self.quoted(part) for part in guard.place if part)

    @abstractmethod
    def recorded(self, guard: Guard) -> Guard:
        """A guard that its record tells of, with the steps that take it off, whatever its form is."""

    @abstractmethod
    def row(self, check: Check, row: Row, *, transition: bool, window: bool) -> Guard:
        """By a condition on the row."""

    @abstractmethod
    def reference(self, check: Check, row: Row, wanted: Refers) -> Guard:
        """By a foreign key."""

    @abstractmethod
    def unique(self, check: Check, row: Row, wanted: Unique) -> Guard:
        """By a unique index."""

    @abstractmethod
    def present(self, connection: Connection, names: Sequence[str]) -> Mapping[str, str]:
        """Which of `names` the catalogue shows, and their definitions as it tells them; one switched off is not there.

        Names of constraints, triggers and indexes share one space here: a guard's never collide.
        """

    def standing(
        self, connection: Connection, place: tuple[str | None, str | None], names: Sequence[str]
    ) -> Mapping[str, str]:
        """`present`, of the objects of one table only."""
        return self.present(connection, names)

    def trouble(self, connection: Connection, guard: Guard) -> str:
        """Why the application's writes would fail under a guard that is there: a right of whoever it runs as is gone.

        Empty where all is well, and where it cannot be seen.
        """
        return ""

    def writers(self, connection: Connection, guard: Guard) -> Sequence[Writer]:
        """The roles that may write the guarded table, where a session can take another's role for a while."""
        return ()

    def become(self, connection: Connection, role: str) -> None:
        """Take the role of a writer until the transaction ends."""
        raise NotImplementedError

    def unowned(self, error: DBAPIError, guard: Guard, database: SqlDatabase) -> str:
        """A sentence when `error` says that the account may not install what `owned` asks for; else empty."""
        return ""

    def limit(self, connection: Connection) -> None:  # noqa: B027 - not every engine has limits to set
        """Set the limits of one step, as its first statements: short waits for locks, no limit on the work itself."""

    def prepare(self, connection: Connection) -> None:  # noqa: B027 - not every engine has such steps
        """The same for a session whose step runs outside of a transaction."""

    def release(self, connection: Connection) -> None:  # noqa: B027 - not every engine has such steps
        """Take the limits of `prepare` back."""


def has_guards(engine: str) -> bool:
    """Whether an engine can be guarded: its folder has a `guard.py`."""
    return discovery.has("engines", engine, "guard")


def guard_dialect(engine: str) -> GuardDialect:
    """How an engine words guards. Raises `Refused` where it has none."""
    if not has_guards(engine):
        raise Refused(f"trueup has no guards on {engine}")
    return discovery.load("engines", engine, GuardDialect, "guard")()


def guard_name(check: Check) -> str:
    """The guard's name, the same every time: at most 52 characters, so that endings fit in any engine's limit."""
    slug = re.sub(r"[^a-z0-9]+", "_", check.title.lower()).strip("_")[:30]
    return f"{PREFIX}{slug}_{digest(json.dumps([check.store, check.title]).encode())[:8]}"


def refusal(check: Check, name: str) -> str:
    """What a refused writer reads: at most 128 characters, as MySQL allows, all of them printable, and no value."""
    text = f"{name}: {check.table}.{', '.join(check.columns)} would break the check {check.title}"
    return "".join(sign if sign.isprintable() and sign not in "\\'\"`" else "?" for sign in text)[:128]
