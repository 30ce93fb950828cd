"""Bugs of one transaction: what commits together, what is compared, what is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, Insert, String, bindparam, insert, literal, select, update

from tests.chaos.bugs.planting import Bug, swap
from trueup.plan.file import Op
from trueup.sql.reading import Stage
from trueup.stores.sql import close_quietly
from trueup.write.apply_chunk import Chunk
from trueup.write.runner import Runner
from trueup.write.target import CHUNK, FIRST, LAST, RUN
from trueup.write.undo_chunk import UndoChunk
from trueup.write.verdict import Shown

#: Seconds that a tool of this kind takes from reading a batch to writing it.
READING = 0.05

#: Seconds that a commit takes on a disk; the servers of the tests do without one.
COMMIT = 0.01

#: The second half of a chunk whose transaction was cut in two.
LATER: list[Callable[[], Any]] = []

Work = Callable[[int, Sequence[Any]], dict[int, str]]


def journal_after() -> None:
    """The data commits first; what was done is recorded in a transaction of its own."""
    swap(Chunk, "apply", halved_apply(data_first=True))
    two_transactions("apply", seal_first=False)


def journal_before() -> None:
    """The journal commits first, the data in a transaction of its own."""
    swap(Chunk, "apply", halved_apply(data_first=False))
    two_transactions("apply", seal_first=True)


def undo_journal_after() -> None:
    """The undo of the data commits first; what was undone is recorded in a transaction of its own."""
    plain = UndoChunk.close
    swap(UndoChunk, "close", lambda *rest: LATER.append(partial(plain, *rest)))
    two_transactions("undo", seal_first=False)


def no_compare() -> None:
    """A row is written whatever it holds by now."""

    def copy_statement(self: Chunk, stage: Stage) -> Insert:
        target, row, columns = self.target, self.target.row, stage.relation.c
        new = target.repair.sets(row)
        found = select(
            bindparam(RUN, type_=String),
            columns.seq,
            columns.before,
            columns.after,
            literal(""),
            row.digest(target.table.key),
            *(row.relation.c[name] for name in [*target.table.key, *target.touched]),
            *(self.dialect.cast(new[name], row.column(name)) for name in target.group.columns),
        ).select_from(self.staged(stage))
        names = [column.name for column in target.image.c]
        return insert(target.image).from_select(names, self.dialect.locked(found, row.relation))

    swap(Chunk, "copy_statement", copy_statement)
    swap(Chunk, "prove", lambda *_: None)


def whole_row() -> None:
    """Rows are read before they are locked, and written back whole."""
    plain = Runner._transaction

    def transaction(self: Runner, phase: str, ops: Sequence[Any], work: Work) -> dict[int, str]:
        if phase != "apply":
            return plain(self, phase, ops, work)
        table = next(iter(self.targets.values())).table.sql
        connection = self.store.open()
        try:
            rows = connection.execute(select(table).where(table.c.id.in_([int(op.key[0]) for op in ops]))).mappings()
            read = {row["id"]: {name: row[name] for name in row if name not in ("id", "metadata")} for row in rows}
        finally:
            close_quietly(connection)
        time.sleep(READING)

        def write_back(number: int, some: Sequence[Op]) -> dict[int, str]:
            states = work(number, some)
            for op in some:
                if states[op.seq] == "applied":
                    key = int(op.key[0])
                    self.session.connection.execute(update(table).where(table.c.id == key).values(read[key]))
            return states

        return plain(self, phase, ops, write_back)

    swap(Runner, "_transaction", transaction)


def blind_undo() -> None:
    """A row is given back whatever it holds by now."""
    plain = UndoChunk.current

    def current(self: UndoChunk, *rest: Any) -> Mapping[int, Shown]:
        return {seq: replace(one, after=one.digest) for seq, one in plain(self, *rest).items()}

    swap(UndoChunk, "current", current)


def halved_apply(*, data_first: bool) -> Callable[..., dict[int, str]]:
    """`Chunk.apply` that puts off either the data or the record of it."""

    def apply(self: Chunk, connection: Connection, run_id: str, chunk: int, ops: Sequence[Op]) -> dict[int, str]:
        span = {RUN: run_id, FIRST: ops[0].seq, LAST: ops[-1].seq}
        copied = self.copy(connection, span, ops)
        states = {} if copied == len(ops) else self.classify(connection, span, chunk, ops)
        expected = len(ops) - len(states)

        def data() -> None:
            self.write(connection, span, expected)

        def journal() -> None:
            connection.execute(self.record, {**span, CHUNK: chunk})

        if expected:
            now, then = (data, journal) if data_first else (journal, data)
            now()
            LATER.append(then)
        return {op.seq: states.get(op.seq, "applied") for op in ops}

    return apply


def two_transactions(phase: str, *, seal_first: bool) -> None:
    """Commit in the middle of every chunk of a phase, and do what stands in `LATER` after that."""
    plain = Runner._transaction

    def transaction(self: Runner, now: str, ops: Sequence[Any], work: Work) -> dict[int, str]:
        if now != phase:
            return plain(self, now, ops, work)
        LATER.clear()
        connection = self.session.connection
        try:
            self.store.dialect.begin(connection)
            run = self.journal.hold(connection, self.run_id, self.session.fence)
            states = work(run["chunks"] + 1, ops)
            if seal_first:
                self.journal.seal(connection, run, phase, states)
            connection.commit()
            time.sleep(COMMIT)
            for step in LATER:
                step()
            if not seal_first:
                run = self.journal.hold(connection, self.run_id, self.session.fence)
                self.journal.seal(connection, run, phase, states)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        self.pace.took(len(ops), 0.01)
        self.pace.rest_after(0.01)
        return states

    swap(Runner, "_transaction", transaction)


BUGS = {
    "journal_after": Bug(journal_after, "kills", verb="apply", killed=True),
    "journal_before": Bug(journal_before, "kills", verb="apply", killed=True, rounds=15),
    "undo_journal_after": Bug(undo_journal_after, "kills", verb="undo", killed=True, rounds=15),
    "no_compare": Bug(no_compare, "kills", verb="apply"),
    "whole_row": Bug(whole_row, "kills", verb="apply"),
    "blind_undo": Bug(blind_undo, "kills", verb="undo"),
}
