"""Prints, installs and removes the guard of a check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from trueup.check import Check
from trueup.config.config import Config
from trueup.config.strategy import PRODUCTION
from trueup.errors import Refused, StoreError
from trueup.guard.contract import Guard
from trueup.guard.register import InstalledGuard, Register, broken_rows, remove_objects, run_steps
from trueup.guard.trial import AsRoles, Outcomes, Trial, try_guard
from trueup.results import Progress, Silent
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.verbs._opened import one_check, opened


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardReport:
    """The result of `guard`. `broken` is the number of rows that break the check now.

    It is None where the configuration no longer has the check. `standing` is the record of an installed guard.
    """

    guard: Guard
    engine: str
    environment: str
    act: Literal["show", "applied", "removed"]
    broken: int | None
    standing: InstalledGuard | None = None
    trial: Trial | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """One check's guard on one open store."""

    config: Config
    store: SqlStore
    register: Register
    check: Check
    transition: bool
    window: bool
    definer: str

    def made(self, connection: Connection) -> Guard:
        return self.register.words.guard(
            self.check,
            SqlDatabase(self.store, connection),
            transition=self.transition,
            window=self.window,
            definer=self.definer,
        )

    def report(self, guard: Guard, act: Literal["show", "applied", "removed"], trial: Trial | None) -> GuardReport:
        """Count the broken rows and read the register again, on a new session."""
        with self.store.connect() as connection:
            broken = broken_rows(SqlDatabase(self.store, connection), self.check)
            standing = next((one for one in self.register.standing(connection) if one.name == guard.name), None)
        return GuardReport(
            guard=guard,
            engine=self.store.dialect.name,
            environment=self.config.environment,
            act=act,
            broken=broken,
            standing=standing,
            trial=trial,
        )


def guard(
    config: Config,
    title: str,
    *,
    act: Literal["show", "apply", "remove"] = "show",
    transition: bool = False,
    window: bool = False,
    definer: str = "",
    confirm: str = "",
    progress: Progress | None = None,
) -> GuardReport:
    """Print, install or remove the guard of a check. A new guard is tried, and removed if it fails the trial.

    It is refused while broken rows remain, unless `transition`: that form tolerates them and refuses new ones. `window`
    allows locks that stop writers. `definer` is the account whose rights triggers of MySQL and MariaDB use; without it,
    an account is created for the guard. Production asks for its name in `confirm`.
    """
    progress = progress or Silent()
    gone = act == "remove" and title not in {check.title for check in config.checks}
    check = None if gone else one_check(config, title)
    if act != "show" and config.environment == PRODUCTION and confirm != config.environment:
        raise Refused(f"this changes the schema of {config.environment}; add --confirm {config.environment}")
    if check is None:
        return _remove_recorded(config, title)
    with opened(config, check.store) as store:
        with store.connect():
            pass  # the server says what it really is, MariaDB behind mysql:// too
        work = _Work(
            config=config,
            store=store,
            register=Register(store),
            check=check,
            transition=transition,
            window=window,
            definer=definer,
        )
        progress.task(f"{check.table}: counting broken rows", None)
        with store.connect() as connection:
            if act == "show":
                return work.report(work.made(connection), "show", None)
            if why := store.dialect.writable(connection):
                raise StoreError(f"{store} cannot be written: {why}")
            made = work.made(connection) if act == "apply" else None
        if made is None:
            return work.report(_remove(work), "removed", None)
        progress.task(f"{check.table}: installing the guard", None)
        return work.report(made, "applied", _install(work, made))


def _remove(work: _Work, *, whole: bool = True) -> Guard:
    """Remove every form of the guard. With `whole` raise unless nothing is left."""
    with work.store.connect() as connection:
        forms = list(work.register.words.forms(work.check, SqlDatabase(work.store, connection)))
        recorded = work.register.recorded(connection, work.check.title)
    if not forms and not recorded:
        raise Refused(f"{work.check.title} has no guard on this engine")
    _take_off(work.store, work.register, [*forms, *recorded], whole=whole)
    return [*recorded, *forms][-1]


