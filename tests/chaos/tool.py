"""The process that gets killed: trueup's own verbs, at a pace that makes a run last."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from typing import Any

from tests.chaos import planted
from trueup import pace, run
from trueup.config import load_config
from trueup.errors import TrueupError
from trueup.results import Silent

#: Operations in a transaction, and seconds of rest after each: a run of some hundred takes a second or two.
CHUNKS = (1, 3, 6)
REST = 0.004


class Told(Silent):
    """Tells the other end of a pipe, once, that the first chunk is done."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._told = False

    def advance(self, count: int) -> None:
        if not self._told:
            self._pipe.send(("begun", ""))
        self._told = True


def slow_down() -> None:
    """Make many small chunks; and let no breaker end a run whose conflicts are the point of it."""
    pace.RAMP, pace.LARGEST = CHUNKS, CHUNKS[-1]
    pace.CONFLICTS = pace.BLOCKED = 10**9
    pace.Pace.rest = lambda self, seconds: time.sleep(REST)  # type: ignore[method-assign]  # the point of it


def work(verb: str, config: str, plan: str, bug: str, pipe: Connection) -> None:
    """`plan`, `apply` or `undo`; the last message is ("done", state, reason) or ("error", text)."""
    try:
        slow_down()
        if bug:
            planted.plant(bug)
        pipe.send(("done", *_verb(verb, config, plan, Told(pipe))))
    except TrueupError as error:
        pipe.send(("error", f"{type(error).__name__}: {error}"))
    except Exception as error:  # noqa: BLE001  # whatever escapes is a fault for the report
        pipe.send(("crash", f"{type(error).__name__}: {error}"[:500]))


def _verb(verb: str, path: str, plan: str, told: Any) -> tuple[str, str]:
    config = load_config(path)
    if verb == "plan":
        return "planned", str(run.make_plan(config, plan, because="chaos").summary.count)
    if verb == "apply":
        report = run.apply(config, plan, confirm="yes", because="chaos", progress=told)
    else:
        report = run.undo(config, "last", confirm="yes", progress=told)
    return report.state, report.reason
