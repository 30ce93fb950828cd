"""Executes a run: chunk after chunk, with exclusive ownership, retries of transient errors, and a circuit breaker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any

from sqlalchemy.exc import DBAPIError

from trueup.errors import Fenced, Stopped
from trueup.journal.failpoints import failpoint
from trueup.journal.journal import UNDOABLE, Journal
from trueup.plan.file import Op, PlanFile
from trueup.results import Progress
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.write.apply_chunk import Moved
from trueup.write.pace import TRIES, Breaker, Pace, Throttle, backoff
from trueup.write.phases import Apply, Item, Phase, Undo, UndoOp
from trueup.write.session import Session
from trueup.write.target import Target
from trueup.write.undo_chunk import Mismatch

STATEMENT_SECONDS = 5.0
#: How often a chunk waits for locks before its locked rows are left as busy.
TRIES_LOCKED = 3
CHANGED = "a table changed its shape while the run was going on; nothing of this chunk was kept"


class Runner:
    """Executes one run in this process. `bind` creates the targets of the groups on a live connection."""

    def __init__(
        self,
        store: SqlStore,
        run_id: str,
        bind: Callable[[SqlDatabase], Mapping[int, Target]],
        progress: Progress,
        pause_file: str = "",
    ) -> None:
        self.store, self.run_id, self.bind = store, run_id, bind
        self.journal = Journal(store)
        self.progress = progress
        self.session = Session(self.journal, run_id, self._bind, progress)
        self.breaker = Breaker()
        self.pace = Pace(store.dialect.chunk_seconds, store.dialect.nice)
        self.throttle = Throttle(store, self.journal, run_id, pause_file, progress)
        self.applying, self.undoing = Apply(self.session), Undo(self.session)
        self.busy: list[Any] = []
        self.targets: Mapping[int, Target] = {}
        self._stamp = ""

    def close(self) -> None:
        """Close the connection."""
        self.session.close()

    def _bind(self, database: SqlDatabase) -> None:
        self.targets = self.bind(database)
        self.store.dialect.outlast_alter(database.connection, [target.row.table for target in self.targets.values()])
        self._stamp = self._measure(database)
        for phase in (self.applying, self.undoing):
            phase.bind(self.targets)

    def _measure(self, database: SqlDatabase) -> str:
        """Return the schema stamp of the bound tables. Every chunk compares the stamp with the current one."""
        tables = {target.row.table.name: target.row.table for target in self.targets.values()}
        stamp = self.store.dialect.schema_stamp(database.connection, list(tables.values()))
        database.forget()
        if any(database.table(name).facts != table.facts for name, table in tables.items()):
            raise Stopped(CHANGED)
        return stamp

    def _same_schema(self) -> None:
        tables = {target.row.table.name: target.row.table for target in self.targets.values()}
        if self.store.dialect.schema_stamp(self.session.connection, list(tables.values())) != self._stamp:
            raise Stopped(CHANGED)

    def apply(self, plan: PlanFile) -> str:
        """Apply the open operations of a plan. Returns why it stopped early, or ''."""
        self.session.take(self.applying.state)
        todo = self._open_ops(plan)
        stop = ""
        while not stop:
            batch = list(islice(todo, self.pace.size()))
            if not batch:
                break
            self.throttle.wait()
            stop = self.breaker.saw(self.carry(batch, self.applying).values())
            self.progress.advance(len(batch))
        again, self.busy = iter(self.busy), []
        while not stop and (batch := list(islice(again, self.pace.size()))):
            stop = self.breaker.saw(self.carry(batch, self.applying).values())
        if self.busy and not stop:
            stop = f"{len(self.busy)} rows stayed locked by the application; apply again to retry them"
        return stop

    def _open_ops(self, plan: PlanFile) -> Iterator[Op]:
        spans = self._intervals()
        at = 0
        for op in plan.ops():
            while at < len(spans) and spans[at][1] < op.seq:
                at += 1
            if at < len(spans) and spans[at][0] <= op.seq:
                self.progress.advance(1)
            else:
                yield op

    def _intervals(self, *states: str) -> list[tuple[int, int, int]]:
        return self.session.run_owned(lambda: self.journal.intervals(self.session.connection, self.run_id, *states))

    def undo(self) -> str:
        """Undo the applied operations, newest first. Returns why it stopped early, or ''."""
        self.session.take(self.undoing.state)
        left = self._undo_left()
        # an operation left as busy may have been applied after later ones of its row: undo it first, and those next
        while self._meet and left and (now := self._undo_left()) < left:
            left = now
        stuck = len(self.busy)
        return f"{stuck} rows stayed locked by the application; undo again to retry them" if stuck else ""

    @property
    def _meet(self) -> bool:
        """Whether two operations of the run may concern one row."""
        places = [target.table.place for target in self.targets.values()]
        return len(set(places)) < len(places)

    def _undo_left(self) -> int:
        """Undo the applied operations, newest first. Returns the number of operations that were not undone."""
        self.busy = []
        spans = reversed(self._intervals(*UNDOABLE))
        self._undo_all(UndoOp(seq, group) for first, last, group in spans for seq in range(last, first - 1, -1))
        again, self.busy = self.busy, []
        self._undo_all(again)
        return sum(last - first + 1 for first, last, _ in self._intervals(*UNDOABLE))

    def _undo_all(self, ops: Iterable[UndoOp]) -> None:
        for _, alike in groupby(ops, key=self.undoing.checks_references):
            while some := list(islice(alike, self.pace.size())):
                self.throttle.wait()
                before = len(self.busy)
                self.carry(some, self.undoing)
                self.progress.advance(len(some) - (len(self.busy) - before))

    def carry(self, ops: Sequence[Item], phase: Phase[Item]) -> dict[int, str]:
        """Carry out `ops` in one transaction, or in several where it is retried or split in halves.

        An operation that fails alone is given up or left as busy. Returns the state of each operation by its seq.
        """
        moved = ""
        for number in range(1, TRIES + 1):
            self.pace.rest()  # before anything is read: nothing is held open meanwhile
            if number > TRIES_LOCKED or (number == 1 and self.busy):
                ops = self._without_locked(ops, phase)
            # a session that ended during COMMIT may have committed
            if not ops or (number > 1 and not (ops := self._still_open(ops, phase))):
                return {}
            phase.prepare(ops)
            try:
                return self._transaction(phase.name, ops, phase.work)
            except Mismatch as error:
                return self._give_up(ops, phase, str(error))
            except Moved as error:  # only an apply looks at other rows
                moved = str(error)
            except DBAPIError as error:
                if not self.session.lost(error):
                    if self.store.dialect.exhausted(error):
                        raise  # no operation is at fault: the run can be resumed when there is room again
                    if not self.store.dialect.retryable(error):
                        return self._give_up(ops, phase, self.store.dialect.describe(error))
                    self.pace.halve()
                    time.sleep(backoff(number))
        if moved:
            return self._give_up(ops, phase, moved)
        if len(ops := self._still_open(ops, phase)) <= 1:
            self.busy.extend(ops)
            return {}
        return self._halves(ops, phase)

    def _give_up(self, ops: Sequence[Item], phase: Phase[Item], reason: str) -> dict[int, str]:
        """Split a chunk that cannot be carried out in halves until one operation is left, and give that one up."""
        if len(ops) > 1:
            return self._halves(ops, phase)
        (op,) = ops

        def give_up() -> dict[int, str]:
            if not self._still_open(ops, phase):
                return {}
            return self._transaction(phase.name, ops, lambda number, _: phase.give_up(number, op, reason))

        return self.session.run_owned(give_up)

    def _halves(self, ops: Sequence[Item], phase: Phase[Item]) -> dict[int, str]:
        middle = len(ops) // 2
        return self.carry(ops[:middle], phase) | self.carry(ops[middle:], phase)

    def _without_locked(self, ops: Sequence[Item], phase: Phase[Item]) -> list[Item]:
        """Return the operations whose rows no other transaction has locked; leave the others as busy."""
        if self.store.dialect.single_writer:
            return list(ops)
        busy = self.session.run_owned(lambda: phase.locked(ops))
        self.busy.extend(busy)
        if len(busy) == len(ops):
            self.pace.skipped()
        return [item for item in ops if item not in busy]

    def _still_open(self, ops: Sequence[Item], phase: Phase[Item]) -> list[Item]:
        return self.session.run_owned(lambda: phase.still_open(ops))

    def _transaction(
        self, name: str, ops: Sequence[Any], work: Callable[[int, Sequence[Any]], dict[int, str]]
    ) -> dict[int, str]:
        connection, dialect = self.session.connection, self.store.dialect
        began = time.perf_counter()
        try:
            with dialect.deadline(connection, STATEMENT_SECONDS):
                dialect.begin(connection)
                failpoint("begun")
                run = self.journal.hold(connection, self.run_id, self.session.fence)
                failpoint("held")
                if run["state"] != self.session.state:
                    raise Fenced(f"run {self.run_id} is {run['state']} now; this process stops")
                states = work(run["chunks"] + 1, ops)
                self._same_schema()
                self.journal.seal(connection, run, name, states)
                dialect.finish(connection)
                worked = time.perf_counter() - began
                failpoint("committing")
                connection.commit()
                failpoint("committed")
        except BaseException:
            # InnoDB rolls back only the statement on a lock timeout: a COMMIT now would keep half a chunk
            if not connection.invalidated:
                connection.rollback()
            raise
        # the disk time of a COMMIT is the same for one row and for a thousand: it must not shrink the chunks
        self.pace.took(len(ops), worked)
        self.pace.rest_after(time.perf_counter() - began)
        return states
