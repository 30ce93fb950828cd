"""One transaction of a run: lock, compare, copy, write, prove, record. Nothing else in trueup changes data.

The order of the steps and the reason for each: `docs/reliability.md`. A step that finds anything unexpected raises
`Mismatch`; the caller rolls back, halves the chunk and in the end blocks the one operation that is at fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Delete,
    FromClause,
    Insert,
    Select,
    String,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    not_,
    select,
    true,
    update,
)

from trueup.failpoints import failpoint
from trueup.journal import Journal
from trueup.planfile import Op
from trueup.repairs import referred_to
from trueup.target import CHUNK, FIRST, LAST, RUN, Target, tally


class Mismatch(Exception):
    """What the database shows is not what was planned; the chunk is rolled back."""


class Chunk:
    """The steps of one transaction for operations of one target. Each statement is built once and run every chunk."""

    def __init__(self, journal: Journal, target: Target) -> None:
        self.journal = journal
        self.target = target
        self.dialect = journal.store.dialect
        self._copy: Insert | None = None

    def apply(self, connection: Connection, run_id: str, chunk: int, ops: Sequence[Op]) -> dict[int, str]:
        """Carry out `ops` (of one target, in order of seq) and return the state each came to; commits nothing."""
        span = {RUN: run_id, FIRST: ops[0].seq, LAST: ops[-1].seq}
        copied = self.copy(connection, span, ops)
        failpoint("copied")
        states: dict[int, str] = {}
        if copied != len(ops):
            states = self.classify(connection, span, chunk, ops)
            failpoint("classified")
        expected = len(ops) - len(states)
        if expected:
            self.write(connection, span, expected)
            failpoint("written")
            self.prove(connection, span, expected)
            failpoint("proved")
            connection.execute(self.record, {**span, CHUNK: chunk})
            failpoint("recorded")
        return {op.seq: states.get(op.seq, "applied") for op in ops}

    def copy(self, connection: Connection, span: Mapping[str, Any], ops: Sequence[Op]) -> int:
        """Lock the rows that still look as planned and copy them into the journal; returns how many."""
        stage = self.dialect.stage(connection, self.target.table, [(op.seq, op.before, op.after, op.key) for op in ops])
        if self._copy is None:
            self._copy = self.copying(stage.relation)
        # SQLAlchemy reads the row count of an INSERT only when it is told to
        counted = {"preserve_rowcount": True}
        return int(connection.execute(self._copy, {**span, **stage.parameters}, execution_options=counted).rowcount)

    def copying(self, stage: FromClause) -> Insert:
        """The statement of `copy`: compare by bytes, re-prove the finding, and take both images, all under lock."""
        target, row, s = self.target, self.target.row, stage.c
        new = target.repair.sets(row)  # of a delete nothing, though its images hold every column
        into = self.dialect.into_image
        after = [
            into(self.dialect.cast(new[name], row.column(name)), row.column(name))
            for name in target.group.columns
            if name in new
        ]
        found = (
            select(
                bindparam(RUN, type_=String),
                s.seq,
                s.before,
                s.after,
                row.digest(target.rest) if target.rest else literal(""),
                row.digest(target.table.key),
                *(into(row.relation.c[name], row.column(name)) for name in [*target.table.key, *target.touched]),
                *(after if target.group.action == "update" else []),
            )
            .select_from(stage.join(row.relation, self.staged(s)))
            .where(row.digest(target.touched) == s.before, target.check.holds(row))
        )
        if target.group.action == "delete" and target.table.referenced_by:
            found = found.where(not_(referred_to(target.row)))
        columns = [column.name for column in target.image.c]
        return insert(target.image).from_select(columns, self.dialect.locked(found, row.relation))

    def staged(self, stage: Any) -> ColumnElement[bool]:
        """The live row and its staged operation."""
        columns = self.target.row.relation.c
        return and_(*(columns[name] == stage[f"k{i}"] for i, name in enumerate(self.target.table.key)))

    def classify(
        self, connection: Connection, span: Mapping[str, Any], chunk: int, ops: Sequence[Op]
    ) -> dict[int, str]:
        """Record the operations that were not copied: why each row is left alone."""
        target, row = self.target, self.target.row
        copied = set(connection.execute(select(target.image.c.seq).where(target.in_chunk()), dict(span)).scalars())
        rest = [op for op in ops if op.seq not in copied]
        if not rest:
            return {}
        stage = self.dialect.stage(connection, target.table, [(op.seq, op.before, op.after, op.key) for op in rest])
        kept = referred_to(target.row) if target.group.action == "delete" else false()
        seen = connection.execute(
            select(
                stage.relation.c.seq,
                row.digest(target.touched),
                case((target.check.holds(row), 1), else_=0),
                case((kept, 1), else_=0),
            ).select_from(stage.relation.join(row.relation, self.staged(stage.relation.c))),
            dict(stage.parameters),
        ).all()
        facts = {int(seq): (now, held, child) for seq, now, held, child in seen}
        rows, states = [], {}
        for op in rest:
            state, reason = self.verdict(op, facts.get(op.seq))
            states[op.seq] = state
            rows.append(
                {
                    "run_id": span[RUN],
                    "seq": op.seq,
                    "grp": target.number,
                    "state": state,
                    "reason": reason,
                    "pk": ", ".join(op.key),
                    "seen": facts[op.seq][0] if op.seq in facts else None,
                    "chunk": chunk,
                }
            )
        connection.execute(insert(self.journal.op), rows)
        return states

    def verdict(self, op: Op, facts: tuple[str, int, int] | None) -> tuple[str, str]:
        """The state and the reason of an operation whose row was not copied."""
        if facts is None:
            return "missing", "the row is gone"
        now, held, child = facts
        if now == op.after and self.target.group.action == "update":
            return "already_good", "the row already holds the planned value"
        if now != op.before:
            return "conflict", "the application changed the row after the plan was made; its value is kept"
        if not held:
            return "premise_gone", "the row is no longer broken"
        if child:
            return "blocked", "other rows refer to it"
        raise Mismatch("a row could not be copied into the journal")

    def write(self, connection: Connection, span: Mapping[str, Any], expected: int) -> None:
        """Change the touched columns of the copied rows, and no others."""
        written = connection.execute(self.writing, dict(span)).rowcount
        if written != expected:
            raise Mismatch(f"{written} rows were written where {expected} were planned")

    @cached_property
    def writing(self) -> Update | Delete:
        """The statement of `write`: values come from the images, so nothing passes through Python."""
        target, columns = self.target, self.target.row.relation.c
        where = and_(target.same_key(), target.in_chunk())
        if target.group.action == "delete":
            if self.dialect.joined_delete:
                return delete(target.table.sql).where(where)
            mine = exists(select(literal(1)).select_from(target.image).where(where).correlate(target.table.sql))
            return delete(target.table.sql).where(mine)
        values: dict[Any, Any] = {
            columns[name]: target.held(f"a{i}", name) for i, name in enumerate(target.group.columns)
        }
        return update(target.table.sql).values(values | target.kept()).where(where)

    def prove(self, connection: Connection, span: Mapping[str, Any], expected: int) -> None:
        """Read the rows again, still locked: planned bytes, untouched columns as before, the finding gone."""
        rows, after, rest, broken, kept = connection.execute(self.proving, dict(span)).one()
        if self.target.group.action == "delete":
            kept = connection.execute(self.keeping, dict(span)).scalar_one()
        if kept != expected:
            raise Mismatch(f"{kept} of {expected} rows are in the journal byte for byte")
        if self.target.group.action == "delete":
            if rows:
                raise Mismatch(f"{rows} rows are still there after they were moved to quarantine")
            return
        for count, what in (
            (rows, "rows were found again"),
            (after, "rows hold the planned value"),
            (rest, "rows kept their other columns"),
        ):
            if count != expected:
                raise Mismatch(f"{count or 0} of {expected} {what}")
        if broken:
            raise Mismatch(f"{broken} of {expected} rows are still broken after the repair")

    @cached_property
    def proving(self) -> Select[*tuple[Any, ...]]:
        """The statement of `prove`: rows, rows with the planned bytes, with the same rest, still broken, journaled."""
        target, row, image = self.target, self.target.row, self.target.image.c
        joined = target.image.join(row.relation, target.same_key())
        parts: list[ColumnElement[Any]] = [func.count(), literal(0), literal(0), literal(0), literal(0)]
        if target.group.action == "update":
            same_rest = row.digest(target.rest) == image.rest_digest if target.rest else true()
            parts[1:] = [
                tally(row.digest(target.touched) == image.after_digest),
                tally(same_rest),
                tally(target.check.holds(row)),
                tally(self.same_image()),
            ]
        return select(*parts).select_from(joined).where(target.in_chunk())

    @cached_property
    def keeping(self) -> Select[*tuple[Any, ...]]:
        """How many rows of a chunk the journal holds as they were, to be asked where the rows themselves are gone."""
        return select(func.count()).select_from(self.target.image).where(self.target.in_chunk(), self.same_image())

    def same_image(self) -> ColumnElement[bool]:
        """Whether the image before, read back, is the bytes that were planned: all that an undo will have."""
        target, row = self.target, self.target.row
        held = [(row.column(name), target.image.c[f"b{i}"]) for i, name in enumerate(target.touched)]
        return self.dialect.digest(held) == target.image.c.before_digest

    @cached_property
    def record(self) -> Insert:
        """The statement that enters the operations of a chunk as applied."""
        image = self.target.image.c
        done = select(
            image.run_id,
            image.seq,
            literal(self.target.number),
            literal("applied"),
            bindparam(CHUNK, type_=BigInteger),
        ).where(self.target.in_chunk())
        return insert(self.journal.op).from_select(["run_id", "seq", "grp", "state", "chunk"], done)

    def block(self, connection: Connection, run_id: str, chunk: int, op: Op, reason: str) -> None:
        """Enter one operation as impossible."""
        self.journal.stop_unless_whole(connection, self.target.image)
        connection.execute(
            insert(self.journal.op).values(
                run_id=run_id,
                seq=op.seq,
                grp=self.target.number,
                state="blocked",
                reason=reason,
                pk=", ".join(op.key),
                chunk=chunk,
            )
        )
