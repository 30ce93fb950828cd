"""The hash chain of a run: each chunk seals the states it gave to operations, and the journal is checked with it.

For each operation it keeps one byte with the last state in the chain, and the number of the chunk that applied it.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from trueup.codec import canonical, link

#: The final states of an operation. `busy` is not one: the next start tries a row that stayed locked again.
OP_STATES = ("applied", "conflict", "missing", "premise_gone", "already_good", "blocked", "undone", "undo_conflict")


def spans(ops: Mapping[int, str]) -> list[list[Any]]:
    """Return operations as [first, last, state]: neighbours with one state are joined."""
    found: list[list[Any]] = []
    for seq in sorted(ops):
        if found and found[-1][1] == seq - 1 and found[-1][2] == ops[seq]:
            found[-1][1] = seq
        else:
            found.append([seq, seq, ops[seq]])
    return found


def next_link(tip: str, number: int, phase: str, states: Sequence[Sequence[Any]]) -> str:
    """Return the link of chunk `number`, whose transaction set the `spans` of its operations to their states."""
    return link(tip, canonical([number, phase, states]))


class ChainCheck:
    """Checks the chain of one run from its genesis, chunk by chunk, then compares each operation with the chain."""

    def __init__(self, genesis: str, planned: int, by_group: Sequence[int]) -> None:
        self.tip = genesis
        self.chunks = 0
        self._states = bytearray(planned + 1)  # by seq: 1 + the state's place in OP_STATES; 0 is none, or was seen
        self._applied_by = array("L", [0]) * (planned + 1)
        self._bounds = list(accumulate(by_group))  # the last seq of each group

    def follow(self, chunks: Iterable[Any]) -> str:
        """Check the chunks in order. Returns a sentence that names the first chunk that fails, or ''."""
        for number, row in enumerate(chunks, 1):
            self.chunks = number
            try:
                if not self._sealed(number, row):
                    return f"chunk {row.no} of the journal is not as it was written"
            except (ValueError, TypeError, IndexError):
                return f"chunk {row.no} of the journal cannot be read"
        return ""

    def _sealed(self, number: int, row: Any) -> bool:
        """Whether the row is the next link of the chain. The states of its operations are stored for `agrees`."""
        states = json.loads(row.states)
        self.tip = next_link(self.tip, number, row.phase, states)
        if row.no != number or row.link != self.tip:
            return False
        for first, last, state in states:
            self._enter(first, last, state, number if row.phase == "apply" else None)
        return (row.first, row.last) == (states[0][0], states[-1][1])

    def _enter(self, first: int, last: int, state: str, applied_by: int | None) -> None:
        count = last - first + 1
        self._states[first : last + 1] = _byte(state) * count
        if applied_by is not None:
            self._applied_by[first : last + 1] = array("L", [applied_by]) * count

    def agrees(self, seq: int, state: str, chunk: int, group: int) -> bool:
        """Whether an operation has the state, chunk and group that the chain gave it.

        Each operation may be asked for once.
        """
        if state not in OP_STATES or not 0 < seq < len(self._states) or self._states[seq] != _byte(state)[0]:
            return False
        if chunk != self._applied_by[seq] or group != bisect_left(self._bounds, seq):
            return False
        self._states[seq] = 0
        return True

    @property
    def unseen(self) -> bool:
        """Whether the chain has operations that `agrees` was not asked for."""
        return any(self._states)


def _byte(state: str) -> bytes:
    return bytes([1 + OP_STATES.index(state)])
