"""Printing, installing and taking off the guard of a check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from trueup.check import Check
from trueup.config import ENVIRONMENT, Config
from trueup.errors import Refused, StoreError
from trueup.guard import Guard
from trueup.guarding import Register, Standing, Trial, broken_rows, run_steps, taken_off, tried
from trueup.results import Progress, Silent
from trueup.run import opened
from trueup.runbook import one_check
from trueup.stores.sql import SqlDatabase, SqlStore


@dataclass(frozen=True, slots=True)
class GuardReport:
    """What became of a guard. `broken` rows break the check now; `standing` is the record of an installed one."""

    guard: Guard
    engine: str
    environment: str
    act: Literal["show", "applied", "removed"]
    broken: int
    standing: Standing | None = None
    trial: Trial | None = None


@dataclass(frozen=True, slots=True)
class _Work:
    """One check's guard on one open store."""

    config: Config
    store: SqlStore
    register: Register
    check: Check
    transition: bool
    window: bool

    def made(self, connection: Connection) -> Guard:
        database = SqlDatabase(self.store, connection)
        return self.register.words.guard(self.check, database, transition=self.transition, window=self.window)

    def forms(self, connection: Connection) -> Iterator[Guard]:
        """Every form that the guard may have been installed in."""
        database = SqlDatabase(self.store, connection)
        for transition, window in ((False, False), (False, True), (True, False)):
            try:
                yield self.register.words.guard(self.check, database, transition=transition, window=window)
            except Refused:
                continue  # this check has no such form

    def report(self, guard: Guard, act: Literal["show", "applied", "removed"], trial: Trial | None) -> GuardReport:
        """Look again, on a new session."""
        with self.store.connect() as connection:
            broken = broken_rows(SqlDatabase(self.store, connection), self.check)
            standing = next((one for one in self.register.standing(connection) if one.name == guard.name), None)
        return GuardReport(guard, self.store.dialect.name, self.config.environment, act, broken, standing, trial)


def guard(
    config: Config,
    title: str,
    *,
    act: Literal["show", "apply", "remove"] = "show",
    transition: bool = False,
    window: bool = False,
    confirm: str = "",
    progress: Progress | None = None,
) -> GuardReport:
    """Print, install or take off the guard of a check; an installed one is tried, and taken off if it does not hold.

    It is refused while broken rows remain, unless `transition`: that form lets them be and refuses new ones. `window`
    allows locks that stop writers. Production asks for its name in `confirm`.
    """
    progress = progress or Silent()
    check = one_check(config, title)
    if act != "show" and config.environment == ENVIRONMENT and confirm != config.environment:
        raise Refused(f"this changes the schema of {config.environment}; add --confirm {config.environment}")
    with opened(config, check.store) as store:
        work = _Work(config, store, Register(store), check, transition, window)
        progress.task(f"{check.table}: counting broken rows", None)
        with store.connect() as connection:
            made = work.made(connection)
            if act == "show":
                return work.report(made, "show", None)
            if why := store.dialect.writable(connection):
                raise StoreError(f"{store} cannot be written: {why}")
        if act == "remove":
            _remove(work, made)
            return work.report(made, "removed", None)
        progress.task(f"{check.table}: installing the guard", None)
        return work.report(made, "applied", _install(work, made))


def _remove(work: _Work, made: Guard) -> None:
    with work.store.connect() as connection:
        forms = list(work.forms(connection))
    with work.store.connect(write=True) as connection:
        for form in forms:
            taken_off(work.store, work.register.words, connection, form)
        if work.register.exists(connection):
            work.register.forget(connection, made.name)


def _install(work: _Work, made: Guard) -> Trial:
    store, check = work.store, work.check
    before = work.report(made, "show", None)
    if before.standing is not None and not before.standing.problem:
        raise Refused(f"{check.title} is guarded already; 'trueup guard {check.title} --remove' takes it off")
    if before.broken and not work.transition:
        raise Refused(remaining(check, before.broken))
    _remove(work, made)  # what a crash, or a migration, left of it
    with store.connect(write=True) as connection:
        work.register.prepare(connection)
        try:
            run_steps(store, work.register.words, connection, made.install)
        except DBAPIError as error:
            connection.rollback()
            taken_off(store, work.register.words, connection, made)
            raise StoreError(
                f"{check.title} could not be guarded: {store.dialect.describe(error)}; nothing is left of the guard"
            ) from None
    # on a new session: the one that installs may have references switched off
    with store.connect(write=True) as connection:
        database = SqlDatabase(store, connection)
        slipped = 0 if work.transition else broken_rows(database, check)
        connection.rollback()
        trial = tried(database, check, made) if not slipped else Trial(False, ())
        if slipped or trial.held is False:
            taken_off(store, work.register.words, connection, made)
            why = remaining(check, slipped) if slipped else f"the guard does not hold: {'; '.join(trial.said)}"
            raise Refused(f"{why}; it was taken off again")
        work.register.enter(connection, made, {"transition": work.transition, "window": work.window})
    return trial


def remaining(check: Check, broken: int) -> str:
    """Why a guard has to wait, and what to do first."""
    rows = f"{broken:,} rows break" if broken != 1 else "1 row breaks"
    return (
        f"{rows} {check.title}; mend them first ('trueup plan --check {check.title}'), or add --transition, "
        "which lets them be and refuses new ones"
    )
