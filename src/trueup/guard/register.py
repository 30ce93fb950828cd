"""Installs guards, removes them, and notices that one is gone.

A table beside the journal records what was installed: the names and the digests of the definitions as the catalogue
shows them. So a guard that a migration or a rebuild has lost, or that somebody changed, is found.
"""

from __future__ import annotations

import json
import random
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    RowMapping,
    String,
    delete,
    func,
    insert,
    null,
    select,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import DBAPIError

from trueup.check import Check
from trueup.codec import digest
from trueup.errors import Refused, StoreError
from trueup.guard.contract import Guard, GuardDialect, Step, guard_dialect, has_guards
from trueup.journal.journal import Journal
from trueup.sql.spelling import run_verbatim
from trueup.stores.sql import SqlDatabase, SqlStore

#: How often a step that waits for a lock is tried, and the seconds of sleep in between.
TRIES, REST = 30, (0.05, 0.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledGuard:
    """An installed guard. `problem` is empty while the catalogue still shows the guard as it was recorded."""

    name: str
    check: str
    table: str
    form: str
    installed: int
    problem: str = ""
    #: Whether the guard exists at all: one that exists but lacks a privilege refuses good writes too.
    there: bool = True


class Register:
    """The guards that were installed in a store."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        dialect = store.dialect
        self.table = SqlTable(
            f"{dialect.journal_prefix}guard",
            MetaData(schema=dialect.journal_schema),
            Column("name", String(64), primary_key=True),
            Column("check_title", dialect.journal_text),
            Column("tbl", dialect.journal_text),
            Column("form", String(20)),
            Column("objects", dialect.journal_text),
            Column("options", dialect.journal_text),
            Column("installed", BigInteger),
            **dialect.journal_options,
        )

    @cached_property
    def words(self) -> GuardDialect:
        """Return the engine's GuardDialect. Raises `Refused` where it has none."""
        return guard_dialect(self.store.dialect.name)

    def prepare(self, connection: Connection) -> None:
        """Create the journal's tables and the register's where they are missing."""
        journal = Journal(self.store)
        journal.prepare(connection)
        journal.create(connection, self.table)

    def exists(self, connection: Connection) -> bool:
        """Whether this store has the register's table."""
        return has_guards(self.store.dialect.name) and Journal(self.store).has(connection, self.table)

    def standing(self, connection: Connection) -> list[InstalledGuard]:
        """Return every guard that was installed and not removed since, with its present problem."""
        if not self.exists(connection):
            return []
        rows = connection.execute(select(self.table).order_by(self.table.c.name)).mappings().all()
        return [self._standing(connection, row) for row in rows]

    def recorded(self, connection: Connection, title: str) -> list[Guard]:
        """Return the guards that were installed for a check of this title, with the steps that remove them.

        Only the record is read: the configuration may no longer have the check, or use the title for another table.
        """
        if not self.exists(connection):
            return []
        rows = connection.execute(select(self.table).order_by(self.table.c.name)).mappings().all()
        return [self.words.recorded(_recorded(row)) for row in rows if row["check_title"] == title]

    def _standing(self, connection: Connection, row: RowMapping) -> InstalledGuard:
        known: Mapping[str, str] = json.loads(row["objects"])
        guard = _recorded(row)
        now = self.words.standing(connection, guard.place, list(known))
        gone = [one for one in known if one not in now]
        changed = [one for one, text in now.items() if digest(text.encode()) != known[one]]
        if gone:
            problem = f"{', '.join(gone)} is not in the database, or switched off"
        elif changed:
            problem = f"{', '.join(changed)} is not as it was installed"
        else:
            problem = self.words.trouble(connection, guard)
        return InstalledGuard(
            name=guard.name,
            check=guard.check,
            table=guard.table,
            form=guard.form,
            installed=int(row["installed"]),
            problem=problem,
            there=bool(now),
        )

    def enter(self, connection: Connection, guard: Guard, options: Mapping[str, Any]) -> None:
        """Record a guard as the catalogue shows it now."""
        present = self.words.standing(connection, guard.place, guard.objects)
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
                options=json.dumps(
                    {
                        **options,
                        "place": guard.place,
                        "definer": guard.definer,
                        "made": guard.made,
                        "reads": guard.reads,
                    }
                ),
                installed=self.store.dialect.now(),
            )
        )
        connection.commit()

    def forget(self, connection: Connection, name: str) -> None:
        """Delete the record of a guard that was removed."""
        connection.execute(delete(self.table).where(self.table.c.name == name))
        connection.commit()


