"""Decides what becomes of one operation, in one place for the dry run, apply, undo and the preview of an undo."""

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
    """A row as an undo finds it: digests of its touched and its other columns, now and as the run recorded them.

    `rest` is None where the other columns cannot be compared, because one of them is gone.
    """

    digest: str
    rest: str | None
    after: str
    before: str
    recorded_rest: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of one operation of a plan, the reason if it is not applied, and the live row that was judged."""

    op: Op
    state: str
    reason: str
    live: Live | None


def stage_of(connection: Connection, row: Row, ops: Sequence[Op]) -> Stage:
    """Stage operations of a plan as a relation that can be joined to their rows."""
    return row.dialect.stage(connection, row.table, [(op.seq, op.before, op.after, op.key) for op in ops])


def to_mend(bound: Bound) -> list[ColumnElement[bool]]:
    """Return the conditions for writing a row: it is broken, and if it is to be deleted no other row refers to it."""
    found = [bound.check.holds(bound.row)]
    return [*found, not_(referred_to(bound.row))] if bound.deletes and bound.table.referenced_by else found


def judged(connection: Connection, bound: Bound, ops: Sequence[Op]) -> list[Verdict]:
    """Judge the operations of one group against their live rows. The state `applied` means that it can be applied."""
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
    """Return the state of an operation and, unless the state is `applied`, the reason."""
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
    """Return the state of an operation that is undone and, unless the state is `undone`, the reason.

    A key can be given to another row, and nothing distinguishes an edited row from another row under the same key. So a
    row is restored only where all its other columns are as the run left them, unless a person confirms it (`edited`).
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
    """Convert rows of (seq, digest, rest, after, before, recorded rest) to `Shown` by seq."""
    return {int(seq): Shown(now, rest, after, before, kept) for seq, now, rest, after, before, kept in rows}
