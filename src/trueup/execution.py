"""A plan bound to live tables, and a run from its entry in the journal to its settled end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from trueup.changes import Group, Plan, PlanSummary
from trueup.check import Check, Repair, Row
from trueup.config import Config, build_check
from trueup.errors import PlanError, Refused, Stopped, StoreError
from trueup.evidence import Given
from trueup.journal import LEFT_ALONE, Journal
from trueup.journal_tables import schema_digest
from trueup.pace import TRIES, backoff
from trueup.planfile import PlanFile
from trueup.planning import identity
from trueup.remarks import recall
from trueup.results import OpRecord, Progress, RunReport
from trueup.runner import Runner
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.target import Target

LISTED = 1000


# -- binding ------------------------------------------------------------------------------------------------------
def targets(
    journal: Journal,
    database: SqlDatabase,
    groups: Sequence[Group],
    checks: Mapping[str, Mapping[str, Any]],
    *,
    make: bool,
) -> dict[int, Target]:
    """The groups of a plan on the live tables, with their image tables."""
    bound = {}
    for number, group in enumerate(groups):
        row, check, repair = _parts(database, group, checks)
        if make:
            image = journal.images(database.connection, row.table, group)
        else:
            found = journal.known_images(database.connection, row.table, group)
            if found is None:
                raise Refused(f"{group.table} changed its columns since the run; its images no longer fit")
            image = found
        bound[number] = Target(number, group, row.table, row, check, repair, image)
    return bound


def reading_targets(database: SqlDatabase, header: Plan) -> dict[int, tuple[Row, Check, Repair]]:
    """Group number to (row, check, repair), for a dry run."""
    return {number: _parts(database, group, header.checks) for number, group in enumerate(header.groups)}


def _parts(database: SqlDatabase, group: Group, checks: Mapping[str, Mapping[str, Any]]) -> tuple[Row, Check, Repair]:
    options = dict(checks[group.check])
    check = build_check(str(options.pop("kind")), options)
    repair = next(repair for repair in check.repairs() if repair.name == group.repair)
    return database.row(group.table), check, repair


def preflight(store: SqlStore, config: Config, plan: Plan) -> None:
    """Refuse a plan for another database, another environment, another shape, or past its time."""
    if plan.environment != config.environment:
        raise PlanError(f"the plan is for environment {plan.environment!r}, this one is {config.environment!r}")
    with store.connect() as connection:
        database = SqlDatabase(store, connection)
        here = identity(store, database)
        for name, value in plan.identity.items():
            if here.get(name) != value:
                raise PlanError(f"the plan is for another database ({name} differs); make one for {store}")
        now = int(database.ask(select(store.dialect.now()))[0][0])
        if not plan.created - 60 <= now <= plan.expires:
            raise PlanError("the plan is older than a day by the database's clock; make it again")
        for name, known in plan.schema.items():
            if schema_digest(database.table(name)) != known:
                raise PlanError(f"table {name} changed its shape since the plan was made; make the plan again")
        if why := store.dialect.writable(connection):
            raise StoreError(f"{store} cannot be written: {why}")


# -- carrying out -------------------------------------------------------------------------------------------------
def begun(store: SqlStore, plan_digest: str) -> bool:
    """Whether a plan has been applied here before, wholly or in part."""
    journal = Journal(store)
    with store.connect() as connection:
        if not journal.exists(connection):
            return False
        return any(row["plan_digest"] == plan_digest for row in journal.all_runs(connection))


def carry_out(store: SqlStore, plan: PlanFile, path: str, given: Given, progress: Progress) -> RunReport:
    """Apply a plan that has passed every look."""
    header, summary = plan.plan, plan.summary
    journal = Journal(store)
    with store.connect(write=True) as connection:
        journal.prepare(connection)
        run_id = journal.start(
            connection,
            {
                "plan_digest": summary.digest,
                "plan_path": str(Path(path).absolute()),
                "planned": summary.count,
                "environment": header.environment,
                "because": given.because,
                "header": header_text(header, given, summary),
            },
        )
        if journal.find(connection, run_id)["state"] == "applied":
            raise Refused(f"this plan was applied already, as run {run_id}; a plan is used once")
    progress.task("applying", summary.count)
    runner = Runner(
        store,
        run_id,
        lambda database: targets(journal, database, header.groups, header.checks, make=True),
        progress,
        f"{path}.pause",
    )
    return finish(runner, lambda: runner.apply(plan), "applied")


def take_back(store: SqlStore, row: Mapping[str, Any], undoable: int, progress: Progress) -> RunReport:
    """Undo a run (its row of the journal) that has passed every look."""
    journal = Journal(store)
    header = header_of(row)
    groups = parse_groups(header)
    progress.task("undoing", undoable)
    runner = Runner(
        store,
        row["run_id"],
        lambda database: targets(journal, database, groups, header["checks"], make=False),
        progress,
    )
    return finish(runner, runner.undo, "undone")


def finish(runner: Runner, work: Callable[[], str], good: str) -> RunReport:
    """Run the work of a run to its end and leave its state true, whatever happened."""
    began = time.perf_counter()
    try:
        try:
            stop = work()
        except Stopped as error:
            stop = str(error)
        except KeyboardInterrupt:
            stop = "interrupted; what was done is journaled"
        unfinished = "stopped" if good == "applied" else "undoing"
        settle(runner, unfinished if stop else good, stop)
    except DBAPIError as error:
        raise StoreError(
            f"{runner.store}: {runner.store.dialect.describe(error)}; what was written is journaled, "
            f"'trueup status {runner.run_id}' shows how far it came"
        ) from None
    finally:
        runner.close()
    with runner.store.connect() as connection:
        return replace(report(runner.journal, connection, runner.run_id), seconds=time.perf_counter() - began)


def settle(runner: Runner, state: str, reason: str) -> None:
    """Enter how the run ended, on a new session where the old one is lost: the fence says whose the run is."""
    for attempt in range(1, TRIES + 1):
        try:
            runner.renew()
            return runner.journal.settle(runner.connection, runner.run_id, runner.fence, state, reason)
        except DBAPIError as error:
            # after Ctrl-C the server may still be at a statement, and hold the run
            if attempt == TRIES or not (runner.lost(error) or runner.store.dialect.retryable(error)):
                raise
            if not runner.connection.invalidated:
                runner.connection.rollback()
            time.sleep(backoff(attempt))
    return None


# -- what the journal keeps of a plan ------------------------------------------------------------------------------
def report(journal: Journal, connection: Any, run_id: str) -> RunReport:
    """One run as its journal shows it."""
    row = journal.find(connection, run_id)
    counts = journal.counts(connection, row["run_id"])
    groups = parse_groups(header_of(row))
    listed = tuple(
        OpRecord(op.seq, groups[op.grp].table, op.pk or "", op.state, op.reason or "")
        for op in journal.listed(connection, row["run_id"], LEFT_ALONE, LISTED)
    )
    return RunReport(
        row["run_id"],
        journal.store.name,
        row["state"],
        row["environment"],
        row["plan_digest"],
        row["planned"],
        counts,
        groups,
        listed,
        row["because"] or "",
        row["reason"] or "",
        row["started"],
        row["ended"],
        row["verified"] or "",
        counts.get("applied", 0),
        paused=bool(row["paused"]),
        tool=row["tool"],
        told={**header_of(row).get("told", {}), **recall(journal.store, connection, row["run_id"])},
    )


def header_text(header: Plan, given: Given, summary: PlanSummary) -> str:
    """What undo, verify and notices need of a plan, kept in the run."""
    groups = [
        {
            "check": g.check,
            "repair": g.repair,
            "store": g.store,
            "table": g.table,
            "action": g.action,
            "columns": list(g.columns),
            "effect": g.effect,
        }
        for g in header.groups
    ]
    told = {"root_cause": given.root_cause, "approved_by": given.approved_by, "letter": summary.letter}
    document = {"groups": groups, "checks": header.checks, "schema": dict(header.schema), "told": told}
    return json.dumps({**document, "by_group": list(summary.by_group)}, sort_keys=True)


def header_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """What `header_text` kept of a plan. Raises `StoreError`."""
    try:
        found: Mapping[str, Any] = json.loads(row["header"])
    except ValueError:
        raise StoreError(f"run {row['run_id']}: its header in the journal is not as it was written") from None
    return found


def parse_groups(header: Mapping[str, Any]) -> tuple[Group, ...]:
    """The groups of a run's header."""
    return tuple(Group(**{**group, "columns": tuple(group["columns"])}) for group in header["groups"])
