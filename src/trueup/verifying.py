"""Looks at the live rows against the journal, or against a plan, without writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, islice

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from trueup.check import Check, Repair, Row
from trueup.journal import Journal
from trueup.planfile import Op, PlanFile
from trueup.results import OpRecord, Progress, RunReport, Verification
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.writer import Target, tally

PAGE = 1000
LISTED = 1000
#: States of operations whose before-image must be in the journal.
IMAGED = ("applied", "undone", "undo_conflict")


def compare(
    journal: Journal, connection: Connection, run_id: str, bound: Mapping[int, Target], progress: Progress
) -> Verification:
    """Every operation of a run against its row: what still shows the run's work, and whether the journal is whole."""
    row = journal.find(connection, run_id)
    counts = journal.counts(connection, run_id)
    problems = [problem] if (problem := journal.broken_link(connection, row)) else []
    if row["state"] in ("applied", "undone") and sum(counts.values()) != row["planned"]:
        problems.append(f"{sum(counts.values())} of {row['planned']} operations are in the journal")
    rows = intact = 0
    for number, target in bound.items():
        applied, same = still_there(journal, connection, run_id, number, target)
        rows, intact = rows + applied, intact + same
        problems += image_problems(journal, connection, run_id, number, target)
        progress.advance(applied)
    connection.rollback()
    return Verification(run_id, row["state"], rows, intact, rows - intact, {}, tuple(problems))


def still_there(journal: Journal, connection: Connection, run_id: str, number: int, target: Target) -> tuple[int, int]:
    """Applied operations of a group, and how many of their rows are as the run left them."""
    op, image, live = journal.op.c, target.image.c, target.row
    of_group = and_(op.run_id == image.run_id, op.seq == image.seq, op.state == "applied", op.grp == number)
    source = target.image.join(journal.op, of_group).outerjoin(live.relation, target.same_key())
    key = live.relation.c[target.table.key[0]]
    same: ColumnElement[bool] = (
        key.is_(None)
        if target.group.action == "delete"
        else and_(key.is_not(None), live.digest(target.touched) == image.after_digest)
    )
    applied, intact = connection.execute(
        select(func.count(), tally(same)).select_from(source).where(image.run_id == run_id)
    ).one()
    return int(applied), int(intact)


def image_problems(journal: Journal, connection: Connection, run_id: str, number: int, target: Target) -> list[str]:
    """Before-images that are missing, or no longer the bytes that were copied."""
    op, image = journal.op.c, target.image.c
    needed = int(
        connection.execute(
            select(func.count()).where(op.run_id == run_id, op.grp == number, op.state.in_(IMAGED))
        ).scalar_one()
    )
    old = journal.store.dialect.digest(
        [(target.row.column(name), image[f"b{i}"]) for i, name in enumerate(target.touched)]
    )
    source = target.image.join(journal.op, and_(op.run_id == image.run_id, op.seq == image.seq))
    there, exact = connection.execute(
        select(func.count(), tally(old == image.before_digest))
        .select_from(source)
        .where(image.run_id == run_id, op.grp == number, op.state.in_(IMAGED))
    ).one()
    name = f"{target.group.check} ({target.group.repair})"
    if there != needed:
        return [f"{name}: {needed - there} before-images are missing from the journal"]
    if exact != there:
        return [f"{name}: {there - exact} before-images are not the bytes that were copied"]
    return []


Bound = Mapping[int, tuple[Row, Check, Repair]]


def dry_run(store: SqlStore, plan: PlanFile, bind: Callable[[SqlDatabase], Bound], progress: Progress) -> RunReport:
    """Look at every row of a plan as `apply` would, without locks and without writing."""
    states: Counter[str] = Counter()
    listed: list[OpRecord] = []
    progress.task("dry run", plan.summary.count)
    with store.connect() as connection:
        bound = bind(SqlDatabase(store, connection))
        for page in paged(plan.ops()):
            for group, ops in groupby(page, key=lambda op: op.group):
                look(connection, bound[group], list(ops), states, listed)
            connection.rollback()
            progress.advance(len(page))
    header = plan.plan
    return RunReport(
        "",
        store.name,
        "planned",
        header.environment,
        plan.summary.digest,
        plan.summary.count,
        dict(states),
        header.groups,
        tuple(listed),
        header.because,
        dry_run=True,
        tool=header.tool,
    )


def paged(ops: Iterator[Op]) -> Iterator[list[Op]]:
    """Operations in pages."""
    while page := list(islice(ops, PAGE)):
        yield page


def look(
    connection: Connection,
    bound: tuple[Row, Check, Repair],
    ops: Sequence[Op],
    states: Counter[str],
    listed: list[OpRecord],
) -> None:
    """Count what would happen to one page of one group."""
    row, check, repair = bound
    touched = [column.name for column in row.table.stored()] if repair.action == "delete" else list(repair.sets(row))
    stage = row.dialect.stage(connection, row.table, [(op.seq, op.before, op.after, op.key) for op in ops])
    same = and_(*(row.relation.c[name] == stage.relation.c[f"k{i}"] for i, name in enumerate(row.table.key)))
    found = connection.execute(
        select(stage.relation.c.seq, row.digest(touched), case((check.holds(row), 1), else_=0)).select_from(
            stage.relation.join(row.relation, same)
        ),
        dict(stage.parameters),
    ).all()
    facts = {int(seq): (now, held) for seq, now, held in found}
    for op in ops:
        state, reason = "applied", ""
        if op.seq not in facts:
            state, reason = "missing", "the row is gone"
        elif facts[op.seq][0] == op.after and repair.action == "update":
            state, reason = "already_good", ""
        elif facts[op.seq][0] != op.before:
            state, reason = "conflict", "the application changed the row after the plan was made"
        elif not facts[op.seq][1]:
            state, reason = "premise_gone", "the row is no longer broken"
        states[state] += 1
        if reason and len(listed) < LISTED:
            listed.append(OpRecord(op.seq, row.table.name, ", ".join(op.key), state, reason))
