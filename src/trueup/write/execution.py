"""Matches a plan or a run with its live tables, and carries a run from its entry in the journal to its final state."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from trueup.changes import Group, Plan, PlanSummary
from trueup.config.config import Config, build_check
from trueup.errors import PlanError, Refused, Stopped, StoreError
from trueup.journal.identity import identity_of
from trueup.journal.journal import LEFT_ALONE, Journal
from trueup.journal.remarks import recall, table_of
from trueup.plan.drift import (
    STANDING,
    as_recorded,
    forbids,
    harmless,
    identity_digest,
    recognised,
    recorded,
    recorded_names,
    refuses_undo,
    schema_digest,
)
from trueup.plan.file import PlanFile
from trueup.plan.gate import Declared
from trueup.repairs import unheld
from trueup.results import OpRecord, Progress, RunReport
from trueup.sql.tables import Table
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.write import rights
from trueup.write.runner import Runner
from trueup.write.target import Bound, Target

LISTED = 1000


def applying(journal: Journal, database: SqlDatabase, plan: Plan, *, copy: bool = False) -> dict[int, Target]:
    """Match each group of the plan with its live table and return one Target per group number.

    Missing image tables are created. Raises `Stopped` where a table is not as it was planned. With `copy` the database
    is a copy of the one that was planned on.
    """
    bound = {}
    for number, group in enumerate(plan.groups):
        one = _bound(database, group, plan.checks)
        why = forbids(one.table, group.action, group.columns) or unheld(one.check, one.row, one.repair.name)
        if why := why or changed(_planned(database, plan, one.table), plan, copy=copy):
            raise Stopped(why)
        bound[number] = Target(number=number, image=journal.images(database.connection, one.table, group), **vars(one))
    return bound


def undoing(
    journal: Journal,
    database: SqlDatabase,
    run: Mapping[str, Any],
    *,
    edited: bool = False,
    same: Sequence[str] = (),
) -> dict[int, Target]:
    """Match each group of the run with its live table and return one Target per group number.

    The table has the key and the columns that the run recorded. Undo uses the targets, and so does a read-only look at
    what the run did. Raises `Refused` where a table was replaced since or must not be written.
    """
    header = header_of(run)
    bound = {}
    for number, group in enumerate(parse_groups(header)):
        one = _bound(database, group, header["checks"])
        kept = header["tables"][group.table]
        table = as_recorded(kept, one.table)
        whole = all(name in table.columns for name in recorded_names(kept))
        # report missing parts of the journal first: a table may be recognised by them
        imaged = all(name in table.columns for name in (*table.key, *group.columns))
        image = journal.known_images(database.connection, table, group) if imaged else None
        live = _recognised(database, one.table, kept.get(STANDING))
        if why := refuses_undo(kept, live, group.action, group.columns, same=one.table.name in same):
            raise Refused(f"run {run['run_id']} cannot be matched with {group.table} any more: {why}")
        if image is None:
            raise Refused(f"the journal has no images for {group.table}")
        found = vars(one) | {"table": table}
        bound[number] = Target(number=number, image=image, whole=whole, edited=edited, **found)
    return bound


def since(run: Mapping[str, Any], bound: Mapping[int, Target]) -> tuple[str, ...]:
    """Return one sentence for each table of the run, with what else changed about the table since."""
    kept = header_of(run)["tables"]
    live = {target.group.table: target.row.table for target in bound.values()}
    changes = {name: harmless(kept[name], table) for name, table in live.items()}
    return tuple(f"{name}: {'; '.join(words)}" for name, words in changes.items() if words)


def _recognised(database: SqlDatabase, table: Table, standing: Mapping[str, Any] | None) -> Table:
    """Return the table with its recorded identity if it is still the same table as when `standing` was taken."""
    if not standing:
        return table
    return recognised(table, standing, still=database.store.dialect.still(database.connection, table, standing))


def _planned(database: SqlDatabase, plan: Plan, table: Table) -> Table:
    return _recognised(database, table, plan.standing.get(table.name))


def reading_targets(database: SqlDatabase, header: Plan) -> dict[int, Bound]:
    """Match each group of the plan with its live table, for a dry run. Returns one Bound per group number."""
    return {number: _bound(database, group, header.checks) for number, group in enumerate(header.groups)}


def _bound(database: SqlDatabase, group: Group, checks: Mapping[str, Mapping[str, Any]]) -> Bound:
    options = dict(checks[group.check])
    check = build_check(str(options.pop("kind")), options)
    repair = next(repair for repair in check.repairs() if repair.name == group.repair)
    row = database.row(group.table)
    return Bound(group=group, table=row.table, row=row, check=check, repair=repair)


def preflight(store: SqlStore, config: Config, plan: Plan) -> None:
    """Raise where the plan must not be applied here:

    `PlanError` for another database, environment or table, or an expired plan; `StoreError` where the database cannot
    be written.
    """
    if plan.environment != config.environment:
        raise PlanError(f"the plan is for environment {plan.environment!r}, this one is {config.environment!r}")
    with store.connect() as connection:
        database = SqlDatabase(store, connection)
        here = identity_of(store, database)
        for name, value in plan.identity.items():
            if here.get(name) != value:
                raise PlanError(f"the plan is for another database ({name} differs); make one for {store}")
        now = int(database.ask(select(store.dialect.now()))[0][0])
        if not plan.created - 60 <= now <= plan.expires:
            raise PlanError("the plan is older than a day by the database's clock; make it again")
        store.name_by(connection, plan.naming)
        for group in plan.groups:
            table = _planned(database, plan, database.table(group.table))
            # facts that the account may not see look as if they had changed
            if why := forbids(table, group.action, group.columns) or changed(table, plan):
                raise PlanError(why)
        if why := store.dialect.writable(connection):
            raise StoreError(f"{store} cannot be written: {why}")


def changed(table: Table, plan: Plan, *, copy: bool = False) -> str:
    """Return why the table is not the one that the plan was made for, or ''.

    For a `copy` only the shape is compared.
    """
    # another account may see less than the one that made the plan
    unless = f", unless it only looks so to this account: {'; '.join(table.unseen)}" if table.unseen else ""
    if schema_digest(table) != plan.schema.get(table.name):
        return f"table {table.name} changed its shape since the plan was made; make the plan again{unless}"
    if not copy and identity_digest(table) != plan.tables.get(table.name):
        return f"table {table.name} is another one than when the plan was made; make the plan again{unless}"
    return ""


def was_started(store: SqlStore, plan_digest: str) -> bool:
    """Whether this database has a run of the plan, whether complete or not."""
    journal = Journal(store)
    with store.connect() as connection:
        if not journal.exists(connection):
            return False
        return any(row["plan_digest"] == plan_digest for row in journal.all_runs(connection))


def apply_plan(
    store: SqlStore, plan: PlanFile, path: str, given: Declared, progress: Progress, *, copy: bool = False
) -> RunReport:
    """Apply a plan that has passed every check before it, to its own database or to a `copy` of that database."""
    header, summary = plan.plan, plan.summary
    journal = Journal(store)
    with store.connect(write=True) as connection:
        database = SqlDatabase(store, connection)

        def looked() -> dict[str, Any]:
            store.name_by(connection, header.naming)
            tables = {group.table: database.table(group.table) for group in header.groups}
            return {name: recorded(one, store.dialect.standing(connection, one)) for name, one in tables.items()}

        journal.patiently(connection, looked)
        ready(journal, database, header)
        # only now: the standing of a table may be anchored to a table of the journal that is newer
        tables = journal.patiently(connection, looked)
        run_id = journal.start(
            connection,
            {
                "plan_digest": summary.digest,
                "plan_path": str(Path(path).absolute()),
                "planned": summary.count,
                "environment": header.environment,
                "because": given.because,
                "header": header_text(header, given, summary, tables),
            },
        )
        if journal.find(connection, run_id)["state"] == "applied":
            raise Refused(f"this plan was applied already, as run {run_id}; a plan is used once")
    progress.task("applying", summary.count)

    def bind(database: SqlDatabase) -> Mapping[int, Target]:
        return applying(journal, database, header, copy=copy)

    runner = Runner(store, run_id, bind, progress, f"{path}.pause")
    return finish(runner, lambda: runner.apply(plan), "applied")


def ready(journal: Journal, database: SqlDatabase, plan: Plan) -> None:
    """Raise unless the account has every right that the run needs, then create the missing tables of the journal."""
    store, connection = database.store, database.connection
    permitted(journal, database, plan)
    journal.prepare(connection)
    images = [journal.images(connection, database.table(group.table), group) for group in plan.groups]
    rights.refuse_without(store, connection, rights.of_images(images, begins=True))
    connection.rollback()


def permitted(journal: Journal, database: SqlDatabase, plan: Plan) -> None:
    """Raise `StoreError` or `Refused` where the account lacks a right, or where the journal must not be written."""
    store, connection = database.store, database.connection
    bound = list(reading_targets(database, plan).values())
    rights.refuse_without(store, connection, [*rights.of_tables(database, bound), *rights.of_journal(journal)])
    # only now: without privileges a table may look as if it were gone
    needs = [] if journal.writable(connection) else rights.to_make(journal)
    rights.refuse_without(store, connection, [*needs, *rights.of_remark(table_of(store))])
    connection.rollback()


def require_undo_rights(journal: Journal, database: SqlDatabase, bound: Collection[Target]) -> None:
    """Raise `StoreError` or `Refused` where the account lacks a right that an undo needs."""
    needs = rights.of_tables(database, bound, back=True)
    needs += [*rights.of_journal(journal), *rights.of_images([one.image for one in bound], begins=False)]
    rights.refuse_without(database.store, database.connection, needs)
    journal.writable(database.connection)


def obstacle(store: SqlStore, verb: str, look: Callable[[SqlDatabase], None]) -> str:
    """Return why `verb` would be refused now, or ''. A dry run reports it."""
    try:
        with store.connect(write=True) as connection:
            look(SqlDatabase(store, connection))
    except (StoreError, Refused) as error:
        return f"{verb} would be refused: {error}"
    return ""


def undo_run(
    store: SqlStore,
    row: Mapping[str, Any],
    undoable: int,
    progress: Progress,
    *,
    edited: bool = False,
    same: Sequence[str] = (),
) -> RunReport:
    """Undo the run of this journal row, which has passed every check before it."""
    journal = Journal(store)
    progress.task("undoing", undoable)

    def bind(database: SqlDatabase) -> Mapping[int, Target]:
        return undoing(journal, database, row, edited=edited, same=same)

    with store.connect(write=True) as connection:
        store.name_by(connection, header_of(row)["naming"])
        database = SqlDatabase(store, connection)
        require_undo_rights(journal, database, bind(database).values())
    runner = Runner(store, row["run_id"], bind, progress)
    return finish(runner, runner.undo, "undone")


def finish(runner: Runner, work: Callable[[], str], good: str) -> RunReport:
    """Call `work`, which applies or undoes the run, and set the run's final state whether or not `work` raises."""
    began = time.perf_counter()
    try:
        try:
            stop = work()
        except Stopped as error:
            stop = str(error)
        except KeyboardInterrupt:
            stop = "interrupted; what was done is journaled"
        unfinished = "stopped" if good == "applied" else "undoing"
        runner.session.settle(unfinished if stop else good, stop)
    except DBAPIError as error:
        raise StoreError(
            f"{runner.store}: {runner.store.dialect.describe(error)}; what was written is journaled, "
            f"'trueup status {runner.run_id}' shows how far it came"
        ) from None
    finally:
        runner.close()
    with runner.store.connect() as connection:
        return replace(report(runner.journal, connection, runner.run_id), seconds=time.perf_counter() - began)


