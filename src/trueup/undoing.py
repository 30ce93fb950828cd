"""One transaction of an undo: lock, compare, give back, prove, record. The counterpart of `writer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import Connection, Insert, Select, Update, and_, exists, func, insert, literal, not_, select, update

from trueup.failpoints import failpoint
from trueup.journal import Journal
from trueup.target import FIRST, LAST, RUN, SEQS, Target, in_chunk
from trueup.writer import Mismatch

T = TypeVar("T")


class UndoChunk:
    """The steps of one transaction for operations of one target. Each statement is built once and run every chunk."""

    def __init__(self, journal: Journal, target: Target) -> None:
        self.journal = journal
        self.target = target
        self.dialect = journal.store.dialect

    def undo(self, connection: Connection, run_id: str, seqs: Sequence[int]) -> dict[int, str]:
        """Give back what the operations `seqs` (ascending) found, where the row still shows what they wrote.

        Returns the state each came to; commits nothing.
        """
        if self.target.group.action == "delete":
            return self.bring_back(connection, run_id, seqs)
        before = self.current(connection, run_id, seqs)
        states = {
            seq: "undone" if seq in before and before[seq][0] == before[seq][2] else "undo_conflict" for seq in seqs
        }
        back = [seq for seq in seqs if states[seq] == "undone"]
        if back:
            whole, span = chunk_of(run_id, back)
            written = connection.execute(self.giving[whole], span).rowcount
            failpoint("given back")
            if written != len(back):
                raise Mismatch(f"{written} rows were given back where {len(back)} were locked")
            now = self.current(connection, run_id, back)
            if any(now[seq][0] != now[seq][3] or now[seq][1] != before[seq][1] for seq in back):
                raise Mismatch("a row given back does not show its old value, or another column changed")
        self.close(connection, run_id, states, {seq: facts[0] for seq, facts in before.items()})
        return states

    def current(self, connection: Connection, run_id: str, seqs: Sequence[int]) -> dict[int, tuple[str, str, str, str]]:
        """Lock the rows of `seqs`: their digest, that of their other columns, and the planned after and before."""
        whole, span = chunk_of(run_id, seqs)
        rows = connection.execute(self.reading[whole], span)
        return {int(seq): (now, rest, after, before) for seq, now, rest, after, before in rows}

    @cached_property
    def reading(self) -> tuple[Select[Any], Select[Any]]:
        """The statement of `current`."""
        target, row, image = self.target, self.target.row, self.target.image.c
        found = select(
            image.seq,
            row.digest(target.touched),
            row.digest(target.rest) if target.rest else literal(""),
            image.after_digest,
            image.before_digest,
        ).select_from(target.image.join(row.relation, target.same_key()))
        return both(lambda whole: self.dialect.locked(found.where(target.in_chunk(whole=whole)), row.relation))

    @cached_property
    def giving(self) -> tuple[Update, Update]:
        """The statement that sets the touched columns, and no others, to their images."""
        target, columns = self.target, self.target.row.relation.c
        values: dict[Any, Any] = {
            columns[name]: target.held(f"b{i}", name) for i, name in enumerate(target.group.columns)
        }
        back = update(target.table.sql).values(values | target.kept()).where(target.same_key())
        return both(lambda whole: back.where(target.in_chunk(whole=whole)))

    # -- rows in quarantine ---------------------------------------------------------------------------------------
    def bring_back(self, connection: Connection, run_id: str, seqs: Sequence[int]) -> dict[int, str]:
        """Put quarantined rows back where their key is free; the engine's own constraints decide the rest."""
        taken = set(self.current(connection, run_id, seqs))
        back = [seq for seq in seqs if seq not in taken]
        if back:
            whole, span = chunk_of(run_id, back)
            connection.execute(self.restoring[whole], span)
            failpoint("brought back")
            now = self.current(connection, run_id, back)
            if any(seq not in now or now[seq][0] != now[seq][3] for seq in back):
                raise Mismatch("a row brought back does not show its old values")
            for parent, counting in self.parents.items():
                if connection.execute(counting[whole], span).scalar_one():
                    raise Mismatch(f"the row of {parent} that it refers to is gone")
        states = {seq: "undo_conflict" if seq in taken else "undone" for seq in seqs}
        self.close(connection, run_id, states, {})
        return states

    @cached_property
    def restoring(self) -> tuple[Insert, Insert]:
        """The statement that inserts the rows again."""
        target, columns = self.target, self.target.row.relation.c
        into = self.dialect.restoring(insert(target.table.sql))
        rows = select(*(target.held(f"b{i}", name) for i, name in enumerate(target.touched)))
        names = [columns[name] for name in target.touched]
        return both(lambda whole: into.from_select(names, rows.where(target.in_chunk(whole=whole))))

    @cached_property
    def parents(self) -> dict[str, tuple[Select[Any], Select[Any]]]:
        """By table referred to: how many of the rows brought back refer to a row that is not there.

        They may refer to nothing only where they did before, which is by the check's own columns.
        """
        target, live = self.target, self.target.row.relation
        counted = {}
        for reference in target.table.references if target.was_orphan else ():
            if set(reference.columns) & set(target.check.columns):
                continue
            parent = target.row.database.row(reference.parent, alias="parent").relation
            pairs = list(zip(reference.columns, reference.parent_columns, strict=True))
            found = exists(
                select(literal(1))
                .select_from(parent)
                .where(and_(*(parent.c[theirs] == live.c[mine] for mine, theirs in pairs)))
                .correlate(live)
            )
            lost = (
                select(func.count())
                .select_from(target.image.join(live, target.same_key()))
                .where(*(live.c[mine].is_not(None) for mine, _ in pairs), not_(found))
            )
            counted[reference.parent] = both(lambda whole, lost=lost: lost.where(target.in_chunk(whole=whole)))  # type: ignore[misc]
        return counted

    # -- the record -----------------------------------------------------------------------------------------------
    def close(
        self, connection: Connection, run_id: str, states: Mapping[int, str], seen: Mapping[int, str], reason: str = ""
    ) -> None:
        """Enter the outcome of an undo."""
        if reason:
            self.journal.stop_unless_whole(connection, self.target.image)
        failpoint("closing")
        op = self.journal.op
        back = sorted(seq for seq, state in states.items() if state == "undone")
        if back:
            whole, span = chunk_of(run_id, back)
            connection.execute(self.recording[whole], span)
        for seq, state in states.items():
            if state == "undo_conflict":
                gone = "the row is gone, or its key is taken" if seq not in seen else ""
                text = reason or gone or "the application changed the row after the run; its value is kept"
                connection.execute(
                    update(op)
                    .where(op.c.run_id == run_id, op.c.seq == seq)
                    .values(state=state, reason=text, seen=seen.get(seq), pk=self.key_text(connection, run_id, seq))
                )

    @cached_property
    def recording(self) -> tuple[Update, Update]:
        """The statement that enters operations as undone."""
        op = self.journal.op
        return both(lambda whole: update(op).where(in_chunk(op, whole=whole)).values(state="undone"))

    def key_text(self, connection: Connection, run_id: str, seq: int) -> str:
        """The key of one operation, for a reader."""
        relation = self.target.image.alias("i")
        parts = [
            func.coalesce(self.dialect.preview(self.target.table.columns[name], relation.c[f"k{i}"]), "")
            for i, name in enumerate(self.target.table.key)
        ]
        row = connection.execute(select(*parts).where(relation.c.run_id == run_id, relation.c.seq == seq)).one()
        return ", ".join(str(part) for part in row)


def chunk_of(run_id: str, seqs: Sequence[int]) -> tuple[bool, dict[str, Any]]:
    """Whether `seqs` (ascending) is a range without gaps, and the parameters of the statements for that case."""
    whole = seqs[-1] - seqs[0] + 1 == len(seqs)
    return whole, {RUN: run_id} | ({FIRST: seqs[0], LAST: seqs[-1]} if whole else {SEQS: list(seqs)})


def both(make: Callable[[bool], T]) -> tuple[T, T]:
    """A statement for operations one by one, and for a range of them: `statement[whole]` is the one that fits."""
    return make(False), make(True)
