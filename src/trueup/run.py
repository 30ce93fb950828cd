"""The verbs. Everything else that a person starts (command line, web, Django) calls these."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from trueup import discovery
from trueup.check import Check
from trueup.config.config import Config
from trueup.config.options import nearest
from trueup.config.strategy import confirmed
from trueup.errors import Refused, StoreError, UsageError
from trueup.findings import Finding
from trueup.guard.register import missing_guards, refuse_under_guard
from trueup.journal.journal import Journal
from trueup.plan.file import PlanFile
from trueup.plan.gate import Given, gate
from trueup.plan.planner import Planner
from trueup.plan.signing import vouched
from trueup.results import (
    CheckResult,
    Preview,
    Progress,
    RunReport,
    Scan,
    Silent,
    Statement,
    Verification,
)
from trueup.scan.console import console
from trueup.scan.scanner import Scanner
from trueup.sql.dialect import Dialect
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.write.execution import (
    begun,
    carry_out,
    header_of,
    may_take_back,
    obstacle,
    permitted,
    preflight,
    reading_targets,
    report,
    since,
    take_back,
    undoing,
)
from trueup.write.rights import of_verdict, refuse_without, to_look
from trueup.write.undo_preview import previewed
from trueup.write.verify import compare, dry_run

SAMPLES = 5


@contextmanager
def opened(config: Config, name: str = "") -> Iterator[SqlStore]:
    """A store of the configuration: the named one, or the only one."""
    if not name:
        if len(config.stores) != 1:
            raise UsageError(f"there are {len(config.stores)} stores ({', '.join(config.stores)}); name one")
        name = next(iter(config.stores))
    if name not in config.stores:
        raise UsageError(f"there is no store {name!r}; there is {', '.join(config.stores)}")
    store = SqlStore(name, str(config.stores[name]))
    try:
        yield store
    finally:
        store.close()


def chosen(config: Config, only: Sequence[str]) -> list[Check]:
    """The checks named, or all. Raises `UsageError` for a name that is not there."""
    known = {check.title: check for check in config.checks}
    for name in only:
        if name not in known:
            raise UsageError(f"there is no check {name!r}{nearest(name, known)}")
    return [check for title, check in known.items() if not only or title in only]


def by_store(config: Config, checks: Sequence[Check]) -> dict[str, list[Check]]:
    """Checks by the store they belong to."""
    found: dict[str, list[Check]] = {}
    for check in checks:
        found.setdefault(check.store or next(iter(config.stores)), []).append(check)
    return found


# -- reading ------------------------------------------------------------------------------------------------------
def scan(
    config: Config,
    *,
    only: Sequence[str] = (),
    samples: int = 100,
    values: bool = False,
    sink: Callable[[Finding], None] | None = None,
    progress: Progress | None = None,
) -> Scan:
    """Run checks and return what they saw; `sink` is handed every finding as it comes."""
    began = time.perf_counter()
    progress = progress or Silent()
    checks = chosen(config, only)
    versions: dict[str, str] = {}
    results: dict[str, CheckResult] = {}
    notices: list[str] = []
    for name, mine in by_store(config, checks).items():
        with opened(config, name) as store, store.connect() as connection:
            versions[name] = store.dialect.version(connection)
            notices += missing_guards(store, connection)
            connection.rollback()
            scanner = Scanner(store, config.strategy, samples=samples, values=values, sink=sink, progress=progress)
            results |= {result.title: result for result in scanner.run(mine, connection)}
    ordered = tuple(results[check.title] for check in checks)
    return Scan(config.environment, versions, ordered, time.perf_counter() - began, config.derived, tuple(notices))


def propose(config: Config) -> list[Check]:
    """Checks that the catalogue and the data of every store suggest."""
    found: list[Check] = []
    for name in config.stores:
        with opened(config, name) as store, store.connect() as connection:
            database = SqlDatabase(store, connection)
            for kind in discovery.names("checks"):
                found += [
                    replace(check, store=name if len(config.stores) > 1 else check.store)
                    for check in discovery.load("checks", kind, Check).propose(database)
                ]
    return found


def statements(config: Config, *, only: Sequence[str] = (), dialect: str = "") -> list[Statement]:
    """The SQL behind the checks, for a console; `dialect` words it for another engine than the store's."""
    found: list[Statement] = []
    for name, mine in by_store(config, chosen(config, only)).items():
        with opened(config, name) as store, store.connect() as connection:
            database = SqlDatabase(store, connection)
            if dialect:
                database.speak(discovery.load("engines", dialect, Dialect, "dialect")())
            for check in mine:
                found += console(database, check)
    return found


