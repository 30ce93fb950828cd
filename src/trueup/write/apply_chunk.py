"""One transaction of an apply: lock, compare, copy, hold, write, prove, record, rehearse.

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
    Insert,
    Join,
    Select,
    String,
    Update,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    true,
    update,
)

from trueup.check import Premise, Row
from trueup.journal.failpoints import failpoint
from trueup.journal.journal import Journal
from trueup.plan.file import Op
from trueup.sql.reading import Stage
from trueup.sql.tables import Table
from trueup.write.target import CHUNK, FIRST, LAST, RUN, Target, tally
from trueup.write.undo_chunk import Mismatch, UndoChunk, no_others
from trueup.write.verdict import judged, stage_of, to_mend


class Moved(Exception):
    """Another row that the finding depends on changed before it could be locked.

    The chunk is rolled back and tried again.
    """


class Chunk:
    """The steps of one transaction for operations of one target. Each statement is built once and run every chunk."""

    def __init__(self, journal: Journal, target: Target) -> None:
        self.journal = journal
        self.target = target
        self.dialect = journal.store.dialect
        self.way_back = UndoChunk(journal, target)
        self._copy: Insert | None = None

    def apply(self, connection: Connection, run_id: str, chunk: int, ops: Sequence[Op]) -> dict[int, str]:
        """Apply the operations `ops` (of one target, in order of seq) in the open transaction, without committing.

        Returns the state of each operation by its seq.
        """
        span = {RUN: run_id, FIRST: ops[0].seq, LAST: ops[-1].seq}
        copied = self.copy(connection, span, ops)
        failpoint("copied")
        if copied and self.target.rests_on_others and not self.dialect.single_writer:
            self.hold(connection, span, copied)
            failpoint("premises held")
        states: dict[int, str] = {}
        if copied != len(ops):
            states = self.classify(connection, span, chunk, ops)
            failpoint("classified")
        expected = len(ops) - len(states)
        if expected:
            before = self.way_back.computed(connection, True, span)
            self.write(connection, span, expected)
            failpoint("written")
            self.prove(connection, span, expected)
            self.way_back.prove_apart(connection, True, span, before)
            if not self.target.deletes:
                self.way_back.prove_parents(connection, True, span)
            failpoint("proved")
            connection.execute(self.record, {**span, CHUNK: chunk})
            failpoint("recorded")
            self.way_back.rehearse(connection, span, expected, before)
            failpoint("rehearsed")
        return {op.seq: states.get(op.seq, "applied") for op in ops}

    def copy(self, connection: Connection, span: Mapping[str, Any], ops: Sequence[Op]) -> int:
        """Lock the rows that still look as planned and copy them into the journal.

        Returns the number of rows copied.
        """
        stage = stage_of(connection, self.target.row, ops)
        if self._copy is None:
            self._copy = self.copy_statement(stage)
        # SQLAlchemy reads the row count of an INSERT only when it is told to
        counted = {"preserve_rowcount": True}
        return int(connection.execute(self._copy, {**span, **stage.parameters}, execution_options=counted).rowcount)

    def copy_statement(self, stage: Stage) -> Insert:
        """Build the statement of `copy`, which does everything under lock.

        It compares each row's digest with the plan's, evaluates the check again, and inserts the images from before and
        after.
        """
        target, row, s = self.target, self.target.row, stage.relation.c
        new = target.repair.sets(row)  # empty for a delete, though its images hold every column
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
                *(after if not target.deletes else []),
            )
            .select_from(self.staged(stage))
            .where(row.digest(target.touched) == s.before, *to_mend(target))
        )
        columns = [column.name for column in target.image.c]
        return insert(target.image).from_select(columns, self.dialect.locked(found, row.relation, gone=target.deletes))

    def hold(self, connection: Connection, span: Mapping[str, Any], copied: int) -> None:
        """Lock the other rows that the finding depends on, then evaluate the check again in a new statement.

        The new statement is needed because the locking statement may have waited, and read the other rows as they were
        before the wait. Raises `Moved`.
        """
        for premise, held in self.holding:
            if premise.absent:
                connection.execute(held, dict(span)).all()
            else:
                # lock by key: a locking search would also wait for unrelated rows
                keys = [tuple(map(self.dialect.token, key)) for key in connection.execute(held, dict(span))]
                self._lock(connection, premise.row, sorted(set(keys)))
        self.dialect.await_writers(connection, self.unlockable)
        standing = connection.execute(self.standing, dict(span)).scalar_one()
        if standing != copied:
            raise Moved(f"{copied - standing} rows were no longer broken once what they rest on was locked")

    @cached_property
    def holding(self) -> list[tuple[Premise, Select[Any]]]:
        """Return a statement of `hold` for each premise.

        Where the rows must be absent it is a locking read; elsewhere it selects the keys of the rows to lock.
        """
        found = []
        for premise in self.target.premises:
            what = [literal(1)] if premise.absent else premise.row.key()
            source = self._live().join(premise.row.relation, premise.on)
            statement = select(*what).select_from(source).where(self.target.in_chunk())
            if premise.absent:
                statement = self.dialect.shared(statement, premise.row.relation)
            found.append((premise, statement))
        return found

    @cached_property
    def unlockable(self) -> list[Table]:
        """Return the tables where another session could insert a row that would invalidate this write.

        No row lock prevents an insert.
        """
        database = self.target.row.database
        found = [premise.row.table for premise in self.target.premises if premise.absent]
        if self.target.deletes:
            loose = [one.table for one in self.target.table.referenced_by if not one.enforced]
            found += [database.row(name).table for name in loose]
        return found

    @cached_property
    def standing(self) -> Select[Any]:
        """Build the statement that counts the copied rows that may still be written, once their premises are locked."""
        target = self.target
        return select(func.count()).select_from(self._live()).where(target.in_chunk(), *to_mend(target))

    def _live(self) -> Join:
        return self.target.image.join(self.target.row.relation, self.target.same_key())

    def _lock(self, connection: Connection, row: Row, keys: Sequence[tuple[str, ...]]) -> None:
        if not keys:
            return
        stage = self.dialect.stage(connection, row.table, [(number, "", "", key) for number, key in enumerate(keys)])
        same = stage.same_key(row.relation, row.table.key)
        statement = select(literal(1)).select_from(stage.relation.join(row.relation, same))
        connection.execute(self.dialect.shared(statement, row.relation), dict(stage.parameters)).all()

    def locked_out(self, connection: Connection, ops: Sequence[Op]) -> set[int]:
        """Return the seqs of those of `ops` whose rows another transaction has locked."""
        stage = self.dialect.stage(connection, self.target.table, [(op.seq, "", "", op.key) for op in ops])
        rows = select(stage.relation.c.seq).select_from(self.staged(stage))
        unlocked = self.dialect.unlocked(rows, self.target.row.relation)
        free = set(connection.execute(unlocked, dict(stage.parameters)).scalars())
        return set(connection.execute(rows, dict(stage.parameters)).scalars()) - free

    def staged(self, stage: Stage) -> Join:
        """Join the staged operations to their live rows."""
        live = self.target.row.relation
        return stage.relation.join(live, stage.same_key(live, self.target.table.key))

    def classify(
        self, connection: Connection, span: Mapping[str, Any], chunk: int, ops: Sequence[Op]
    ) -> dict[int, str]:
        """Record each operation that was not copied, with the reason why its row is left alone.

        Returns the states by seq.
        """
        target = self.target
        copied = set(connection.execute(select(target.image.c.seq).where(target.in_chunk()), dict(span)).scalars())
        rest = [op for op in ops if op.seq not in copied]
        if not rest:
            return {}
        verdicts = judged(connection, target, rest)
        if any(verdict.state == "applied" for verdict in verdicts):
            raise Moved("a row became what the plan says while the others were being locked")
        rows = [
            {
                "run_id": span[RUN],
                "seq": verdict.op.seq,
                "grp": target.number,
                "state": verdict.state,
                "reason": verdict.reason,
                "pk": ", ".join(verdict.op.key),
                "seen": verdict.live and verdict.live.digest,
                "chunk": chunk,
            }
            for verdict in verdicts
        ]
        connection.execute(insert(self.journal.op), rows)
        return {verdict.op.seq: verdict.state for verdict in verdicts}

    def write(self, connection: Connection, span: Mapping[str, Any], expected: int) -> None:
        """Set the touched columns of the copied rows, or delete the rows.

        Raises `Mismatch` where any other row changed.
        """
        with no_others(self.target, connection, expected):
            written = connection.execute(self.write_statement, dict(span)).rowcount
        if written != expected:
            raise Mismatch(f"{written} rows were written where {expected} were planned")

    @cached_property
    def write_statement(self) -> Update | Delete:
        """Build the statement of `write`.

        The new values come from the image table, so no value passes through Python.
        """
        target, columns = self.target, self.target.row.relation.c
        if target.deletes:
            keys = [(columns[name], value) for name, value in target.held("k").items()]
            return delete(target.table.sql).where(self.dialect.chosen(keys, target.image, target.in_chunk()))
        values: dict[Any, Any] = {columns[name]: value for name, value in target.held("a").items()}
        return self.dialect.exact(
            update(target.table.sql).values(values | target.kept()).where(target.same_key(), target.in_chunk())
        )

    def prove(self, connection: Connection, span: Mapping[str, Any], expected: int) -> None:
        """Read the rows again while they are locked and raise `Mismatch` unless the write did what was planned.

        The touched columns must hold the planned bytes, the other columns must be unchanged, the check must find the
        rows healthy, and the journal must hold their old bytes. Rows that were moved out must be gone.
        """
        rows, after, rest, broken, kept = connection.execute(self.proof_statement, dict(span)).one()
        if self.target.deletes:
            kept = connection.execute(self.keeping, dict(span)).scalar_one()
        if kept != expected:
            raise Mismatch(f"{kept} of {expected} rows are in the journal byte for byte")
        if self.target.deletes:
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
    def proof_statement(self) -> Select[*tuple[Any, ...]]:
        """Build the statement of `prove`.

        It returns five counts: rows, rows with the planned bytes, rows whose other columns are unchanged, rows that are
        still broken, and rows whose before-image holds the planned bytes.
        """
        target, row, image = self.target, self.target.row, self.target.image.c
        joined = target.image.join(row.relation, target.same_key())
        parts: list[ColumnElement[Any]] = [func.count(), literal(0), literal(0), literal(0), literal(0)]
        if not target.deletes:
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
        """Build the statement that counts the before-images of a chunk that hold the planned bytes.

        It is used for a delete, whose rows are gone.
        """
        return select(func.count()).select_from(self.target.image).where(self.target.in_chunk(), self.same_image())

    def same_image(self) -> ColumnElement[bool]:
        """Return the condition that the before-image, read back, has the planned digest.

        An undo will have nothing else.
        """
        target, row = self.target, self.target.row
        held = [(row.column(name), image) for name, image in target.images("b").items()]
        return self.dialect.digest(held) == target.image.c.before_digest

    @cached_property
    def record(self) -> Insert:
        """Build the statement that inserts the operations of a chunk into the journal as applied."""
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
        """Insert one operation into the journal as `blocked`: it cannot be applied, and `reason` says why."""
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
