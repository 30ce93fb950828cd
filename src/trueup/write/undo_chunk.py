"""One transaction of an undo: lock, compare, restore, prove, record. The counterpart of `apply_chunk`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    Insert,
    Select,
    Update,
    and_,
    exists,
    false,
    func,
    insert,
    literal,
    literal_column,
    not_,
    null,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import quoted_name

from trueup.journal.failpoints import failpoint
from trueup.journal.journal import Journal
from trueup.sql.tables import LooseRule, Reference
from trueup.write.by_range import ByRange, chunk_of
from trueup.write.target import Target, in_chunk
from trueup.write.verdict import Shown, of_undo, shown_by_seq

SAVEPOINT = "trueup_rehearsal"


class Mismatch(Exception):
    """The database does not show what was planned. The chunk is rolled back."""


class UndoChunk:
    """The steps of one transaction for operations of one target. Each statement is built once and run every chunk."""

    def __init__(self, journal: Journal, target: Target) -> None:
        self.journal = journal
        self.target = target
        self.dialect = journal.store.dialect

    def undo(self, connection: Connection, run_id: str, seqs: Sequence[int]) -> dict[int, str]:
        """Restore the old values of the operations `seqs` (ascending), where the row still shows what the run wrote.

        Returns the state of each operation by its seq, without committing.
        """
        shown = self.current(connection, run_id, seqs)
        verdicts = self.verdicts(seqs, shown)
        back = [seq for seq in seqs if verdicts[seq][0] == "undone"]
        if back:
            whole, span = chunk_of(run_id, back)
            before = self.computed(connection, whole, span)
            self.give_back(connection, whole, span, len(back))
            failpoint("given back")
            self.prove(self.current(connection, run_id, back), back, shown)
            self.prove_apart(connection, whole, span, before)
            self.prove_parents(connection, whole, span)
        self.close(connection, run_id, verdicts, {seq: one.digest for seq, one in shown.items()})
        return {seq: state for seq, (state, _) in verdicts.items()}

    def verdicts(self, seqs: Sequence[int], shown: Mapping[int, Shown]) -> dict[int, tuple[str, str]]:
        """Return the state and the reason that undoing each operation would give."""
        action, edited = self.target.group.action, self.target.edited
        return {seq: of_undo(action, shown.get(seq), edited=edited) for seq in seqs}

    def preview(
        self,
        connection: Connection,
        run_id: str,
        seqs: Sequence[int],
        given: Sequence[tuple[Target, Sequence[int]]] = (),
    ) -> dict[int, tuple[str, str]]:
        """Return the verdicts of `undo`, without locks or writes, as if the operations `given` were undone first.

        `given` holds, for each of its targets, one operation on each of these rows.
        """
        whole, span = chunk_of(run_id, seqs)
        statement = self.found_after(given).where(self.target.in_chunk(whole=whole))
        return self.verdicts(seqs, shown_by_seq(connection.execute(statement, span).all()))

    def current(self, connection: Connection, run_id: str, seqs: Sequence[int]) -> dict[int, Shown]:
        """Lock the live rows of the operations `seqs` and return what each row holds, by seq."""
        whole, span = chunk_of(run_id, seqs)
        return shown_by_seq(connection.execute(self.reading.form(whole), span).all())

    @cached_property
    def found(self) -> Select[Any]:
        """Join the images of a run to their live rows, and select the columns of `Shown`."""
        return self.found_after(())

    def found_after(self, given: Sequence[tuple[Target, Sequence[int]]]) -> Select[Any]:
        """Build `found` with the values that the operations `given` would restore in place of the live ones."""
        target, row, image = self.target, self.target.row, self.target.image.c
        source = target.image.join(row.relation, target.same_key())
        back: dict[str, ColumnElement[Any]] = {}
        for number, (other, seqs) in enumerate(given):
            held = replace(other, row=row, image=cast(Any, other.image.alias(f"trueup_given{number}")))
            mine = and_(held.image.c.run_id == image.run_id, held.image.c.seq.in_(seqs), held.same_key())
            source = source.join(held.image, mine)
            back |= held.images("b")

        def digest(names: Sequence[str]) -> ColumnElement[str]:
            return self.dialect.digest([(row.column(name), back.get(name, row[name])) for name in names])

        rest = (digest(target.rest) if target.rest else literal("")) if target.whole else null()
        return select(
            image.seq,
            digest(target.touched),
            rest,
            image.before_digest if target.deletes else image.after_digest,
            image.before_digest,
            image.rest_digest,
        ).select_from(source)

    @cached_property
    def reading(self) -> ByRange[Select[Any]]:
        """Build the statement of `current`."""
        target = self.target
        return ByRange.of(
            lambda whole: self.dialect.locked(self.found.where(target.in_chunk(whole=whole)), target.row.relation)
        )

    def locked_out(self, connection: Connection, run_id: str, seqs: Sequence[int]) -> set[int]:
        """Return those of `seqs` whose rows another transaction has locked."""
        whole, span = chunk_of(run_id, seqs)
        target = self.target
        rows = (
            select(target.image.c.seq)
            .select_from(target.image.join(target.row.relation, target.same_key()))
            .where(target.in_chunk(whole=whole))
        )
        free = set(connection.execute(self.dialect.unlocked(rows, target.row.relation), span).scalars())
        return set(connection.execute(rows, span).scalars()) - free

    def give_back(self, connection: Connection, whole: bool, span: Mapping[str, Any], expected: int) -> None:
        """Set the touched columns to their before-images, or insert the deleted rows again.

        The engine's own constraints apply. Raises `Mismatch` unless `expected` rows were written.
        """
        statement = self.restore_insert.form(whole) if self.target.deletes else self.restore_update.form(whole)
        # SQLAlchemy reads the row count of an INSERT only when it is told to
        counted = {"preserve_rowcount": True}
        with no_others(self.target, connection, expected):
            written = connection.execute(statement, dict(span), execution_options=counted).rowcount
        if written != expected:
            raise Mismatch(f"{written} rows were given back where {expected} were to be")

    def prove(self, now: Mapping[int, Shown], back: Sequence[int], then: Mapping[int, Shown]) -> None:
        """Raise `Mismatch` where a restored row does not hold its old value or another of its columns changed."""
        if any(seq not in now or now[seq].digest != now[seq].before for seq in back):
            raise Mismatch("a row given back does not show its old values")
        if not self.target.deletes and any(now[seq].rest != then[seq].rest for seq in back):
            raise Mismatch("another column of a row changed when it was given back")

    def prove_parents(self, connection: Connection, whole: bool, span: Mapping[str, Any]) -> None:
        """Raise `Mismatch` where a restored row has no parent row for a foreign key that the engine did not enforce."""
        for parent, (holding, counting) in self.parents:
            if not self.dialect.single_writer:
                connection.execute(holding.form(whole), dict(span)).all()
            if connection.execute(counting.form(whole), dict(span)).scalar_one():
                raise Mismatch(f"the row of {parent} that it refers to is not there")

    @cached_property
    def restore_update(self) -> ByRange[Update]:
        """Build the UPDATE that sets the touched columns, and no others, to their before-images."""
        target, columns = self.target, self.target.row.relation.c
        values: dict[Any, Any] = {columns[name]: value for name, value in target.held("b").items()}
        back = self.dialect.exact(update(target.table.sql).values(values | target.kept()).where(target.same_key()))
        return ByRange.of(lambda whole: back.where(target.in_chunk(whole=whole)))

    @cached_property
    def restore_insert(self) -> ByRange[Insert]:
        """Build the INSERT that restores the deleted rows from their images."""
        target, columns = self.target, self.target.row.relation.c
        into = self.dialect.exact(self.dialect.restoring(insert(target.table.sql)))
        held = target.held("b")
        rows, names = select(*held.values()), [columns[name] for name in held]
        return ByRange.of(lambda whole: into.from_select(names, rows.where(target.in_chunk(whole=whole))))

    @cached_property
    def parents(self) -> list[tuple[str, tuple[ByRange[Select[Any]], ByRange[Select[Any]]]]]:
        """Return, for each foreign key that the engine does not enforce, the parent table and two statements.

        The first locks the parent rows of the restored rows; the second counts the restored rows whose parent is
        missing. The foreign key that the rows violated before the run is left out.
        """
        return [(one.parent, self._parents(one)) for one in self.target.unchecked_references]

    def _parents(self, reference: Reference) -> tuple[ByRange[Select[Any]], ByRange[Select[Any]]]:
        target, live = self.target, self.target.row.relation
        if not reference.equality:
            raise Mismatch(f"whether its row of {reference.parent} is there cannot be told ({reference.name})")
        parent = target.row.database.row(reference.parent, alias="parent", own=True).relation
        pairs = list(zip(reference.columns, reference.parent_columns, strict=True))
        same = and_(*(self.dialect.refers(live.c[mine], parent.c[theirs]) for mine, theirs in pairs))
        given = target.image.join(live, target.same_key())
        held = select(literal(1)).select_from(given.join(parent, same))
        there = exists(select(literal(1)).select_from(parent).where(same).correlate(live))
        lost = (
            select(func.count())
            .select_from(given)
            .where(*(live.c[mine].is_not(None) for mine, _ in pairs), not_(there))
        )
        return (
            ByRange.of(lambda whole: self.dialect.shared(held.where(target.in_chunk(whole=whole)), parent)),
            ByRange.of(lambda whole: lost.where(target.in_chunk(whole=whole))),
        )

    def rehearse(self, connection: Connection, span: Mapping[str, Any], expected: int, before: Sequence[Any]) -> None:
        """Restore the copied rows inside a savepoint and roll it back, which proves that undo can restore them.

        `before` is the result of `computed` from before the rows were written. Raises `Mismatch` with the engine's
        reason where a constraint tolerates the old values in place but refuses to have them written again.
        """
        connection.exec_driver_sql(f"SAVEPOINT {SAVEPOINT}")
        guarded = False
        try:
            with self._unchecked(connection):
                self.give_back(connection, True, span, expected)
                self.dialect.finish(connection)
                self.prove_parents(connection, True, span)
                if self.computed(connection, True, span) != before:
                    raise Mismatch("a generated column would be computed as another value")
        except DBAPIError as error:
            if self.dialect.retryable(error) or self.dialect.disconnected(error) or self.dialect.exhausted(error):
                raise
            # a guard of ours refuses the old values, as it should: undo demands its removal first
            guarded = self.dialect.refused_by_guard(error)
            if not guarded:
                raise Mismatch(f"it could not be taken back: {self.dialect.describe(error)}") from None
        except Mismatch as error:
            raise Mismatch(f"it could not be taken back: {error}") from None
        connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
        if guarded:
            self.behind_guard(connection, span)
        connection.exec_driver_sql(f"RELEASE SAVEPOINT {SAVEPOINT}")

    def computed(self, connection: Connection, whole: bool, span: Mapping[str, Any]) -> Sequence[Any]:
        """Return, for each live row of a chunk, its seq and two digests of stored generated columns.

        The first covers all of `Target.computed`, the second those that do not depend on a touched column. The engine
        computes them again in our session, whose settings may change the result.
        """
        if not self.target.computed:
            return []
        return connection.execute(self.computing.form(whole), dict(span)).all()

    @cached_property
    def computing(self) -> ByRange[Select[Any]]:
        """Build the statement of `computed`."""
        target, seq = self.target, self.target.image.c.seq
        apart = target.row.digest(target.apart) if target.apart else literal("")
        live = target.image.join(target.row.relation, target.same_key())
        found = select(seq, target.row.digest(target.computed), apart).select_from(live).order_by(seq)
        return ByRange.of(lambda whole: found.where(target.in_chunk(whole=whole)))

    def prove_apart(self, connection: Connection, whole: bool, span: Mapping[str, Any], before: Sequence[Any]) -> None:
        """Raise `Mismatch` where an update changed a generated column that does not depend on a touched column.

        `before` is the result of `computed` from before the rows were written.
        """
        if self.target.deletes or not self.target.apart:
            return
        now = self.computed(connection, whole, span)
        if [(seq, apart) for seq, _, apart in now] != [(seq, apart) for seq, _, apart in before]:
            raise Mismatch("a generated column that it does not bear on would be computed as another value")

    def behind_guard(self, connection: Connection, span: Mapping[str, Any]) -> None:
        """Raise `Mismatch` where a NOT VALID constraint would refuse the old values once the guard is removed.

        The guard refuses the old values first, so the constraint could not be tried. Only constraints that are NOT
        VALID can refuse a value that the row held a moment ago.
        """
        target = self.target
        changed = {name for name, column in target.table.columns.items() if column.generated} | set(target.touched)
        broken = target.broken_reference
        for rule in self.dialect.loose_rules(connection, target.table):
            if (broken is not None and rule.name == broken.name) or not (target.deletes or changed & set(rule.columns)):
                continue
            lost = self._refused_by(rule)
            if lost is None:
                raise Mismatch(
                    f"it could not be taken back for certain: a guard refuses first, so that {rule.name}, which is not "
                    "valid, cannot be tried"
                )
            if connection.execute(lost, dict(span)).scalar_one():
                raise Mismatch(f"it could not be taken back: {rule.name}, which is not valid, refuses the old values")

    def _refused_by(self, rule: LooseRule) -> Select[Any] | None:
        """Build the statement that counts the old rows that a NOT VALID constraint would refuse; None if unknown."""
        target, held = self.target, self.target.held("b")
        source: FromClause = target.image
        if not target.deletes:
            held = {name: target.row.relation.c[name] for name in target.rest} | held
            source = target.image.join(target.row.relation, target.same_key())
        labelled = (value.label(quoted_name(name, quote=True)) for name, value in held.items())
        old = select(*labelled).select_from(source).where(target.in_chunk()).subquery("trueup_old")
        found = select(func.count()).select_from(old)
        if rule.condition:
            return found.where(literal_column(f"({rule.condition})", Boolean).is_(false()))
        key = next((one for one in target.table.references if one.name == rule.name and one.equality), None)
        if key is None or not set(key.columns) <= set(held):
            return None
        parent = target.row.database.row(key.parent, alias="parent", own=True).relation
        pairs = list(zip(key.columns, key.parent_columns, strict=True))
        same = and_(*(self.dialect.refers(old.c[mine], parent.c[theirs]) for mine, theirs in pairs))
        there = exists(select(literal(1)).select_from(parent).where(same).correlate(old))
        return found.where(*(old.c[mine].is_not(None) for mine, _ in pairs), not_(there))

    def _unchecked(self, connection: Connection) -> AbstractContextManager[None]:
        return nullcontext() if self.target.broken_reference is None else self.dialect.suspended(connection)

    def close(
        self, connection: Connection, run_id: str, verdicts: Mapping[int, tuple[str, str]], seen: Mapping[int, str]
    ) -> None:
        """Record the state and the reason of each operation of an undo."""
        failpoint("closing")
        op = self.journal.op
        back = sorted(seq for seq, (state, _) in verdicts.items() if state == "undone")
        if back:
            whole, span = chunk_of(run_id, back)
            connection.execute(self.record_statement.form(whole), span)
        for seq, (state, reason) in verdicts.items():
            if state == "undo_conflict":
                connection.execute(
                    update(op)
                    .where(op.c.run_id == run_id, op.c.seq == seq)
                    .values(state=state, reason=reason, seen=seen.get(seq), pk=self.key_text(connection, run_id, seq))
                )

    @cached_property
    def record_statement(self) -> ByRange[Update]:
        """Build the statement that sets operations to undone."""
        op = self.journal.op
        return ByRange.of(lambda whole: update(op).where(in_chunk(op, whole=whole)).values(state="undone"))

    def key_text(self, connection: Connection, run_id: str, seq: int) -> str:
        """Return the key of one operation as text for a reader."""
        image = self.target.image.c
        parts = [
            func.coalesce(self.dialect.preview(self.target.table.columns[name], key), "")
            for name, key in self.target.images("k").items()
        ]
        row = connection.execute(select(*parts).where(image.run_id == run_id, image.seq == seq)).one()
        return ", ".join(str(part) for part in row)


@contextmanager
def no_others(target: Target, connection: Connection, expected: int) -> Iterator[None]:
    """Raise `Mismatch` where more than the `expected` rows are written inside the block.

    Another row can be written by a function that a constraint or index of the table calls, or by a foreign key's action
    (CASCADE) that the account could not see.
    """
    if not (target.table.calls_functions or target.row.dialect.counts_rows):
        yield
        return
    before = target.row.dialect.rows_written(connection)
    yield
    if more := target.row.dialect.rows_written(connection) - before - expected:
        by = f"a function that a rule of {target.table.name} calls" if target.table.calls_functions else "the engine"
        raise Mismatch(f"{by} wrote {more} other rows")
