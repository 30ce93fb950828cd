"""What becomes of one operation, decided in one place for the dry run, apply, undo and its preview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, case, false, not_, select

from trueup.check import Row
from trueup.plan.file import Op
from trueup.repairs import referred_to
from trueup.sql.reading import Stage
from trueup.write.target import Bound

EDITED = "its other columns changed since the run: edited, or another row under the same key"


@dataclass(frozen=True, slots=True)
class Live:
    """A row as an operation of a plan finds it: its digest, whether it is broken, whether other rows refer to it."""

    digest: str
    broken: bool
    referred_to: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A row as an undo finds it: the digests of its touched and other columns, now and as the run recorded them.

    `rest` is None where the other columns cannot be compared, as one of them is gone.
    """

    digest: str
    rest: str | None
    after: str
    before: str
    recorded_rest: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state that one operation of a plan comes to, why it is not carried out, and the row it was judged by."""

    op: Op
    state: str
    reason: str
    live: Live | None


def stage_of(connection: Connection, row: Row, ops: Sequence[Op]) -> Stage:
    """Operations of a plan as a relation, to be joined to their rows."""
    return row.dialect.stage(connection, row.table, [(op.seq, op.before, op.after, op.key) for op in ops])


def to_mend(bound: Bound) -> list[ColumnElement[bool]]:
    """What must be true of a row for it to be written: it is broken, and no row refers to one that is moved out."""
    found = [bound.check.holds(bound.row)]
    return [*found, not_(referred_to(bound.row))] if bound.deletes and bound.table.referenced_by else found


def judged(connection: Connection, bound: Bound, ops: Sequence[Op]) -> list[Verdict]:
    """What becomes of the operations of one group, by their rows as they are now; `applied`: it can be carried out."""
    row, stage = bound.row, stage_of(connection, bound.row, ops)
    found = connection.execute(
        select(
            stage.relation.c.seq,
            row.digest(bound.touched),
            case((bound.check.holds(row), 1), else_=0),
            case((referred_to(row) if bound.deletes else false(), 1), else_=0),
        ).select_from(stage.relation.join(row.relation, stage.same_key(row.relation, row.table.key))),
        dict(stage.parameters),
    )
    rows = {int(seq): Live(now, bool(broken), bool(child)) for seq, now, broken, child in found}
    lives = ((op, rows.get(op.seq)) for op in ops)
    return [Verdict(op, *of_operation(bound.group.action, op, live), live) for op, live in lives]


def of_operation(action: Literal["update", "delete"], op: Op, live: Live | None) -> tuple[str, str]:
    """The state an operation comes to, and the reason where it is not carried out: `applied` where it is."""
    if live is None:
        return "missing", "the row is gone"
    if live.digest == op.after and action == "update":
        return "already_good", "the row already holds the planned value"
    if live.digest != op.before:
        return "conflict", "the application changed the row after the plan was made; its value is kept"
    if not live.broken:
        return "premise_gone", "the row is no longer broken"
    if live.referred_to:
        return "blocked", "other rows refer to it"
    return "applied", ""


def of_undo(action: Literal["update", "delete"], shown: Shown | None, *, edited: bool) -> tuple[str, str]:
    """The state an operation comes to when it is taken back, and the reason where it is not: `undone` where it is.

    A key can be given to another row, and nothing tells an edited row from another one under the same key: unless a
    person vouches for it (`edited`), a row is given back only where all its other columns are as the run left them.
    """
    if action == "delete":
        return ("undone", "") if shown is None else ("undo_conflict", "its key is taken by another row")
    if shown is None:
        return "undo_conflict", "the row is gone"
    if shown.digest != shown.after:
        return "undo_conflict", "the application changed the row after the run; its value is kept"
    if not edited and shown.rest is None:
        return "undo_conflict", "a column that it had is gone, so it cannot be told from another row under its key"
    if not edited and shown.rest != shown.recorded_rest:
        return "undo_conflict", EDITED
    return "undone", ""


def shown_by_seq(rows: Sequence[Any]) -> dict[int, Shown]:
    """Rows of (seq, digest, rest, after, before, recorded rest) by seq."""
    return {int(seq): Shown(now, rest, after, before, kept) for seq, now, rest, after, before, kept in rows}
