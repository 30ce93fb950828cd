"""Installing guards, trying them, taking them off, and noticing that one has gone.

What was installed is kept in a table beside the journal: names and digests of the definitions as the catalogue tells
them, so that a guard that a migration or a rebuild has lost, or that somebody changed, is told from one that is there.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    String,
    delete,
    func,
    insert,
    not_,
    null,
    select,
    update,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import DBAPIError

from trueup import discovery
from trueup.check import Check, Row, RowCheck
from trueup.codec import digest
from trueup.errors import Refused, StoreError
from trueup.guard import Guard, Step, Words
from trueup.journal import Journal
from trueup.journal_tables import HUGE, OPTIONS
from trueup.stores.sql import SqlDatabase, SqlStore

#: Times a step is tried that waits for a lock, and seconds of rest between.
TRIES, REST = 30, (0.05, 0.4)


@dataclass(frozen=True, slots=True)
class Standing:
    """An installed guard, as its record says, and what the catalogue says of it now; no `problem`: it stands."""

    name: str
    check: str
    table: str
    form: str
    installed: int
    problem: str = ""


def words_of(engine: str) -> Words:
    """The words of an engine for guards."""
    return discovery.load("guards", engine, Words)()


class Register:
    """The guards that were installed in a store."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        dialect = store.dialect
        self.words = words_of(dialect.name)
        self.table = SqlTable(
            f"{dialect.journal_prefix}guard",
            MetaData(schema=dialect.journal_schema),
            Column("name", String(64), primary_key=True),
            Column("check_title", HUGE),
            Column("tbl", HUGE),
            Column("form", String(20)),
            Column("objects", HUGE),
            Column("options", HUGE),
            Column("installed", BigInteger),
            **OPTIONS,
        )

    def prepare(self, connection: Connection) -> None:
        """Make the tables where they are missing."""
        journal = Journal(self.store)
        journal.prepare(connection)
        journal.create(connection, self.table)

    def exists(self, connection: Connection) -> bool:
        """Whether any guard was ever installed here."""
        return Journal(self.store).has(connection, self.table)

    def standing(self, connection: Connection) -> list[Standing]:
        """Every guard that was installed and not taken off since, with what became of it."""
        if not self.exists(connection):
            return []
        found = []
        for row in connection.execute(select(self.table).order_by(self.table.c.name)).mappings():
            known: Mapping[str, str] = json.loads(row["objects"])
            now = self.words.present(connection, list(known))
            gone = [name for name in known if name not in now]
            changed = [name for name, text in now.items() if digest(text.encode()) != known[name]]
            problem = ""
            if gone:
                problem = f"{', '.join(gone)} is not in the database, or switched off"
            elif changed:
                problem = f"{', '.join(changed)} is not as it was installed"
            found.append(
                Standing(row["name"], row["check_title"], row["tbl"], row["form"], int(row["installed"]), problem)
            )
        return found

    def enter(self, connection: Connection, guard: Guard, options: Mapping[str, Any]) -> None:
        """Remember a guard as the catalogue shows it now."""
        present = self.words.present(connection, guard.objects)
        missing = [name for name in guard.objects if name not in present]
        if missing:
            raise StoreError(f"{', '.join(missing)} was made, and the catalogue does not show it")
        connection.execute(delete(self.table).where(self.table.c.name == guard.name))
        connection.execute(
            insert(self.table).values(
                name=guard.name,
                check_title=guard.check,
                tbl=guard.table,
                form=guard.form,
                objects=json.dumps({name: digest(text.encode()) for name, text in present.items()}),
                options=json.dumps(dict(options)),
                installed=self.store.dialect.now(),
            )
        )
        connection.commit()

    def forget(self, connection: Connection, name: str) -> None:
        """A guard was taken off."""
        connection.execute(delete(self.table).where(self.table.c.name == name))
        connection.commit()


def run_steps(store: SqlStore, words: Words, connection: Connection, steps: Sequence[Step]) -> None:
    """Run DDL, each step by itself, waiting briefly for locks and often, so that nobody queues behind us."""
    words.prepare(connection)
    for step in steps:
        for attempt in range(1, TRIES + 1):
            try:
                if step.alone:
                    _alone(store, words, step)
                else:
                    say(connection, step.sql)
                    connection.commit()
                break
            except DBAPIError as error:
                connection.rollback()
                if attempt == TRIES or not store.dialect.retryable(error):
                    raise
                time.sleep(random.uniform(*REST))  # noqa: S311 - spread, not secrecy


def _alone(store: SqlStore, words: Words, step: Step) -> None:
    connection = store.open(write=True)
    try:
        words.prepare(connection)
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        say(connection, step.sql)
    finally:
        connection.close()


def say(connection: Connection, sql: str) -> None:
    """Run a statement word for word: a per cent sign in it is no parameter."""
    connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def taken_off(store: SqlStore, words: Words, connection: Connection, guard: Guard) -> None:
    """Take off whatever of a guard is there, complete or half made."""
    try:
        run_steps(store, words, connection, guard.remove)
    except DBAPIError:
        connection.rollback()
        # engines without IF EXISTS complain when it is not there; when it is there, the complaint is real
        if words.present(connection, guard.objects):
            raise


# -- trying -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Trial:
    """What a guard did when it was tried, in sentences; `held` is None where nothing could be tried."""

    held: bool | None
    said: tuple[str, ...]


def tried(database: SqlDatabase, check: Check, guard: Guard) -> Trial:
    """A good write and a bad one on a good row, each rolled back: the first must pass, the second be refused."""
    connection = database.connection
    row = database.row(check.table)
    try:
        key = _good_key(database, check, row)
        spoiled = dict(check.spoil(row)) if key is not None else {}
    finally:
        connection.rollback()
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


def _refused(database: SqlDatabase, statement: Any) -> DBAPIError | None:
    """The database's refusal of a write that is rolled back whatever happens; None when it took it."""
    connection = database.connection
    try:
        connection.execute(statement)
    except DBAPIError as error:
        if database.dialect.retryable(error):
            raise
        return error
    finally:
        connection.rollback()
    return None


def broken_rows(database: SqlDatabase, check: Check) -> int:
    """How many rows a check calls broken now."""
    broken = check.broken(database)
    key = [broken.row[name] for name in broken.row.table.key] or [null()]
    rows = select(*key).select_from(broken.source).where(broken.where).subquery()
    return int(database.ask(select(func.count()).select_from(rows))[0][0])


def missing_guards(store: SqlStore, connection: Connection) -> Iterator[str]:
    """A sentence for each guard of a store that does not stand as it was installed."""
    try:
        standing = Register(store).standing(connection)
    except DBAPIError as error:
        # a role that may only read the application's tables can scan all the same
        connection.rollback()
        yield f"whether guards stand cannot be told: {store.dialect.describe(error)}"
        return
    for one in standing:
        if one.problem:
            yield (
                f"the guard of {one.check} does not stand: {one.problem}; install it again with "
                f"'trueup guard {one.check} --apply'"
            )


def refuse_under_guard(store: SqlStore, connection: Connection, titles: Sequence[str]) -> None:
    """Raise `Refused` when a guard would refuse the broken values that an undo gives back."""
    standing = [one for one in Register(store).standing(connection) if one.check in titles and not one.problem]
    if standing:
        names = ", ".join(dict.fromkeys(one.check for one in standing))
        commands = "; ".join(f"'trueup guard {one.check} --remove'" for one in standing)
        raise Refused(
            f"the guard of {names} would refuse the values that this gives back; take it off first: {commands}"
        )
