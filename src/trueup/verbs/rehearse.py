"""Applies and undoes a plan on a restored backup, before it is applied to the application's own database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from trueup.backup.backup import Record, read_record, restored
from trueup.backup.checksums import TableSum, differences, shape, sums
from trueup.changes import Plan
from trueup.config.config import Config
from trueup.errors import PlanError, Refused
from trueup.journal.identity import database_digest
from trueup.journal.journal import Journal
from trueup.plan.drift import schema_digest
from trueup.plan.file import PlanFile
from trueup.plan.gate import Declared, attest, attestations, unchanged_file
from trueup.plan.signing import vouched
from trueup.results import Progress, RunReport, Silent
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.verbs._opened import opened
from trueup.write.execution import apply_plan, undo_run, undoing
from trueup.write.verify import compare


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The result of a rehearsal. `problems` is empty when it finished and undo restored every byte."""

    plan: str
    backup: str
    applied: RunReport
    intact: int
    undone: RunReport
    tables: int
    problems: tuple[str, ...]


def rehearse(
    config: Config, path: str, *, backup: str = "", scratch: str = "", progress: Progress | None = None
) -> Rehearsal:
    """Restore a verified backup, apply the plan there, verify, undo, and compare. By default it is the newest backup.

    Nothing is written to the application's own database.
    """
    progress = progress or Silent()
    with PlanFile(path) as plan, opened(config, plan.plan.store) as store:
        vouched(config, plan, write=True)
        record = read_record(backup or _newest(config, plan.plan))
        if not record.verified or not unchanged_file(record.file, record.sha256):
            raise Refused(f"the backup {record.file!r} is not verified; 'trueup backup --verify {record.file}' does it")
        if database_digest(record.identity) != database_digest(plan.plan.identity):
            raise PlanError("the plan is for another database than the backup is of")
        progress.task("restoring into a scratch database", None)
        with restored(store, record, scratch) as copy:
            _same_shapes(store, copy, plan.plan)
            found = _played(copy, plan, path, record, progress)
        if not found.problems:
            attest(
                config,
                "rehearsal",
                database_digest(plan.plan.identity),
                checks=tuple(sorted({group.check for group in plan.plan.groups})),
                file=record.file,
                sha256=record.sha256,
                count=plan.summary.count,
                plan=plan.summary.digest,
            )
    return found


def _same_shapes(store: SqlStore, copy: SqlStore, plan: Plan) -> None:
    """Raise `PlanError` unless the plan, the live tables and the restored ones have the same shapes.

    Facts that no copy has are not compared.
    """
    with store.connect() as connection, copy.connect() as copied:
        live, restored_ones = SqlDatabase(store, connection), SqlDatabase(copy, copied)
        for name, digest in plan.schema.items():
            if schema_digest(live.table(name)) != digest:
                raise PlanError(f"table {name} has another shape now than in the plan; plan again")
            if shape(restored_ones.table(name)) != shape(live.table(name)):
                raise PlanError(f"table {name} has another shape in the backup than in the plan; back up again")


def _newest(config: Config, plan: Plan) -> str:
    mine = [
        one for one in attestations(config) if one.kind == "backup" and one.database == database_digest(plan.identity)
    ]
    if not mine:
        raise Refused("there is no backup of this database to rehearse on; 'trueup backup' makes one")
    return mine[-1].file


def _played(copy: SqlStore, plan: PlanFile, path: str, record: Record, progress: Progress) -> Rehearsal:
    copy.name = plan.plan.store
    before = _state(copy, progress)
    applied = apply_plan(copy, plan, path, Declared("rehearsal"), progress, copy=True)
    journal = Journal(copy)
    with copy.connect() as connection:
        row = dict(journal.find(connection, applied.run_id))
        bound = undoing(journal, SqlDatabase(copy, connection), row)
        seen = compare(journal, connection, applied.run_id, bound, progress)
    undone = undo_run(copy, row, applied.undoable, progress)
    problems = list(seen.problems)
    if applied.state != "applied":
        problems.append(f"it stopped: {applied.reason}")
    left = {name: count for name, count in applied.states.items() if name != "applied"}
    if undone.states.get("undo_conflict"):
        problems.append(f"{undone.states['undo_conflict']} rows could not be taken back")
    after = _state(copy, progress)
    problems += differences(before, before, after)
    if left and not applied.states.get("applied"):
        problems.append("no row of the backup looks as planned; back up again after planning")
    return Rehearsal(
        plan=path,
        backup=record.file,
        applied=applied,
        intact=seen.intact,
        undone=undone,
        tables=len(after),
        problems=tuple(problems),
    )


def _state(copy: SqlStore, progress: Progress) -> dict[str, TableSum]:
    with copy.connect() as connection:
        database = SqlDatabase(copy, connection)
        names = database.names()
        progress.task("summing up every column", len(names))
        connection.execute(select(1))
        return sums(database, names, progress)
