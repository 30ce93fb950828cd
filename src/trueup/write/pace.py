"""Controls how fast a run writes beside live traffic: chunk size, sleep between chunks, pauses and the circuit breaker.

The figures are those of `docs/reliability.md`: chunks of 1, 10, 100, then as many as take `chunk_seconds`, from 100 to
1,000 (fewer for a while after somebody waited for a lock); between two of them at least 5 ms; a stop when more than 5
% of the last 200 operations were conflicts or more than 1 % could not be carried out.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from trueup.errors import StoreError
from trueup.journal.journal import Journal
from trueup.results import Progress
from trueup.stores.sql import SqlStore, close_quietly

RAMP = (1, 10, 100)
#: In smaller chunks the fixed cost of a chunk outweighs that of its rows: locks would be held longer in total.
SMALLEST = 100
LARGEST = 1000
WINDOW = 200
CONFLICTS = 10
BLOCKED = 2
TRIES = 10


class Pace:
    """Computes the size of the next chunk from how long the last chunks held their locks, and when it may begin."""

    def __init__(self, seconds: float, nice: float) -> None:
        self._target = seconds
        self._nice = nice
        self._rate = 0.0
        self._chunks = 0
        self._size = 1
        self._next = 0.0

    def size(self) -> int:
        """Return the number of operations for the next chunk."""
        return self._size

    def took(self, count: int, seconds: float) -> None:
        """Record that a chunk of `count` operations held its locks for `seconds`."""
        rate = count / max(seconds, 1e-4)
        self._rate = rate if not self._rate else 0.7 * self._rate + 0.3 * rate
        self._chunks += 1
        if self._chunks < len(RAMP):
            self._size = RAMP[self._chunks]
        else:
            wanted = int(self._rate * self._target)
            self._size = min(max(SMALLEST, wanted), LARGEST, self._size * 2 if self._chunks > len(RAMP) else LARGEST)

    def halve(self) -> None:
        """Halve the chunk size, because another session waited for a lock."""
        self._size = max(1, self._size // 2)

    def skipped(self) -> None:
        """Grow the next chunk, because no row of the last one was free to write."""
        self._size = min(self._size * 2, LARGEST)

    def rest_after(self, seconds: float) -> None:
        """Let the application have the larger share of the time: a chunk took `seconds`, and the next one waits."""
        if self._nice:
            self._next = time.monotonic() + max(0.005, self._nice * seconds)

    def rest(self) -> None:
        """Sleep until the next chunk may begin. After the last one of a run nothing sleeps."""
        if (left := self._next - time.monotonic()) > 0:
            time.sleep(left)


def backoff(attempt: int) -> float:
    """Return the seconds to wait before try `attempt` (from 1): exponential backoff with full jitter, 10 ms to 2 s."""
    return random.uniform(0.005, min(2.0, 0.01 * 2.0**attempt))  # noqa: S311 - jitter, not a secret


class Breaker:
    """Stops a run when too many of its operations no longer fit the database."""

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=WINDOW)

    def saw(self, states: Iterable[str]) -> str:
        """Count the outcomes of a chunk. Returns why the run must stop, or ''."""
        self._last.extend(states)
        conflicts = sum(state in ("conflict", "missing", "premise_gone") for state in self._last)
        blocked = self._last.count("blocked")
        if conflicts > CONFLICTS:
            return f"{conflicts} of the last {len(self._last)} rows had changed since the plan; scan and plan again"
        if blocked > BLOCKED:
            return f"{blocked} of the last {len(self._last)} rows could not be written; see trueup status"
        return ""


class Throttle:
    """Delays the next chunk while the server is busy, a replica lags, or a pause was requested.

    A person requests a pause with `trueup pause RUN`, or by creating the file `<plan>.pause`.
    """

    def __init__(self, store: SqlStore, journal: Journal, run_id: str, pause_file: str, progress: Progress) -> None:
        self._store, self._journal, self._run = store, journal, run_id
        self._file = Path(pause_file) if pause_file else None
        self._progress = progress
        self._next = 0.0

    def wait(self) -> None:
        """Wait until the next chunk may be written."""
        said = ""
        while reason := self._reason():
            if reason != said:
                self._progress.waiting(reason)
                said = reason
            time.sleep(0.5)
        if said:
            self._progress.waiting("")

    def _reason(self) -> str:
        if self._file and self._file.exists():
            return f"the file {self._file} exists"
        if time.monotonic() < self._next:
            return ""
        try:
            connection = self._store.open()
            try:
                paused = self._journal.find(connection, self._run)["paused"]
                reason = "paused; trueup resume goes on" if paused else self._store.dialect.load(connection)
            finally:
                close_quietly(connection)
        except StoreError as error:
            return f"the server's load cannot be read: {error}"
        except DBAPIError as error:
            return f"the server's load cannot be read: {self._store.dialect.describe(error)}"
        # the metrics cost a round trip of their own: once a second is enough
        self._next = 0.0 if reason else time.monotonic() + 1.0
        return reason