def _recorded(row: RowMapping) -> Guard:
    """Build a guard from its record, without its statements."""
    told = json.loads(row["options"])
    schema, bare = told["place"]
    return Guard(
        name=row["name"],
        check=row["check_title"],
        table=row["tbl"],
        form=row["form"],
        install=(),
        remove=(),
        objects=tuple(json.loads(row["objects"])),
        place=(schema, bare),
        definer=told["definer"],
        made=told["made"],
        reads=tuple((one[0], one[1], one[2]) for one in told["reads"]),
    )


def run_steps(store: SqlStore, words: GuardDialect, connection: Connection, steps: Sequence[Step]) -> None:
    """Run each DDL statement by itself, with many short lock timeouts, so that no other session queues behind it."""
    for step in steps:
        for attempt in range(1, TRIES + 1):
            try:
                if step.alone:
                    _alone(store, words, step)
                else:
                    words.limit(connection)
                    run_verbatim(connection, step.sql)
                    connection.commit()
                break
            except DBAPIError as error:
                connection.rollback()
                if attempt == TRIES or not store.dialect.retryable(error):
                    raise
                time.sleep(random.uniform(*REST))  # noqa: S311 - spread, not secrecy


def _alone(store: SqlStore, words: GuardDialect, step: Step) -> None:
    connection = store.open(write=True)
    try:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        words.prepare(connection)
        try:
            run_verbatim(connection, step.sql)
        finally:
            words.release(connection)
    finally:
        connection.close()


def remove_objects(store: SqlStore, words: GuardDialect, connection: Connection, guard: Guard) -> None:
    """Drop every object of a guard that exists, whether complete or not. A step that fails does not stop the others."""
    failed: DBAPIError | None = None
    for step in guard.remove:
        try:
            run_steps(store, words, connection, [step])
        except DBAPIError as error:
            connection.rollback()
            failed = failed or error
    # without IF EXISTS an engine fails for a missing object; an error while the object exists is real
    if failed is not None and words.standing(connection, guard.place, guard.objects):
        raise failed


def broken_rows(database: SqlDatabase, check: Check) -> int:
    """Count the rows that a check finds broken now."""
    broken = check.broken(database)
    key = [broken.row[name] for name in broken.row.table.key] or [null()]
    rows = select(*key).select_from(broken.source).where(broken.where).subquery("trueup_rows")
    return int(database.ask(select(func.count()).select_from(rows))[0][0])


def missing_guards(store: SqlStore, connection: Connection) -> Iterator[str]:
    """Yield a sentence for each guard of a store that is gone, was changed, or refuses good writes."""
    try:
        standing = Register(store).standing(connection)
    except (DBAPIError, StoreError) as error:
        # a role that may only read the application's tables can scan all the same
        connection.rollback()
        why = store.dialect.describe(error) if isinstance(error, DBAPIError) else error
        yield f"whether guards stand cannot be told: {why}"
        return
    for one in standing:
        if one.problem:
            how = "does not stand" if not one.there or "as it was" in one.problem else "stops good writes"
            yield (
                f"the guard of {one.check} {how}: {one.problem}; install it again with "
                f"'trueup guard {shlex.quote(one.check)} --apply'"
            )


def refuse_under_guard(store: SqlStore, connection: Connection, titles: Sequence[str]) -> None:
    """Raise `Refused` when an installed guard would refuse the broken values that an undo restores."""
    standing = [one for one in Register(store).standing(connection) if one.check in titles and one.there]
    if standing:
        names = ", ".join(dict.fromkeys(one.check for one in standing))
        commands = "; ".join(f"'trueup guard {shlex.quote(one.check)} --remove'" for one in standing)
        raise Refused(
            f"the guard of {names} would refuse the values that this gives back; take it off first: {commands}"
        )