def report(journal: Journal, connection: Any, run_id: str) -> RunReport:
    """Build the report of one run from its journal."""
    row = journal.find(connection, run_id)
    counts = journal.counts(connection, row["run_id"])
    groups = parse_groups(header_of(row))
    listed = tuple(
        OpRecord(op.seq, groups[op.grp].table, op.pk or "", op.state, op.reason or "")
        for op in journal.listed(connection, row["run_id"], LEFT_ALONE, LISTED)
    )
    return RunReport(
        run_id=row["run_id"],
        store=journal.store.name,
        state=row["state"],
        environment=row["environment"],
        plan_digest=row["plan_digest"],
        planned=row["planned"],
        states=counts,
        groups=groups,
        listed=listed,
        because=row["because"] or "",
        reason=row["reason"] or "",
        started=row["started"],
        ended=row["ended"],
        verified=row["verified"] or "",
        undoable=counts.get("applied", 0),
        paused=bool(row["paused"]),
        tool=row["tool"],
        circumstances={**header_of(row).get("told", {}), **recall(journal.store, connection, row["run_id"])},
    )


def header_text(header: Plan, given: Declared, summary: PlanSummary, tables: Mapping[str, Any]) -> str:
    """Return a run's header as JSON: what undo, verify and notices need of the plan, and its tables' facts."""
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
    document: dict[str, Any] = {"groups": groups, "checks": header.checks, "tables": tables, "told": told}
    document |= {"by_group": list(summary.by_group), "naming": header.naming}
    return json.dumps(document, sort_keys=True)


def header_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parse the header that `header_text` wrote. Raises `StoreError`."""
    try:
        found: Mapping[str, Any] = json.loads(row["header"])
    except ValueError:
        raise StoreError(f"run {row['run_id']}: its header in the journal is not as it was written") from None
    return found


def parse_groups(header: Mapping[str, Any]) -> tuple[Group, ...]:
    """Return the groups that a run's header lists."""
    return tuple(Group(**{**group, "columns": tuple(group["columns"])}) for group in header["groups"])
