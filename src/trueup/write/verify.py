"""Compares the live rows with the journal, or with a plan, without writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, islice

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, bindparam, func, or_, select

from trueup.journal.journal import LEFT_ALONE, Journal
from trueup.journal.shape import Side
from trueup.plan.file import Op, PlanFile
from trueup.results import OpRecord, Progress, RunReport, Verification
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.write.target import Bound, Target, tally
from trueup.write.verdict import judged

PAGE = 1000
RANGE = 5000
LISTED = 1000
COUNTS = ("applied", "intact", "undone", "restored", "missing", "altered")
#: States of operations whose before-image must be in the journal.
IMAGED = ("applied", "undone", "undo_conflict")


def compare(
    journal: Journal, connection: Connection, run_id: str, bound: Mapping[int, Target], progress: Progress
) -> Verification:
    """Compare every operation of a run with its live row, and check that the journal is complete and unaltered."""
    row = journal.find(connection, run_id)
    counts = journal.counts(connection, run_id)
    problems = [problem] if (problem := journal.broken_link(connection, row)) else []
    # a run that was stopped and then undone never reached the rest
    if row["state"] == "applied" and sum(counts.values()) != row["planned"]:
        problems.append(f"{sum(counts.values())} of {row['planned']} operations are in the journal")
    found: Counter[str] = Counter()
    for number, target in bound.items():
        seen = images_of(journal, connection, run_id, number, target, progress)
        name = f"{target.group.check} ({target.group.repair})"
        if seen["missing"]:
            problems.append(f"{name}: {seen['missing']} before-images are missing from the journal")
        if seen["altered"]:
            problems.append(f"{name}: {seen['altered']} images are not the bytes that were copied")
        found += seen
    connection.rollback()
    rows, intact, restored = found["applied"] + found["undone"], found["intact"], found["restored"]
    since = rows - intact - restored
    return Verification(
        run_id=run_id,
        state=row["state"],
        rows=rows,
        intact=intact,
        changed_since=since,
        remaining={},
        problems=tuple(problems),
        restored=restored,
    )


def images_of(
    journal: Journal, connection: Connection, run_id: str, number: int, target: Target, progress: Progress
) -> Counter[str]:
    """Count the operations, live rows and images of one group.

    The counts are operations `applied` and `undone`, rows that are `intact` and `restored`, before-images that are
    `missing` and `altered`. It reads ranges of operations by key: a new journal has no statistics, and the engine could
    run one statement over all operations as a nested loop.
    """
    op, image, live = journal.op, target.image, target.row
    mine = and_(op.c.run_id == run_id, op.c.grp == number)
    first, last = connection.execute(
        select(func.coalesce(func.min(op.c.seq), 1), func.coalesce(func.max(op.c.seq), 0)).where(mine)
    ).one()
    low, high = bindparam("trueup_low", type_=BigInteger), bindparam("trueup_high", type_=BigInteger)
    key = live.relation.c[target.table.key[0]]
    same: ColumnElement[bool] = (
        key.is_(None) if target.deletes else and_(key.is_not(None), live.digest(target.touched) == image.c.after_digest)
    )
    back = and_(key.is_not(None), live.digest(target.touched) == image.c.before_digest)
    copied: dict[Side, ColumnElement[str]] = {"b": image.c.before_digest, "k": image.c.key_digest}
    if not target.deletes:
        copied["a"] = image.c.after_digest
    altered = or_(
        *(
            live.dialect.digest([(live.column(name), copy) for name, copy in target.images(side).items()]) != digest
            for side, digest in copied.items()
        )
    )
    of_op = and_(image.c.run_id == run_id, image.c.seq == op.c.seq, image.c.seq.between(low, high))
    statement = (
        select(
            tally(op.c.state == "applied"),
            tally(and_(op.c.state == "applied", same)),
            tally(op.c.state == "undone"),
            tally(and_(op.c.state == "undone", back)),
            tally(image.c.seq.is_(None)),
            tally(and_(image.c.seq.is_not(None), altered)),
        )
        .select_from(op.outerjoin(image, of_op).outerjoin(live.relation, target.same_key()))
        .where(mine, op.c.state.in_(IMAGED), op.c.seq.between(low, high))
    )
    found: Counter[str] = Counter()
    for start in range(first, last + 1, RANGE):
        span = {"trueup_low": start, "trueup_high": min(start + RANGE - 1, last)}
        values = connection.execute(statement, span).one()
        found.update(dict(zip(COUNTS, map(int, values), strict=True)))
        progress.advance(span["trueup_high"] - start + 1)
    return found


def dry_run(
    store: SqlStore, plan: PlanFile, bind: Callable[[SqlDatabase], Mapping[int, Bound]], progress: Progress
) -> RunReport:
    """Judge every row of a plan as `apply` would, without locks and without writing."""
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
        run_id="",
        store=store.name,
        state="planned",
        environment=header.environment,
        plan_digest=plan.summary.digest,
        planned=plan.summary.count,
        states=dict(states),
        groups=header.groups,
        listed=tuple(listed),
        because=header.because,
        dry_run=True,
        tool=header.tool,
    )


def paged(ops: Iterator[Op]) -> Iterator[list[Op]]:
    """Split operations into pages."""
    while page := list(islice(ops, PAGE)):
        yield page


def look(connection: Connection, bound: Bound, ops: Sequence[Op], states: Counter[str], listed: list[OpRecord]) -> None:
    """Judge one page of operations of one group and add the results to `states` and `listed`."""
    for verdict in judged(connection, bound, ops):
        states[verdict.state] += 1
        if verdict.state in LEFT_ALONE and len(listed) < LISTED:
            op = verdict.op
            listed.append(OpRecord(op.seq, bound.table.name, ", ".join(op.key), verdict.state, verdict.reason))
