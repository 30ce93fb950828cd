"""A progress bar of one line: `29/29 [00:00<00:00, 36.79quiz/s]`."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def bar(items: Iterable[T], total: int, unit: str) -> Iterator[T]:
    """Hand `items` on, drawing on stderr: always at the end, meanwhile ten times a second on a terminal."""
    began = drawn = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        if sys.stderr.isatty() and time.monotonic() - drawn > 0.1:
            drawn = time.monotonic()
            sys.stderr.write("\r" + line(done, total, drawn - began, unit))
    end = "\r" if sys.stderr.isatty() else ""
    sys.stderr.write(f"{end}{line(done, total, time.monotonic() - began, unit)}\n")


def line(done: int, total: int, spent: float, unit: str) -> str:
    """One line of the bar."""
    rate = done / spent if spent else 0.0
    left = (total - done) / rate if rate else 0.0
    return f"{done}/{total} [{_clock(spent)}<{_clock(left)}, {rate:.2f}{unit}/s]"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"
