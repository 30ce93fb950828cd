"""Carries a run through: chunk after chunk, alone, retried when only unlucky, stopped when the plan no longer fits."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from trueup.errors import Fenced, Stopped, StoreError
from trueup.journal.failpoints import failpoint
from trueup.journal.journal import UNDOABLE, Journal
from trueup.plan.file import Op, PlanFile
from trueup.results import Progress
from trueup.stores.sql import SqlDatabase, SqlStore, with_quiet_close
from trueup.write.apply_chunk import Chunk, Moved
from trueup.write.pace import TRIES, Breaker, Pace, Throttle, backoff
from trueup.write.target import Target
from trueup.write.undo_chunk import Mismatch, UndoChunk

T = TypeVar("T")
STATEMENT_SECONDS = 5.0
#: So often a chunk waits for locks before those of its rows that are locked are put aside.
TRIES_LOCKED = 3
CHANGED = "a table changed its shape while the run was going on; nothing of this chunk was kept"


class Runner:
    """One process's work on one run. `bind` makes the targets of a group on a live session."""

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
        self.breaker = Breaker()
        self.pace = Pace(store.dialect.chunk_seconds, store.dialect.nice)
        self.throttle = Throttle(store, self.journal, run_id, pause_file, progress)
        self.busy: list[Any] = []
        self.connection: Connection = store.open(write=True)
        self.fence = 0
        self.state = ""
        self._owned = False  # by this session: a new one has to take the run first
        self.targets: Mapping[int, Target] = {}
        self.chunks: dict[int, Chunk] = {}
        self.undos: dict[int, UndoChunk] = {}
        self._stamp = ""
        self._enforced = True

    def close(self) -> None:
        """Give the session back."""
        with_quiet_close(self.connection)

    def take(self, state: str) -> None:
        """Own the run. Raises `Fenced` where another process has taken it over since this one did."""
        self.state, self._owned = state, False
        self.asked(lambda: None)

    def asked(self, question: Callable[[], T]) -> T:
        """What a question to the database is answered, on a new session that owns the run where the old one is lost."""
        for number in range(1, TRIES + 1):
            try:
                if not self._owned or self.connection.invalidated:
                    self._own()
                return question()
            except DBAPIError as error:
                # a lock that was not to be had is no reason to end a run either
                if number == TRIES or not (self.lost(error) or self.store.dialect.retryable(error)):
                    raise
                if not self.connection.invalidated:
                    self.connection.rollback()
                time.sleep(backoff(number))
        raise AssertionError("the last try returns or raises")

    def renew(self) -> None:
        """Open a new session where the old one is lost."""
        if self.connection.invalidated or self.connection.closed:
            with_quiet_close(self.connection)
            self.connection = self._reconnect()
            self._enforced = True

    def _own(self) -> None:
        self.renew()
        self.fence = self.journal.take(self.connection, self.run_id, self.state, since=self.fence)
        database = SqlDatabase(self.store, self.connection)
        self.targets = self.bind(database)
        self._stamp = self._measure(database)
        self.chunks = {number: Chunk(self.journal, target) for number, target in self.targets.items()}
        self.undos = {number: UndoChunk(self.journal, target) for number, target in self.targets.items()}
        self.connection.rollback()
        self._owned = True

    def _measure(self, database: SqlDatabase) -> str:
        """The shape of the tables as they were bound, in one word: the measure that every chunk is held against."""
        tables = {target.row.table.name: target.row.table for target in self.targets.values()}
        stamp = self.store.dialect.schema_stamp(self.connection, list(tables.values()))
        database.forget()
        if any(database.table(name).facts != table.facts for name, table in tables.items()):
            raise Stopped(CHANGED)
        return stamp

    def lost(self, error: DBAPIError) -> bool:
        """Whether the session is lost: the journal alone tells what was committed, and the run has to be owned anew."""
        if not (self.connection.invalidated or self.store.dialect.disconnected(error)):
            return False
        self.connection.invalidate()
        self._owned = False
        return True

    def _reconnect(self) -> Connection:
        for attempt in range(1, TRIES + 1):
            try:
                return self.store.open(write=True)
            except StoreError as error:
                self.progress.waiting(str(error))
                time.sleep(backoff(attempt + 4))
        return self.store.open(write=True)

    # -- apply ----------------------------------------------------------------------------------------------------
    def apply(self, plan: PlanFile) -> str:
        """Carry out what is still open of a plan; returns why it stopped early, or an empty string."""
        self.take("applying")
        todo = self._open_ops(plan)
        stop = ""
        while not stop:
            batch = list(islice(todo, self.pace.size()))
            if not batch:
                break
            self.throttle.wait()
            stop = self.breaker.saw(self.attempt(batch).values())
            self.progress.advance(len(batch))
        again, self.busy = iter(self.busy), []
        while not stop and (batch := list(islice(again, self.pace.size()))):
            stop = self.breaker.saw(self.attempt(batch).values())
        if self.busy and not stop:
            stop = f"{len(self.busy)} rows stayed locked by the application; apply again to retry them"
        return stop

    def _open_ops(self, plan: PlanFile) -> Iterator[Op]:
        spans = self.asked(lambda: self.journal.intervals(self.connection, self.run_id))
        at = 0
        for op in plan.ops():
            while at < len(spans) and spans[at][1] < op.seq:
                at += 1
            if at < len(spans) and spans[at][0] <= op.seq:
                self.progress.advance(1)
            else:
                yield op

    def attempt(self, ops: Sequence[Op]) -> dict[int, str]:
        """One transaction for `ops`, or as many as it takes: retried, halved, and at last blocked or left as busy."""
        moved = ""
        for number in range(1, TRIES + 1):
            if number > TRIES_LOCKED or (number == 1 and self.busy):
                ops = self._without_locked(ops, self._locked_ops)
            # what was ended in the middle of COMMIT may have been committed
            if not ops or (number > 1 and not (ops := self._still_open(ops))):
                return {}
            try:
                return self._transaction("apply", ops, self._apply)
            except Mismatch as error:
                return self._split(ops, str(error))
            except Moved as error:
                moved = str(error)
            except DBAPIError as error:
                if not self.lost(error):
                    if self.store.dialect.exhausted(error):
                        raise  # no operation is to blame: the run goes on when there is room again
                    if not self.store.dialect.retryable(error):
                        return self._split(ops, self.store.dialect.describe(error))
                    self.pace.halve()
                    time.sleep(backoff(number))
        if moved:
            return self._split(ops, moved)
        if len(ops := self._still_open(ops)) <= 1:
            self.busy.extend(ops)
            return {}
        middle = len(ops) // 2
        return self.attempt(ops[:middle]) | self.attempt(ops[middle:])

    def _without_locked(self, ops: Sequence[T], locked: Callable[[Sequence[T]], Collection[T]]) -> list[T]:
        """The operations whose rows no other transaction has locked; the others are put aside as busy."""
        if self.store.dialect.single_writer:
            return list(ops)
        busy = self.asked(lambda: locked(ops))
        self.busy.extend(busy)
        if len(busy) == len(ops):
            self.pace.skipped()
        return [item for item in ops if item not in busy]

    def _locked_ops(self, ops: Sequence[Op]) -> list[Op]:
        found: list[Op] = []
        for group, some in groupby(ops, key=lambda op: op.group):
            mine = list(some)
            seqs = self.chunks[group].locked_out(self.connection, mine)
            found += [op for op in mine if op.seq in seqs]
        self.connection.rollback()
        return found

    def _split(self, ops: Sequence[Op], reason: str) -> dict[int, str]:
        if len(ops) > 1:
            middle = len(ops) // 2
            return self.attempt(ops[:middle]) | self.attempt(ops[middle:])

        def block() -> dict[int, str]:
            if not self._still_open(ops):
                return {}
            return self._transaction("apply", ops, lambda number, some: self._block(number, some, reason))

        return self.asked(block)

    def _apply(self, number: int, ops: Sequence[Op]) -> dict[int, str]:
        states: dict[int, str] = {}
        for group, some in groupby(ops, key=lambda op: op.group):
            states |= self.chunks[group].apply(self.connection, self.run_id, number, list(some))
        return states

    def _block(self, number: int, ops: Sequence[Op], reason: str) -> dict[int, str]:
        for op in ops:
            self.chunks[op.group].block(self.connection, self.run_id, number, op, reason)
        return {op.seq: "blocked" for op in ops}

    def _still_open(self, ops: Sequence[Op]) -> list[Op]:
        done = self._entered(ops[0].seq, ops[-1].seq)
        return [item for item in ops if item.seq not in done]

    def _entered(self, first: int, last: int, *state: str) -> set[int]:
        """Which operations of an interval the journal has, in one of these states if any are given."""
        op = self.journal.op
        where = [op.c.run_id == self.run_id, op.c.seq.between(first, last), *([op.c.state.in_(state)] if state else [])]

        def read() -> set[int]:
            found = set(self.connection.execute(select(op.c.seq).where(*where)).scalars())
            self.connection.rollback()
            return found

        return self.asked(read)

    # -- one transaction --------------------------------------------------------------------------------------------
    def _transaction(
        self, phase: str, ops: Sequence[Any], work: Callable[[int, Sequence[Any]], dict[int, str]]
    ) -> dict[int, str]:
        connection, dialect = self.connection, self.store.dialect
        began = time.perf_counter()
        try:
            with dialect.deadline(connection, STATEMENT_SECONDS):
                dialect.begin(connection)
                failpoint("begun")
                run = self.journal.hold(connection, self.run_id, self.fence)
                failpoint("held")
                if run["state"] != self.state:
                    raise Fenced(f"run {self.run_id} is {run['state']} now; this process stops")
                states = work(run["chunks"] + 1, ops)
                self._same_schema()
                self.journal.seal(connection, run, phase, states)
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
        # the disk's part of a COMMIT is the same for one row and for a thousand: it must not shrink the chunks
        self.pace.took(len(ops), worked)
        self.pace.rest(time.perf_counter() - began)
        return states

    def _same_schema(self) -> None:
        tables = {target.row.table.name: target.row.table for target in self.targets.values()}
        if self.store.dialect.schema_stamp(self.connection, list(tables.values())) != self._stamp:
            raise Stopped(CHANGED)

    # -- undo -------------------------------------------------------------------------------------------------------
    def undo(self) -> str:
        """Take back what is applied, newest first; returns why it stopped early, or an empty string."""
        self.take("undoing")
        left = self._undo_left()
        # an operation that was put aside came after later ones of its row: it goes first, and they after it
        while self._meet and left and (now := self._undo_left()) < left:
            left = now
        stuck = len(self.busy)
        return f"{stuck} rows stayed locked by the application; undo again to retry them" if stuck else ""

    @property
    def _meet(self) -> bool:
        """Whether two operations of the run may be of one row."""
        places = [target.table.place for target in self.targets.values()]
        return len(set(places)) < len(places)

    def _undo_left(self) -> int:
        """Take back what is applied, newest first; returns how many operations are not taken back."""
        self.busy = []
        spans = reversed(self.asked(lambda: self.journal.intervals(self.connection, self.run_id, *UNDOABLE)))
        self._undo_all((seq, group) for first, last, group in spans for seq in range(last, first - 1, -1))
        again, self.busy = self.busy, []
        self._undo_all(again)
        left = self.asked(lambda: self.journal.intervals(self.connection, self.run_id, *UNDOABLE))
        return sum(last - first + 1 for first, last, _ in left)

    def _undo_all(self, ops: Iterable[tuple[int, int]]) -> None:
        for _, alike in groupby(ops, key=lambda op: self.targets[op[1]].broken_reference is None):
            while some := list(islice(alike, self.pace.size())):
                self.throttle.wait()
                before = len(self.busy)
                self._give_back(some)
                self.progress.advance(len(some) - (len(self.busy) - before))

    def _locked_undos(self, ops: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for group, some in groupby(ops, key=lambda op: op[1]):
            mine = list(some)
            seqs = self.undos[group].locked_out(self.connection, self.run_id, sorted(seq for seq, _ in mine))
            found += [op for op in mine if op[0] in seqs]
        self.connection.rollback()
        return found

    def _enforce(self, yes: bool) -> None:
        if yes != self._enforced:
            self.store.dialect.enforce_references(self.connection, yes)
            self._enforced = yes

    def _give_back(self, ops: Sequence[tuple[int, int]]) -> None:
        for number in range(1, TRIES + 1):
            if number > TRIES_LOCKED or (number == 1 and self.busy):
                ops = self._without_locked(ops, self._locked_undos)
            if not ops or (number > 1 and not (ops := self._still_applied(ops))):
                return
            self._enforce(self.targets[ops[0][1]].broken_reference is None)
            try:
                self._transaction("undo", ops, self._undo)
                return
            except Mismatch as error:
                self._refuse(ops, str(error))
                return
            except DBAPIError as error:
                if not self.lost(error):
                    if self.store.dialect.exhausted(error):
                        raise  # no operation is to blame: the run goes on when there is room again
                    if not self.store.dialect.retryable(error):
                        self._refuse(ops, self.store.dialect.describe(error))
                        return
                    self.pace.halve()
                    time.sleep(backoff(number))
        if len(ops := self._still_applied(ops)) <= 1:
            self.busy.extend(ops)
            return
        middle = len(ops) // 2
        self._give_back(ops[:middle])
        self._give_back(ops[middle:])

    def _refuse(self, ops: Sequence[tuple[int, int]], reason: str) -> None:
        if len(ops) > 1:
            middle = len(ops) // 2
            self._give_back(ops[:middle])
            self._give_back(ops[middle:])
            return

        def conflict(_: int, some: Sequence[tuple[int, int]]) -> dict[int, str]:
            verdicts = {seq: ("undo_conflict", reason) for seq, _ in some}
            chunk = self.undos[some[0][1]]
            # a fault of the journal is no row's fault
            self.journal.stop_unless_whole(self.connection, chunk.target.image)
            chunk.close(self.connection, self.run_id, verdicts, {})
            return {seq: state for seq, (state, _) in verdicts.items()}

        def refuse() -> None:
            if self._still_applied(ops):
                self._transaction("undo", ops, conflict)

        self.asked(refuse)

    def _undo(self, number: int, ops: Sequence[tuple[int, int]]) -> dict[int, str]:
        states: dict[int, str] = {}
        for group, some in groupby(ops, key=lambda op: op[1]):
            states |= self.undos[group].undo(self.connection, self.run_id, sorted(seq for seq, _ in some))
        return states

    def _still_applied(self, ops: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        found = self._entered(ops[-1][0], ops[0][0], *UNDOABLE)
        return [item for item in ops if item[0] in found]
