"""One transaction of a run: lock, compare, copy, write, prove, record. Nothing else in trueup changes data.

The order of the steps and the reason for each: `docs/reliability.md`. A step that finds anything unexpected raises
`Mismatch`; the caller rolls back, halves the chunk and in the end blocks the one operation that is at fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from sqlalchemy import Table as SqlTable

from trueup.changes import Group
from trueup.check import Check, Repair, Row
from trueup.journal import Journal
from trueup.planfile import Op
from trueup.repairs import referred_to
from trueup.store import Table

#: Parameters of a chunk's statements; the prefix keeps them from the names of anybody's columns.
RUN, FIRST, LAST, CHUNK = "trueup_run", "trueup_first", "trueup_last", "trueup_chunk"


class Mismatch(Exception):
    """What the database shows is not what was planned; the chunk is rolled back."""


@dataclass(frozen=True)
class Target:
    """A group of a plan bound to the live table: what the steps need to build their statements."""

    number: int
    group: Group
    table: Table
    row: Row
    check: Check
    repair: Repair
    image: SqlTable

    @property
    def touched(self) -> list[str]:
        """The columns whose images are kept: those written, or all of a row that is moved out."""
        if self.group.action == "delete":
            return [column.name for column in self.table.stored()]
        return list(self.group.columns)

    @property
    def rest(self) -> list[str]:
        """The stored columns that must stay as they are."""
        touched = set(self.touched)
        return [column.name for column in self.table.stored() if column.name not in touched]

    @property
    def was_orphan(self) -> bool:
        """Whether the rows referred to nothing before the run, so that giving them back breaks a declared key again."""
        return bool(self.check.reference())

    def same_key(self) -> ColumnElement[bool]:
        """The live row and its image."""
        columns = self.row.relation.c
        return and_(*(columns[name] == self.image.c[f"k{i}"] for i, name in enumerate(self.table.key)))

    def in_chunk(self) -> ColumnElement[bool]:
        """The images of one chunk; binds `RUN`, `FIRST` and `LAST`."""
        columns = self.image.c
        run = bindparam(RUN, type_=String)
        return and_(
            columns.run_id == run,
            columns.seq.between(bindparam(FIRST, type_=BigInteger), bindparam(LAST, type_=BigInteger)),
        )


class Chunk:
    """The steps of one transaction for operations of one target. Each statement is built once and run every chunk."""

    def __init__(self, journal: Journal, target: Target) -> None:
        self.journal = journal
        self.target = target
        self.dialect = journal.store.dialect
        self._copy: Insert | None = None

    # -- apply ----------------------------------------------------------------------------------------------------
    def apply(self, connection: Connection, run_id: str, chunk: int, ops: Sequence[Op]) -> dict[int, str]:
        """Carry out `ops` (of one target, in order of seq) and return the state each came to; commits nothing."""
        span = {RUN: run_id, FIRST: ops[0].seq, LAST: ops[-1].seq}
        copied = self.copy(connection, span, ops)
        states: dict[int, str] = {}
        if copied != len(ops):
            states = self.classify(connection, span, chunk, ops)
        expected = len(ops) - len(states)
        if expected:
            self.write(connection, span, expected)
            self.prove(connection, span, expected)
            connection.execute(self.record, {**span, CHUNK: chunk})
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
        after = [self.dialect.cast(new[name], row.column(name)) for name in target.group.columns if name in new]
        found = (
            select(
                bindparam(RUN, type_=String),
                s.seq,
                s.before,
                s.after,
                row.digest(target.rest) if target.rest else literal(""),
                *(row.relation.c[name] for name in [*target.table.key, *target.touched]),
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
        values: dict[Any, Any] = {columns[name]: target.image.c[f"a{i}"] for i, name in enumerate(target.group.columns)}
        return update(target.table.sql).values(values | self.kept()).where(where)

    def kept(self) -> dict[Any, Any]:
        """Columns that the engine would renew by itself on any update, set to what they are."""
        columns = self.target.row.relation.c
        return {
            columns[column.name]: columns[column.name]
            for column in self.target.table.stored()
            if column.auto_update and column.name not in self.target.group.columns
        }

    def prove(self, connection: Connection, span: Mapping[str, Any], expected: int) -> None:
        """Read the rows again, still locked: planned bytes, untouched columns as before, the finding gone."""
        rows, after, rest, broken = connection.execute(self.proving, dict(span)).one()
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
        """The statement of `prove`: rows, rows with the planned bytes, rows with the same rest, rows still broken."""
        target, row, image = self.target, self.target.row, self.target.image.c
        joined = target.image.join(row.relation, target.same_key())
        parts: list[ColumnElement[Any]] = [func.count(), literal(0), literal(0), literal(0)]
        if target.group.action == "update":
            same_rest = row.digest(target.rest) == image.rest_digest if target.rest else true()
            parts[1:] = [
                tally(row.digest(target.touched) == image.after_digest),
                tally(same_rest),
                tally(target.check.holds(row)),
            ]
        return select(*parts).select_from(joined).where(target.in_chunk())

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

    # -- undo -----------------------------------------------------------------------------------------------------
    def undo(self, connection: Connection, run_id: str, seqs: Sequence[int]) -> dict[int, str]:
        """Give back what the operations `seqs` (ascending) found, where the row still shows what they wrote."""
        if self.target.group.action == "delete":
            return self.bring_back(connection, run_id, seqs)
        before = self.current(connection, run_id, seqs)
        states = {
            seq: "undone" if seq in before and before[seq][0] == before[seq][2] else "undo_conflict" for seq in seqs
        }
        back = [seq for seq in seqs if states[seq] == "undone"]
        if back:
            columns = self.target.row.relation.c
            values: dict[Any, Any] = {
                columns[name]: self.target.image.c[f"b{i}"] for i, name in enumerate(self.target.group.columns)
            }
            result = connection.execute(
                update(self.target.table.sql)
                .values(values | self.kept())
                .where(self.target.same_key(), self.chosen(run_id, back))
            )
            if result.rowcount != len(back):
                raise Mismatch(f"{result.rowcount} rows were given back where {len(back)} were locked")
            now = self.current(connection, run_id, back)
            if any(now[seq][0] != now[seq][3] or now[seq][1] != before[seq][1] for seq in back):
                raise Mismatch("a row given back does not show its old value, or another column changed")
        self.close(connection, run_id, states, {seq: facts[0] for seq, facts in before.items()})
        return states

    def chosen(self, run_id: str, seqs: Sequence[int]) -> ColumnElement[bool]:
        """The images of the operations `seqs`."""
        columns = self.target.image.c
        if seqs[-1] - seqs[0] + 1 == len(seqs):
            return and_(columns.run_id == run_id, columns.seq.between(seqs[0], seqs[-1]))
        return and_(columns.run_id == run_id, columns.seq.in_(list(seqs)))

    def current(self, connection: Connection, run_id: str, seqs: Sequence[int]) -> dict[int, tuple[str, str, str, str]]:
        """Lock the rows of `seqs`: their digest, that of their other columns, and the planned after and before."""
        target, row, image = self.target, self.target.row, self.target.image.c
        statement: Select[Any] = (
            select(
                image.seq,
                row.digest(target.touched),
                row.digest(target.rest) if target.rest else literal(""),
                image.after_digest,
                image.before_digest,
            )
            .select_from(target.image.join(row.relation, target.same_key()))
            .where(self.chosen(run_id, seqs))
        )
        rows = connection.execute(self.dialect.locked(statement, row.relation))
        return {int(seq): (now, rest, after, before) for seq, now, rest, after, before in rows}

    def bring_back(self, connection: Connection, run_id: str, seqs: Sequence[int]) -> dict[int, str]:
        """Put quarantined rows back where their key is free; the engine's own constraints decide the rest."""
        target, columns = self.target, self.target.row.relation.c
        taken = set(self.current(connection, run_id, seqs))
        back = [seq for seq in seqs if seq not in taken]
        if back:
            names = target.touched
            image = [target.image.c[f"b{i}"] for i, _ in enumerate(names)]
            rows = select(*image).where(self.chosen(run_id, back))
            connection.execute(
                self.dialect.restoring(insert(target.table.sql)).from_select([columns[name] for name in names], rows)
            )
            now = self.current(connection, run_id, back)
            if any(seq not in now or now[seq][0] != now[seq][3] for seq in back):
                raise Mismatch("a row brought back does not show its old values")
            self.check_parents(connection, run_id, back)
        states = {seq: "undo_conflict" if seq in taken else "undone" for seq in seqs}
        self.close(connection, run_id, states, {})
        return states

    def check_parents(self, connection: Connection, run_id: str, seqs: Sequence[int]) -> None:
        """The rows brought back may refer to nothing only where they did before: by the check's own columns."""
        target, live = self.target, self.target.row.relation
        for reference in target.table.references:
            if not target.was_orphan or set(reference.columns) & set(target.check.columns):
                continue
            parent = target.row.database.row(reference.parent, alias="parent").relation
            pairs = list(zip(reference.columns, reference.parent_columns, strict=True))
            found = exists(
                select(literal(1))
                .select_from(parent)
                .where(and_(*(parent.c[theirs] == live.c[mine] for mine, theirs in pairs)))
                .correlate(live)
            )
            lost = connection.execute(
                select(func.count())
                .select_from(target.image.join(live, target.same_key()))
                .where(self.chosen(run_id, seqs), *(live.c[mine].is_not(None) for mine, _ in pairs), not_(found))
            ).scalar_one()
            if lost:
                raise Mismatch(f"the row of {reference.parent} that it refers to is gone")

    def close(
        self, connection: Connection, run_id: str, states: Mapping[int, str], seen: Mapping[int, str], reason: str = ""
    ) -> None:
        """Enter the outcome of an undo."""
        op = self.journal.op
        back = [seq for seq, state in states.items() if state == "undone"]
        if back:
            connection.execute(update(op).where(op.c.run_id == run_id, op.c.seq.in_(back)).values(state="undone"))
        for seq, state in states.items():
            if state == "undo_conflict":
                gone = "the row is gone, or its key is taken" if seq not in seen else ""
                text = reason or gone or "the application changed the row after the run; its value is kept"
                connection.execute(
                    update(op)
                    .where(op.c.run_id == run_id, op.c.seq == seq)
                    .values(state=state, reason=text, seen=seen.get(seq), pk=self.key_text(connection, run_id, seq))
                )

    def key_text(self, connection: Connection, run_id: str, seq: int) -> str:
        """The key of one operation, for a reader."""
        image = self.target.image
        relation = image.alias("i")
        parts = [
            func.coalesce(self.dialect.preview(self.target.table.columns[name], relation.c[f"k{i}"]), "")
            for i, name in enumerate(self.target.table.key)
        ]
        row = connection.execute(select(*parts).where(relation.c.run_id == run_id, relation.c.seq == seq)).one()
        return ", ".join(str(part) for part in row)


def tally(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """How many rows meet a condition."""
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
