"""The contract of a guard: the constraint, index or trigger that makes the database refuse broken values."""

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

# quoted text; a function that only trueup's sessions have; a line's end
_OUTSIDE = re.compile(
    r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`)|\b(trueup_\w+)(?=\()|[ \t]*\n[ \t]*", re.DOTALL
)

#: `constraint` holds for every row; `transition` tolerates existing broken rows and refuses new ones.
Form = Literal["constraint", "transition"]


@dataclass(frozen=True, slots=True)
class Step:
    """One statement, a description of its lock, and whether it must run outside of a transaction."""

    sql: str
    lock: str
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The guard of one check on one engine. `objects` are the names that the catalogue must show afterwards.

    `place` is the table's schema and name. `definer` is the account whose rights the triggers use where that is neither
    the writer nor the table owner; `made` says that the account was created for this guard. `reads` are the columns of
    other tables (schema, table, column) that the account must be able to read.
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
    """A row whose columns have no table name (`"metadata"`) or a trigger's prefix (`new."metadata"`)."""

    def __init__(self, row: Row, words: GuardDialect, prefix: str) -> None:
        super().__init__(row.table, row.database, row.relation)
        self.dialect = words.native(row)
        self._words, self._prefix = words, prefix

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        self.column(name)
        return sa.literal_column(self._prefix + self._words.quoted(name), self.relation.c[name].type)


class GuardDialect(ABC):
    """Builds the SQL of guards for one engine. Stateless."""

    name: str
    #: Notes for the reader about every guard of this engine.
    notes: tuple[str, ...] = ()

    def native(self, row: Row) -> Any:
        """Return the dialect that writes a condition with nothing but the engine's own functions."""
        return row.dialect

    def quoted(self, name: str) -> str:
        """Return the identifier in quotes."""
        return str(spelling(self.name).identifier_preparer.quote_identifier(name))

    def table(self, table: Table) -> str:
        """Return the full name of the table, quoted where needed."""
        return str(spelling(self.name).identifier_preparer.format_table(table.sql))

    def text(self, value: str) -> str:
        """Return the text as an SQL literal. Raises `Refused` for text that the engine has no literal for."""
        if "\0" in value:
            raise Refused("a guard cannot spell a text with a NUL in it")
        return quoted_text(value)

    def spelled(self, expression: ColumnElement[Any], check: Check, row: Row | None = None) -> str:
        """Compile a condition to SQL text for the server of `row`.

        Raises `Refused` where the condition needs a function that exists only in trueup's sessions.
        """
        words = spelling(self.name)
        quoted, compiler = self.text, words.statement_compiler

        class Literal(compiler):  # type: ignore[valid-type,misc]
            """Quotes every text in a guard by the rules of the engine."""

            def render_literal_value(self, value: Any, type_: Any) -> str:
                if isinstance(value, str) and not isinstance(type_, sa.JSON):
                    return quoted(value)
                return str(super().render_literal_value(value, type_))

        words.statement_compiler = Literal
        session = getattr(row and row.database, "connection", None)
        if session is not None and session.dialect.name == words.name:
            words.server_version_info = session.dialect.server_version_info
        text = str(expression.compile(dialect=words, compile_kwargs={"literal_binds": True}))
        # quoted text is no call, and keeps its line breaks
        if any(match[2] for match in _OUTSIDE.finditer(text)):
            raise Refused(
                f"{check.title} has no guard on this engine, which has no function of its own to ask the question with"
            )
        return _OUTSIDE.sub(lambda match: match[1] or " ", text)

    def condition(self, check: Check, row: Row, prefix: str) -> str:
        """Return the SQL condition that a row is broken, over columns with this `prefix`.

        The condition is never NULL.
        """
        return self.spelled(check.holds(_Bare(row, self, prefix)), check, row)

    def reads(self, check: Check, row: Row) -> tuple[tuple[str | None, str, str], ...]:
        """Return the columns of other tables that the condition reads."""
        found: dict[tuple[str | None, str, str], None] = {}
        for part in visitors.iterate(check.holds(_Bare(row, self, ""))):
            table = getattr(part, "table", None)
            table = getattr(table, "element", table)
            if isinstance(part, ColumnClause) and isinstance(table, SqlTable):
                found[(str(table.schema) if table.schema else None, str(table.name), str(part.name))] = None
        return tuple(found)

    def watched(self, check: Check, row: Row) -> list[str]:
        """Return the columns whose change can break a row."""
        return list(dict.fromkeys(row.place(name)[0] for name in check.reads))

    #: Whether the engine's own client ends a trigger at a semicolon inside of it.
    cuts_at_semicolons: bool = False

    def settings(self, guard: Guard) -> str:
        """Return the statement after which a session reads our quoted text correctly; '' if none is needed."""
        return ""

    def in_any_session(self, guard: Guard) -> list[str]:
        """Return statements that install a guard whatever the session's settings are, and restore these."""
        return [step.sql for step in guard.install]

    def guard(self, check: Check, database: SqlDatabase, *, transition: bool, window: bool, definer: str = "") -> Guard:
        """Build the guard of a check. `window` allows locks that block writers while the table is read.

        `definer` is the account whose rights triggers run with, where the engine has that choice. Raises `Refused`
        where the engine cannot guard the check.
        """
        return self.owned(self._guard(check, database, transition=transition, window=window), database, definer)

    def forms(self, check: Check, database: SqlDatabase) -> Iterator[Guard]:
        """Yield every form in which the guard of the check may have been installed, for removing the guard."""
        for transition, window in ((False, False), (False, True), (True, False)):
            try:
                yield self.leaving(self._guard(check, database, transition=transition, window=window), database)
            except Refused:
                continue  # this check has no such form

    def leaving(self, guard: Guard, database: SqlDatabase) -> Guard:
        """Return the guard with the steps that remove it, whatever privileges are left."""
        return guard

    def left(self, connection: Connection, guard: Guard) -> str:
        """Return a clause that says what a removed guard left behind, or ''."""
        return ""

    def owned(self, guard: Guard, database: SqlDatabase, definer: str) -> Guard:
        """Return the guard with its owner or definer set. Raises `UsageError` where the engine has no such choice."""
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
        # only a trigger can evaluate a condition on other rows
        return self.row(check, row, transition=transition or not isinstance(check, RowCheck), window=window)

    def triggers(self, check: Check, lock: str, insert: str, update: str) -> Guard:
        """Build a guard of two triggers. `insert` and `update` are the SQL that follows `CREATE TRIGGER <name>`."""
        name = guard_name(check)
        words = {f"{name}_ins": insert, f"{name}_upd": update}
        notes = ("a reference is asked for when the row is written; deleting what it refers to is not refused",)
        return Guard(
            name=name,
            check=check.title,
            table=check.table,
            form="transition",
            install=tuple(Step(f"CREATE TRIGGER {self.quoted(one)} {text}", lock) for one, text in words.items()),
            remove=tuple(Step(f"DROP TRIGGER IF EXISTS {self.quoted(one)}", lock) for one in words),
            objects=tuple(words),
            notes=notes if check.parent() else (),
        )

    def spot(self, guard: Guard) -> str:
        """Return the full name of the guarded table."""
        return ".".join(self.quoted(part) for part in guard.place if part)

    @abstractmethod
    def recorded(self, guard: Guard) -> Guard:
        """Return the guard that its record describes, with the steps that remove it in whatever form."""

    @abstractmethod
    def row(self, check: Check, row: Row, *, transition: bool, window: bool) -> Guard:
        """Build a guard that evaluates a condition on the row."""

    @abstractmethod
    def reference(self, check: Check, row: Row, wanted: Refers) -> Guard:
        """Build a guard that is a foreign key."""

    @abstractmethod
    def unique(self, check: Check, row: Row, wanted: Unique) -> Guard:
        """Build a guard that is a unique index."""

    @abstractmethod
    def present(self, connection: Connection, names: Sequence[str]) -> Mapping[str, str]:
        """Return the definitions, by name, of those of `names` that the catalogue shows.

        A disabled object counts as absent. Names of constraints, triggers and indexes share one mapping here: those of
        guards never collide.
        """

    def standing(
        self, connection: Connection, place: tuple[str | None, str | None], names: Sequence[str]
    ) -> Mapping[str, str]:
        """Return `present`, limited to objects of one table."""
        return self.present(connection, names)

    def trouble(self, connection: Connection, guard: Guard) -> str:
        """Return why writes would fail under an installed guard, or '': its owner or definer lost a privilege.

        It is '' as well where the privileges cannot be seen.
        """
        return ""

    def writers(self, connection: Connection, guard: Guard) -> Sequence[Writer]:
        """Return the roles that may write the guarded table, on engines where a session can switch roles."""
        return ()

    def become(self, connection: Connection, role: str) -> None:
        """Switch to the role of a writer until the transaction ends."""
        raise NotImplementedError

    def unowned(self, error: DBAPIError, guard: Guard, database: SqlDatabase) -> str:
        """Return a sentence if `error` means that the account may not install what `owned` asks for, else ''."""
        return ""

    def limit(self, connection: Connection) -> None:  # noqa: B027 - not every engine has limits to set
        """Set the limits of one step at the start of its transaction.

        They are short lock timeouts, and no limit on the work itself.
        """

    def prepare(self, connection: Connection) -> None:  # noqa: B027 - not every engine has such steps
        """Set the same limits in a session whose step runs outside of a transaction."""

    def release(self, connection: Connection) -> None:  # noqa: B027 - not every engine has such steps
        """Reset the limits that `prepare` set."""


def has_guards(engine: str) -> bool:
    """Whether the engine supports guards: its folder has a `guard.py`."""
    return discovery.has("engines", engine, "guard")


def guard_dialect(engine: str) -> GuardDialect:
    """Return the engine's GuardDialect. Raises `Refused` where it has none."""
    if not has_guards(engine):
        raise Refused(f"trueup has no guards on {engine}")
    return discovery.load("engines", engine, GuardDialect, "guard")()


def guard_name(check: Check) -> str:
    """Return the guard's name, which is the same every time.

    It has at most 52 characters, so that suffixes fit in any engine's limit.
    """
    slug = re.sub(r"[^a-z0-9]+", "_", check.title.lower()).strip("_")[:30]
    return f"{PREFIX}{slug}_{digest(json.dumps([check.store, check.title]).encode())[:8]}"


def refusal(check: Check, name: str) -> str:
    """Return the message that a refused writer gets.

    It has at most 128 characters, as MySQL allows, all of them printable, and contains no value.
    """
    text = f"{name}: {check.table}.{', '.join(check.columns)} would break the check {check.title}"
    return "".join(sign if sign.isprintable() and sign not in "\\'\"`" else "?" for sign in text)[:128]