def make_plan(
    config: Config,
    path: str,
    *,
    only: Sequence[str] = (),
    repairs: Mapping[str, str] | None = None,
    because: str = "",
    accept_rate: Sequence[str] = (),
    values: bool = False,
    progress: Progress | None = None,
) -> Preview:
    """Write the plan that mends what the checks find, and return it as read back."""
    checks = chosen(config, only)
    for title, repair in (repairs or {}).items():
        if title not in {check.title for check in checks}:
            titles = [check.title for check in checks]
            raise UsageError(f"there is no check {title!r} to repair with {repair!r}{nearest(title, titles)}")
    checks = [
        replace(check, repair=(repairs[check.title],)) if repairs and check.title in repairs else check
        for check in checks
    ]
    stores = by_store(config, checks)
    if len(stores) != 1:
        raise UsageError(f"a plan is for one store; choose checks of one of {', '.join(stores) or 'none'} with --check")
    ((name, mine),) = stores.items()
    with opened(config, name) as store:
        planner = Planner(
            config, store, because=because, accept_rate=accept_rate, values=values, progress=progress or Silent()
        )
        planner.run(mine, path)
    return read_plan(path)


def read_plan(path: str) -> Preview:
    """Read a plan back, its whole chain checked, with the first changes of each group."""
    with PlanFile(path) as plan:
        samples: dict[int, list[tuple[str, str, str]]] = {}
        wanted = {i for i, count in enumerate(plan.summary.by_group) if count}
        for op in plan.ops():
            room = samples.setdefault(op.group, [])
            if len(room) < SAMPLES:
                room.append((", ".join(op.key), *op.previews))
            if len(room) == SAMPLES:
                wanted.discard(op.group)
            if not wanted:
                break
        return Preview(path, plan.plan, plan.summary, {group: tuple(lines) for group, lines in samples.items()})


# -- writing ------------------------------------------------------------------------------------------------------
def apply(
    config: Config,
    path: str,
    *,
    confirm: str = "",
    because: str = "",
    root_cause: str = "",
    approved_by: str = "",
    progress: Progress | None = None,
) -> RunReport:
    """Carry a plan out, or resume it. Without `confirm` nothing is written: each row is only looked at.

    `confirm` is `yes`, or `ENVIRONMENT:COUNT:DIGEST` (the first 8 digits), which production demands. Strategies C and
    D ask for more (see `trueup.evidence`); a run that was begun has given it already.
    """
    progress = progress or Silent()
    with PlanFile(path) as plan, opened(config, plan.plan.store) as store:
        header, summary = plan.plan, plan.summary
        write = confirmed(header.environment, confirm, summary.count, summary.digest)
        vouched(config, plan, write=write)
        given = Given(because or header.because, root_cause, approved_by)
        if write and not begun(store, summary.digest):
            gate(config, header, summary, given)
        preflight(store, config, header)
        if not write:
            seen = dry_run(store, plan, lambda database: reading_targets(database, header), progress)
            journal = Journal(store)
            return replace(seen, reason=obstacle(store, "apply", lambda here: permitted(journal, here, header)))
        return carry_out(store, plan, path, given, progress)


def undo(
    config: Config,
    run_id: str,
    *,
    confirm: str = "",
    edited: bool = False,
    same_table: Sequence[str] = (),
    store_name: str = "",
    progress: Progress | None = None,
) -> RunReport:
    """Take a run back, newest change first; without `confirm` say what that would do.

    With `edited` a person vouches that no key was given to another row since the run: rows whose other columns changed
    are then given back too. `same_table` names tables that were rebuilt since, and are still the same.
    """
    progress = progress or Silent()
    with opened(config, store_name) as store:
        journal = Journal(store)
        with store.connect() as connection:
            row = journal.find(connection, run_id)
            planned = report(journal, connection, row["run_id"])
            # a run of staging on what is called production by now is confirmed as production is
            environment = config.environment if config.environment == "production" else row["environment"]
            write = confirmed(environment, confirm, planned.undoable, row["plan_digest"])
            if write and row["state"] == "undone" and not planned.states.get("undo_conflict"):
                return planned
            store.name_by(connection, header_of(row)["naming"])
            bound = undoing(journal, SqlDatabase(store, connection), row, edited=edited, same=same_table)
            changes = since(row, bound)

            def may_write(here: SqlDatabase) -> None:
                if why := store.dialect.writable(here.connection):
                    raise StoreError(f"{store} cannot be written: {why}")
                refuse_under_guard(store, here.connection, [target.group.check for target in bound.values()])

            def look(here: SqlDatabase) -> None:
                may_write(here)
                may_take_back(journal, here, bound.values())

            if not write:
                seen = previewed(journal, connection, row, bound, progress)
                return replace(planned, dry_run=True, since=changes, reason=obstacle(store, "undo", look), **seen)
            may_write(SqlDatabase(store, connection))
        undone = take_back(store, row, planned.undoable, progress, edited=edited, same=same_table)
        return replace(undone, since=changes)


