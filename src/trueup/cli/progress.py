"""Progress on stderr: a bar on a terminal once the work has taken two seconds, else a plain line now and then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any

from typing_extensions import override

from trueup.reports._words import duration, number, safe
from trueup.results import Progress

#: Seconds of work before a bar appears, and seconds between plain lines.
PATIENCE = 2.0
EVERY = 10.0


class ProgressBar(Progress):
    """A `Progress` for people; used as a context manager around one verb. Safe to call from any thread."""

    def __init__(
        self,
        stream: IO[str] | None = None,
        *,
        patience: float = PATIENCE,
        every: float = EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._patience, self._every, self._clock = patience, every, clock
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._bar: Any = None
        self._task: Any = None
        self._label, self._reason = "", ""
        self._total: int | None = None
        self._done = 0
        self._began = clock()

    def __enter__(self) -> ProgressBar:
        self._thread = threading.Thread(target=self._watch, name="trueup-progress", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._bar is not None:
            self._bar.stop()

    @override
    def task(self, label: str, total: int | None) -> None:
        with self._lock:
            self._label, self._total, self._done, self._reason = safe(label, 60), total, 0, ""
            self._began = self._clock()
            if self._bar is not None:
                # reset() takes a total of None for the total it had
                self._bar.remove_task(self._task)
                self._add()

    @override
    def advance(self, count: int) -> None:
        with self._lock:
            self._done += count
            if self._bar is not None:
                self._bar.update(self._task, completed=self._done)

    @override
    def waiting(self, reason: str) -> None:
        with self._lock:
            self._reason = f"waiting: {safe(reason, 100)}" if reason else ""
            if self._bar is not None:
                self._bar.update(self._task, reason=self._reason)

    def _add(self) -> None:
        self._task = self._bar.add_task(self._label, total=self._total, completed=self._done, reason=self._reason)

    def _watch(self) -> None:
        if self._terminal:
            if not self._stop.wait(self._patience):
                self._draw()
            return
        while not self._stop.wait(self._every):
            with self._lock:
                line = self._line()
            if line:
                self._stream.write(line + "\n")
                self._stream.flush()

    def _line(self) -> str:
        if not self._label:
            return ""
        spent = self._clock() - self._began
        parts = [f"{self._label}: {number(self._done)}"]
        if self._total:
            parts[0] += f" of {number(self._total)}"
            if 0 < self._done < self._total:
                parts.append(f"about {duration(spent / self._done * (self._total - self._done))} left")
        if self._reason:
            parts.append(self._reason)
        return ", ".join(parts)

    def _draw(self) -> None:
        from rich import progress as rich
        from rich.console import Console

        console = Console(file=self._stream, markup=False, emoji=False, highlight=False)
        with self._lock:
            self._bar = rich.Progress(
                rich.TextColumn("{task.description}", markup=False),
                rich.BarColumn(),
                rich.MofNCompleteColumn(),
                rich.TimeRemainingColumn(),
                rich.TextColumn("{task.fields[reason]}", markup=False, style="yellow"),
                console=console,
                transient=True,
            )
            self._add()
            self._bar.start()
