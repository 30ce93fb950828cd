"""The two directions of a run, apply and undo, behind the interface that the loop of `Runner.carry` uses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

from sqlalchemy import select
from typing_extensions import override

from trueup.journal.journal import UNDOABLE
from trueup.plan.file import Op
from trueup.write.apply_chunk import Chunk
from trueup.write.session import Session
from trueup.write.target import Target
from trueup.write.undo_chunk import UndoChunk


class Operation(Protocol):
    """The part of an operation that the loop reads: its number in the plan and its group."""

    @property
    def seq(self) -> int:
        """Return the number in the plan, from 1."""
        ...

    @property
    def group(self) -> int:
        """Return the number of the group."""
        ...


class UndoOp(NamedTuple):
    """One operation of a run that is to be undone."""

    seq: int
    group: int


Item = TypeVar("Item", bound=Operation)


class Phase(ABC, Generic[Item]):
    """One direction of a run: how it works on a chunk, which operations are open or locked, how one is given up."""

    #: The name of these transactions in the journal's chain.
    name: ClassVar[Literal["apply", "undo"]]
    #: The state of the run while its operations are carried out.
    state: ClassVar[Literal["applying", "undoing"]]

    def __init__(self, session: Session) -> None:
        self.session = session
        self.journal, self.run_id = session.journal, session.run_id

    @abstractmethod
    def bind(self, targets: Mapping[int, Target]) -> None:
        """Create the chunks again for the targets of a new connection."""

    @abstractmethod
    def prepare(self, ops: Sequence[Item]) -> None:
        """Set what the connection needs before a transaction for `ops`."""

    @abstractmethod
    def still_open(self, ops: Sequence[Item]) -> list[Item]:
        """Return those of `ops` that the journal does not have as carried out."""

    @abstractmethod
    def give_up(self, number: int, op: Item, reason: str) -> dict[int, str]:
        """Record in chunk `number` that the operation `op` cannot be carried out."""

    def work(self, number: int, ops: Sequence[Item]) -> dict[int, str]:
        """Carry out `ops` as chunk `number` without committing. Returns the state of each operation by its seq."""
        states: dict[int, str] = {}
        for group, some in by_group(ops):
            states |= self._carry_out(group, number, some)
        return states

    def locked(self, ops: Sequence[Item]) -> list[Item]:
        """Return the seqs of those of `ops` whose rows another transaction has locked."""
        found: list[Item] = []
        for group, some in by_group(ops):
            seqs = self._locked_out(group, some)
            found += [op for op in some if op.seq in seqs]
        self.session.connection.rollback()
        return found

    @abstractmethod
    def _carry_out(self, group: int, number: int, ops: Sequence[Item]) -> dict[int, str]: ...

    @abstractmethod
    def _locked_out(self, group: int, ops: Sequence[Item]) -> Collection[int]: ...

    def _recorded(self, ops: Sequence[Item], *states: str) -> set[int]:
        """Return the operations from the first to the last of `ops` that the journal has, in `states` if given."""
        op, seqs = self.journal.op, [one.seq for one in ops]
        where = [op.c.run_id == self.run_id, op.c.seq.between(min(seqs), max(seqs))]
        if states:
            where.append(op.c.state.in_(states))
        found = set(self.session.connection.execute(select(op.c.seq).where(*where)).scalars())
        self.session.connection.rollback()
        return found


class Apply(Phase[Op]):
    """Applies the operations of a plan. An operation without a record is open; one that fails for good is `blocked`."""

    name = "apply"
    state = "applying"

    @override
    def bind(self, targets: Mapping[int, Target]) -> None:
        self.chunks = {number: Chunk(self.journal, target) for number, target in targets.items()}

    def prepare(self, ops: Sequence[Op]) -> None:
        """See `Phase`. An apply prepares nothing: its connection enforces foreign keys from the start."""

    @override
    def still_open(self, ops: Sequence[Op]) -> list[Op]:
        done = self._recorded(ops)
        return [op for op in ops if op.seq not in done]

    @override
    def give_up(self, number: int, op: Op, reason: str) -> dict[int, str]:
        self.chunks[op.group].block(self.session.connection, self.run_id, number, op, reason)
        return {op.seq: "blocked"}

    def _carry_out(self, group: int, number: int, ops: Sequence[Op]) -> dict[int, str]:
        return self.chunks[group].apply(self.session.connection, self.run_id, number, ops)

    def _locked_out(self, group: int, ops: Sequence[Op]) -> Collection[int]:
        return self.chunks[group].locked_out(self.session.connection, ops)


class Undo(Phase[UndoOp]):
    """Undoes operations, the newest first.

    One recorded as applied is open; one that cannot be undone is an `undo_conflict`.

    A row whose old value is a dangling reference is written while foreign keys are not enforced.
    """

    name = "undo"
    state = "undoing"

    @override
    def bind(self, targets: Mapping[int, Target]) -> None:
        self.chunks = {number: UndoChunk(self.journal, target) for number, target in targets.items()}

    def prepare(self, ops: Sequence[UndoOp]) -> None:
        """See `Phase`. All of `ops` restore a dangling reference, or none does."""
        self.session.enforce_references(self.checks_references(ops[0]))

    def checks_references(self, op: UndoOp) -> bool:
        """Whether foreign keys can stay enforced while this operation is undone."""
        return self.chunks[op.group].target.broken_reference is None

    @override
    def still_open(self, ops: Sequence[UndoOp]) -> list[UndoOp]:
        applied = self._recorded(ops, *UNDOABLE)
        return [op for op in ops if op.seq in applied]

    @override
    def give_up(self, number: int, op: UndoOp, reason: str) -> dict[int, str]:
        chunk = self.chunks[op.group]
        # an error of the journal must not be blamed on a row
        self.journal.stop_unless_whole(self.session.connection, chunk.target.image)
        chunk.close(self.session.connection, self.run_id, {op.seq: ("undo_conflict", reason)}, {})
        return {op.seq: "undo_conflict"}

    def _carry_out(self, group: int, number: int, ops: Sequence[UndoOp]) -> dict[int, str]:
        return self.chunks[group].undo(self.session.connection, self.run_id, sorted(op.seq for op in ops))

    def _locked_out(self, group: int, ops: Sequence[UndoOp]) -> Collection[int]:
        return self.chunks[group].locked_out(self.session.connection, self.run_id, sorted(op.seq for op in ops))


def by_group(ops: Iterable[Item]) -> Iterator[tuple[int, list[Item]]]:
    """Split operations into runs of neighbours of one group, each with the number of the group."""
    for group, some in groupby(ops, key=lambda op: op.group):
        yield group, list(some)