def verify(config: Config, run_id: str, *, store_name: str = "", progress: Progress | None = None) -> Verification:
    """Look at everything a run did, on a new session: its journal, each row it wrote, and its checks."""
    progress = progress or Silent()
    with opened(config, store_name) as store:
        journal = Journal(store)
        with store.connect() as connection:
            row = journal.find(connection, run_id)
            store.name_by(connection, header_of(row)["naming"])
            database = SqlDatabase(store, connection)
            bound = undoing(journal, database, row)
            with store.connect(write=True) as other:
                # what it sees is entered in the run, so that what it may not see must not pass for damage
                parts = [(one.group, one.row, one.check, one.repair) for one in bound.values()]
                refuse_without(store, other, [*to_look(database, parts), *of_verdict(journal)])
            progress.task("verifying", sum(journal.counts(connection, row["run_id"]).values()))
            seen = compare(journal, connection, row["run_id"], bound, progress)
        checks = {target.check.title: target.check for target in bound.values()}
        scanner = Scanner(store, config.strategy, samples=0, values=False, sink=None, progress=progress)
        results = scanner.run([replace(check, repair=()) for check in checks.values()])
        remaining = {result.title: result.findings for result in results if result.status != "not checked"}
        untold = [f"check {one.title} did not run: {one.reason}" for one in results if one.status == "not checked"]
        found = replace(seen, remaining=remaining, untold=tuple(untold))
        with store.connect(write=True) as connection:
            word = "; ".join(found.problems or ["sound", *untold])
            journal.mark(
                connection,
                row["run_id"],
                verified=word,
                **({} if found.sound or row["state"] not in ("applied", "stopped") else {"state": "failed"}),
            )
        return found


# -- looking at runs ----------------------------------------------------------------------------------------------
def runs(config: Config, *, store_name: str = "") -> list[RunReport]:
    """Every run of a store, the newest first."""
    with opened(config, store_name) as store, store.connect() as connection:
        journal = Journal(store)
        if not journal.exists(connection):
            return []
        return [report(journal, connection, row["run_id"]) for row in journal.all_runs(connection)]


def status(config: Config, run_id: str, *, store_name: str = "") -> RunReport:
    """One run."""
    with opened(config, store_name) as store, store.connect() as connection:
        return report(Journal(store), connection, run_id)


def pause(config: Config, run_id: str, *, store_name: str = "", paused: bool = True) -> RunReport:
    """Let a run rest after its current chunk."""
    with opened(config, store_name) as store:
        journal = Journal(store)
        with store.connect(write=True) as connection:
            row = journal.find(connection, run_id)
            if row["state"] not in ("applying", "undoing"):
                word = "paused" if paused else "resumed"
                raise Refused(f"run {row['run_id']} is {row['state']}; only a run that is going on can be {word}")
            journal.mark(connection, row["run_id"], paused=int(paused))
            return report(journal, connection, row["run_id"])


def resume(config: Config, run_id: str, *, store_name: str = "") -> RunReport:
    """Let a paused run go on."""
    return pause(config, run_id, store_name=store_name, paused=False)


def recover(
    config: Config, *, confirm: str = "", store_name: str = "", progress: Progress | None = None
) -> list[RunReport]:
    """Settle what a crash left open: every chunk is whole or absent, so a run is simply carried on.

    Without `confirm` the open runs are returned as they are. An apply needs its plan file where it was.
    """
    with opened(config, store_name) as store, store.connect() as connection:
        journal = Journal(store)
        rows = journal.all_runs(connection) if journal.exists(connection) else []
        unfinished = [row for row in rows if row["state"] in ("applying", "undoing")]
        if not confirm:
            return [report(journal, connection, row["run_id"]) for row in unfinished]
    settled = []
    for row in unfinished:
        if row["state"] == "undoing":
            settled.append(undo(config, row["run_id"], confirm=confirm, store_name=store_name, progress=progress))
        else:
            settled.append(apply(config, row["plan_path"], confirm=confirm, progress=progress))
    return settled
