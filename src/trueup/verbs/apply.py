"""Applying a plan with what stands around it: maintenance on and off, and the application's own commands."""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from trueup import run
from trueup.config.config import Config, Maintenance
from trueup.errors import StoreError, UsageError
from trueup.journal.remarks import remember
from trueup.output import mark
from trueup.results import Progress, RunReport, Silent

#: Seconds that a command for maintenance may take.
PATIENCE = 300


def apply(
    config: Config,
    path: str,
    *,
    confirm: str = "",
    because: str = "",
    root_cause: str = "",
    approved_by: str = "",
    maintenance: bool = False,
    progress: Progress | None = None,
) -> RunReport:
    """As `run.apply`, with `verify` commands before and after, and maintenance meanwhile; all of it kept in the run.

    Maintenance is taken off again whatever happens. A command that fails does not undo anything: it is told.
    """
    progress = progress or Silent()
    if maintenance and config.maintenance is None:
        raise UsageError("--maintenance needs 'maintenance: {on: CMD, off: CMD}' or 'maintenance: {flag: FILE}'")
    given: dict[str, Any] = {"because": because, "root_cause": root_cause, "approved_by": approved_by}
    if not confirm:
        return run.apply(config, path, **given, progress=progress)
    commands = [_run(command, "before", progress) for command in config.verify]
    rested: dict[str, int] = {}
    with _maintained(config.maintenance if maintenance else None, rested, progress):
        report = run.apply(config, path, confirm=confirm, **given, progress=progress)
    commands += [_run(command, "after", progress) for command in config.verify]
    around = {"commands": commands, "maintenance": rested}
    with run.opened(config, report.store) as store, store.connect(write=True) as connection:
        remember(store, connection, report.run_id, around)
    return replace(report, told={**report.told, **around})


def _run(command: str, when: str, progress: Progress) -> dict[str, Any]:
    """One command of the application: its exit and its seconds; what it prints may hold values, and is not kept."""
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
def _maintained(wanted: Maintenance | None, rested: dict[str, int], progress: Progress) -> Iterator[None]:
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
    """SIGTERM ends the run as Ctrl-C does, after its chunk; by default it would end it with maintenance on."""

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
