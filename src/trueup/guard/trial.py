"""Tries a guard with good and bad writes that are rolled back, as the operator and as each role of the application.

A guard that refuses what the application may write causes an outage. So the application's writes are tried before and
after the guard is installed: a good write must still succeed, and a bad one must be refused.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, insert, literal, not_, null, select, update
from sqlalchemy.exc import DBAPIError

from trueup.check import Check, Row, RowCheck
from trueup.guard.contract import Guard, GuardDialect, Writer
from trueup.stores.sql import SqlDatabase

#: How many roles are tried; those that can log in come first.
ROLES = 50
#: How often a write that waits for a lock is tried, and the seconds of sleep in between.
TRIES, REST = 10, (0.05, 0.4)


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of trying a guard, in sentences. `held` is None where nothing could be tried."""

    held: bool | None
    said: tuple[str, ...]


def try_guard(database: SqlDatabase, check: Check, guard: Guard) -> Trial:
    """Try a good write and a bad one on a good row, each rolled back: the first must pass, the second be refused."""
    row = database.row(check.table)
    try:
        key = _good_key(database, check, row)
        spoiled = dict(check.breaking_values(row)) if key is not None else {}
    finally:
        database.connection.rollback()
    if key is None:
        return Trial(None, ("not tried: the table has no row that is good",))
    if not spoiled:
        return Trial(None, ("not tried: no value is known that breaks a row",))
    table = row.table.sql
    where = [table.c[name] == value for name, value in zip(row.table.key, key, strict=True)]
    writes: list[tuple[str, Any, bool]] = [
        ("a good update", update(table).where(*where).values({name: table.c[name] for name in spoiled}), True),
        ("a bad update", update(table).where(*where).values(spoiled), False),
    ]
    if check.constraint(row) is None:
        columns = [column.name for column in row.table.stored()]
        copied = select(*(spoiled.get(name, table.c[name]) for name in columns)).where(*where)
        writes.append(("a bad insert", insert(table).from_select(columns, copied), False))
    said: list[str] = []
    for what, statement, good in writes:
        error = _refused(database, statement)
        if good and error is not None:
            return Trial(False, (f"{what} was refused: {database.dialect.describe(error)}",))
        if not good and error is None:
            return Trial(False, (f"{what} was taken",))
        if error is not None and not _by(error, guard):
            return Trial(None, (*said, f"{what} was refused, but by another rule: {database.dialect.describe(error)}"))
        said.append(f"{what} passed" if good else f"{what} was refused")
    return Trial(True, tuple(said))


def _by(error: DBAPIError, guard: Guard) -> bool:
    # SQLite names the columns of a unique index, not the index; only the name is looked for, the text is not shown
    return guard.name in str(error.orig) or "UNIQUE constraint failed" in str(error.orig)


def _good_key(database: SqlDatabase, check: Check, row: Row) -> tuple[Any, ...] | None:
    if not row.table.key:
        return None
    key = [row[name] for name in row.table.key]
    statement = select(*key).select_from(row.relation)
    if isinstance(check, RowCheck):
        statement = statement.where(not_(check.holds(row)))
    found = database.ask(statement.order_by(*key).limit(1))
    return tuple(found[0]) if found else None


