"""What happens around an apply: maintenance on and off, and the application's own commands."""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trueup.config.config import Maintenance
from trueup.errors import StoreError, UsageError
from trueup.output import mark
from trueup.results import Progress

#: Seconds that a command for maintenance may take.
PATIENCE = 300


def run_command(command: str, when: str, progress: Progress) -> dict[str, Any]:
    """Run one command of the application and return its exit code and duration.

    Its output may hold values and is not stored.
    """
    progress.task(f"{when}: {command}", None)
    began = time.monotonic()
    try:
        done = subprocess.run(  # noqa: S603 - the configuration's own command
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        code = done.returncode
    except OSError as error:
        raise UsageError(f"cannot run the command {command!r}: {error.strerror}") from None
    return {"command": command, "when": when, "exit": code, "milliseconds": round(1000 * (time.monotonic() - began))}


@contextmanager
def maintained(wanted: Maintenance | None, rested: dict[str, int], progress: Progress) -> Iterator[None]:
    """Keep the application in maintenance inside the block, if `wanted`. `rested` receives the times of on and off."""
    if wanted is None:
        yield
        return
    rested["on"] = int(time.time())
    with _interrupted_by_term():
        try:
            _switch(wanted, "on", progress)
            yield
        finally:
            # a second signal must not keep the application in maintenance
            _switch(wanted, "off", progress)
            rested["off"] = int(time.time())


@contextmanager
def _interrupted_by_term() -> Iterator[None]:
    """Make SIGTERM end the run after its chunk, as Ctrl-C does. By default it would end with maintenance still on."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    try:
        usual = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: whoever runs us looks after signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, usual)


def _switch(wanted: Maintenance, way: str, progress: Progress) -> None:
    """Switch maintenance `on` or `off`. Raises `StoreError`."""
    progress.task(f"maintenance {way}", None)
    if wanted.flag:
        flag = Path(wanted.flag)
        try:
            if way == "on":
                mark(flag)
            else:
                flag.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"maintenance could not be put {way}: {wanted.flag}: {error.strerror}") from None
    command = wanted.on if way == "on" else wanted.off
    if not command:
        return
    try:
        done = subprocess.run(  # noqa: S603 - the configuration's own command
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"maintenance could not be put {way}: {command!r}: {type(error).__name__}") from None
    if done.returncode:
        raise StoreError(f"maintenance could not be put {way}: {command!r} exited with {done.returncode}")