def _remove_recorded(config: Config, title: str) -> GuardReport:
    """Remove the guards recorded under a title for which the configuration no longer has a check."""
    report = None
    for name in config.stores:
        with opened(config, name) as store:
            with store.connect() as connection:
                register = Register(store)
                found = register.recorded(connection, title)
                if found and (why := store.dialect.writable(connection)):
                    raise StoreError(f"{store} cannot be written: {why}")
            if found:
                _take_off(store, register, found)
                report = GuardReport(
                    guard=found[-1],
                    engine=store.dialect.name,
                    environment=config.environment,
                    act="removed",
                    broken=None,
                )
    if report is None:
        one_check(config, title)  # raises, and names the nearest
        raise AssertionError("a check that is not there is told")
    return report


def _take_off(store: SqlStore, register: Register, guards: Sequence[Guard], *, whole: bool = True) -> None:
    words = register.words
    with store.connect(write=True) as connection:
        for one in guards:
            remove_objects(store, words, connection, one)
        if whole and (left := next(filter(None, (words.left(connection, one) for one in guards)), "")):
            title = guards[0].check
            raise StoreError(f"the guard of {title} is off, but {left} is left: the account may not drop it")
        connection.rollback()
        if register.exists(connection):
            for name in {one.name for one in guards}:
                register.forget(connection, name)


def _install(work: _Work, made: Guard) -> Trial:
    store, check, words = work.store, work.check, work.register.words
    before = work.report(made, "show", None)
    if before.standing is not None and not before.standing.problem:
        raise Refused(f"{check.title} is guarded already; 'trueup guard {check.title} --remove' takes it off")
    if before.broken and not work.transition:
        raise Refused(_remaining(check, before.broken))
    _remove(work, whole=False)  # remnants that a crash or a migration left
    with store.connect(write=True) as connection:
        work.register.prepare(connection)
    # in separate sessions: the installing one may have foreign keys switched off
    with store.connect(write=True) as connection:
        roles = AsRoles(SqlDatabase(store, connection), words, check, made)
        unguarded = roles.outcomes()
    with store.connect(write=True) as connection:
        try:
            run_steps(store, words, connection, made.install)
        except DBAPIError as error:
            connection.rollback()
            remove_objects(store, words, connection, made)
            if why := words.unowned(error, made, SqlDatabase(store, connection)):
                raise Refused(why) from None
            raise StoreError(
                f"{check.title} could not be guarded: {store.dialect.describe(error)}; nothing is left of the guard"
            ) from None
    try:
        with store.connect(write=True) as connection:
            database = SqlDatabase(store, connection)
            slipped = 0 if work.transition else broken_rows(database, check)
            connection.rollback()
            if slipped:
                raise Refused(f"{_remaining(check, slipped)}; it was taken off again")
            if why := words.trouble(connection, made):
                raise Refused(f"{check.title} cannot be guarded: {why}; it was taken off again")
            connection.rollback()
            trial = _tried(database, made, check, AsRoles(database, words, check, made), unguarded)
            work.register.enter(connection, made, {"transition": work.transition, "window": work.window})
    except BaseException:
        # on any error, Ctrl-C included: no guard stays that was not proven to let good writes pass
        with store.connect(write=True) as connection:
            remove_objects(store, words, connection, made)
        raise
    return trial


def _tried(database: SqlDatabase, made: Guard, check: Check, roles: AsRoles, unguarded: Outcomes) -> Trial:
    mine = try_guard(database, check, made)
    theirs = roles.compared(unguarded, roles.outcomes()) if mine.held is not False else Trial(None, ())
    for trial in (mine, theirs):
        if trial.held is False:
            raise Refused(f"the guard does not hold: {'; '.join(trial.said)}; it was taken off again")
    return Trial(mine.held, (*mine.said, *theirs.said))


def _remaining(check: Check, broken: int) -> str:
    """Say why a guard cannot be installed yet, and what to do first."""
    rows = f"{broken:,} rows break" if broken != 1 else "1 row breaks"
    return (
        f"{rows} {check.title}; mend them first ('trueup plan --check {check.title}'), or add --transition, "
        "which lets them be and refuses new ones"
    )
