"""Statements for the operations of a chunk, which are a range of seqs where nothing is missing, else a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from trueup.write.target import FIRST, LAST, RUN, SEQS

T = TypeVar("T")


def chunk_of(run_id: str, seqs: Sequence[int]) -> tuple[bool, dict[str, Any]]:
    """Return whether `seqs` (ascending) has no gaps, and the parameters that the statements for that case bind."""
    whole = seqs[-1] - seqs[0] + 1 == len(seqs)
    return whole, {RUN: run_id} | ({FIRST: seqs[0], LAST: seqs[-1]} if whole else {SEQS: list(seqs)})


@dataclass(frozen=True, slots=True)
class ByRange(Generic[T]):
    """A statement in two forms: `listed` for a list of seqs, `ranged` for a range of seqs without gaps."""

    listed: T
    ranged: T

    @classmethod
    def of(cls, make: Callable[[bool], T]) -> ByRange[T]:
        """Build both forms: `make(True)` makes the one for a range."""
        return cls(make(False), make(True))

    def form(self, whole: bool) -> T:
        """The form for a chunk: `whole` says that its seqs have no gaps."""
        return self.ranged if whole else self.listed