def _refused(database: SqlDatabase, statement: Any, before: Callable[[], None] = lambda: None) -> DBAPIError | None:
    """Execute a write and roll it back. Returns the error if the database refused the write, else None."""
    connection = database.connection
    for attempt in range(1, TRIES + 1):
        try:
            before()
            connection.execute(statement)
        except DBAPIError as error:
            if not database.dialect.retryable(error):
                return error
            if attempt == TRIES:
                raise
        else:
            return None
        finally:
            connection.rollback()
        time.sleep(random.uniform(*REST))  # noqa: S311 - spread, not secrecy
    raise AssertionError("the last attempt returns or raises")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one write: whether it passed, or the error that refused it; `guarded` if the guard refused it."""

    refused: str = ""
    guarded: bool = False
    #: The write passed, or failed only because an equal row exists: then the row had passed its own constraints.
    passed: bool = False


#: Outcomes by role and by kind of write.
Outcomes = Mapping[str, Mapping[str, Outcome]]


class AsRoles:
    """The writes to try as each role, made from a good row of the table. The row's values are never shown."""

    def __init__(self, database: SqlDatabase, words: GuardDialect, check: Check, guard: Guard) -> None:
        self.database, self.words, self.guard = database, words, guard
        self.row = database.row(check.table)
        self.all = tuple(words.writers(database.connection, guard))
        self.writers = self.all[:ROLES]
        self._good: dict[str, str | None] = {}
        self._other: dict[str, str | None] = {}
        self._bad: dict[str, str | None] = {}
        key = _good_key(database, check, self.row) if self.writers else None
        if key is not None:
            self._read(check, key)
        database.connection.rollback()

    def _read(self, check: Check, key: Sequence[Any]) -> None:
        row, spoiled = self.row, dict(check.breaking_values(self.row))
        here = [row[name] == value for name, value in zip(row.table.key, key, strict=True)]
        names = [column.name for column in row.table.stored()]
        texts = select(*(cast(row[name], Text) for name in names)).select_from(row.relation)
        self._good = dict(zip(names, self.database.ask(texts.where(*here))[0], strict=True))
        others = texts.where(not_(and_(*here)))
        if isinstance(check, RowCheck):
            others = others.where(not_(check.holds(row)))
        found = self.database.ask(others.limit(1))
        self._other = dict(zip(names, found[0], strict=True)) if found else self._good
        if spoiled:
            broken = select(*(cast(value, Text) for value in spoiled.values())).select_from(row.relation).where(*here)
            self._bad = dict(zip(spoiled, self.database.ask(broken)[0], strict=True))

    def outcomes(self) -> Outcomes:
        """Try all writes as all roles and roll each back."""
        return {one.name: dict(self._tried(one)) for one in self.writers} if self._good else {}

    def _tried(self, writer: Writer) -> Iterator[tuple[str, Outcome]]:
        for what, statement in self._writes(writer):
            error = _refused(self.database, statement, lambda: self.words.become(self.database.connection, writer.name))
            if error is None:
                yield what, Outcome(passed=True)
            else:
                state = str(getattr(error.orig, "sqlstate", "") or getattr(error.orig, "pgcode", ""))
                told = self.database.dialect.describe(error)
                yield what, Outcome(told, self.guard.name in str(error.orig), state == "23505")

    def _writes(self, writer: Writer) -> Iterator[tuple[str, Any]]:
        table, key = self.row.table.sql, self.row.table.key
        good = {name: text for name, text in self._good.items() if name in writer.inserts}
        # without its key the row would draw a number from a sequence, which no rollback gives back
        if set(key) <= set(good):
            yield "a good insert", self._inserted(good)
            if self._bad and set(self._bad) <= set(good):
                yield "a bad insert", self._inserted(good | self._bad)
        if self._bad and set(self._bad) <= writer.updates:
            here = self._typed({name: self._good[name] for name in key})
            changed = update(table).where(*(table.c[name] == value for name, value in here.items()))
            yield "a good update", changed.values(self._typed({name: self._other[name] for name in self._bad}))
            yield "a bad update", changed.values(self._typed(self._bad))

    def _inserted(self, values: Mapping[str, str | None]) -> Any:
        typed = self._typed(values)
        statement = self.database.dialect.restoring(insert(self.row.table.sql))
        return statement.from_select(list(typed), select(*typed.values()))

    def _typed(self, values: Mapping[str, str | None]) -> dict[str, ColumnElement[Any]]:
        dialect = self.database.dialect
        return {
            name: null() if value is None else dialect.cast(literal(value, Text()), self.row.column(name))
            for name, value in values.items()
        }

    def compared(self, before: Outcomes, after: Outcomes) -> Trial:
        """Compare the outcomes from before and after the guard.

        Good writes must still pass, and the guard must refuse bad ones.
        """
        said: list[str] = []
        for role, writes in after.items():
            kept, untried = [], ""
            for what, now in writes.items():
                then = before.get(role, {}).get(what, Outcome())
                good = what.startswith("a good")
                if not then.passed:
                    untried = then.refused
                elif good and (now.guarded or not now.passed):
                    return Trial(False, (f"as the role {role} {what} was refused: {now.refused}",))
                elif not good and now.refused and not now.guarded:
                    return Trial(False, (f"as the role {role} {what} was refused by something else: {now.refused}",))
                elif not good and not now.guarded:
                    return Trial(False, (f"as the role {role} {what} was taken",))
                else:
                    kept.append(f"{what} {'passed' if good else 'was refused'}")
            why = f": {untried}" if untried else ""
            said.append(f"as {role}: {', '.join(kept)}" if kept else f"not tried as {role}{why}")
        if len(self.all) > len(self.writers):
            said.append(f"{len(self.all) - len(self.writers)} more roles were not tried")
        return Trial(True if said else None, tuple(said))
