"""What becomes of one operation, decided in one place for the dry run, apply, undo and its preview."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, and_, case, false, select

from trueup.check import Check, Row
from trueup.plan.file import Op
from trueup.repairs import referred_to
from trueup.sql.writing import Stage

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


def looked_at(
    connection: Connection, row: Row, check: Check, touched: Sequence[str], stage: Stage, *, delete: bool
) -> Mapping[int, Live]:
    """The rows of a stage as they are now, by the number of their operation; a row that is gone is not in it."""
    same = and_(*(row.relation.c[name] == stage.relation.c[f"k{i}"] for i, name in enumerate(row.table.key)))
    found = connection.execute(
        select(
            stage.relation.c.seq,
            row.digest(touched),
            case((check.holds(row), 1), else_=0),
            case((referred_to(row) if delete else false(), 1), else_=0),
        ).select_from(stage.relation.join(row.relation, same)),
        dict(stage.parameters),
    )
    return {int(seq): Live(now, bool(broken), bool(child)) for seq, now, broken, child in found}


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


def told(rows: Sequence[Any]) -> dict[int, Shown]:
    """Rows of (seq, digest, rest, after, before, recorded rest) by seq."""
    return {int(seq): Shown(now, rest, after, before, kept) for seq, now, rest, after, before, kept in rows}
