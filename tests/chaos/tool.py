"""The process that gets killed: trueup's own verbs, at a pace that makes a run last, stopped at the points told."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg  # noqa: F401  # what each process would import anew
import pymysql  # noqa: F401
import sqlalchemy.dialects.mysql
import sqlalchemy.dialects.postgresql
import sqlalchemy.dialects.sqlite  # noqa: F401
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.chaos.bugs import plant
from tests.chaos.disk import Recorder
from trueup import discovery, run
from trueup.config.config import load_config
from trueup.errors import PlanError, TrueupError
from trueup.journal import failpoints
from trueup.plan import planner
from trueup.results import Silent
from trueup.verbs.guard import guard
from trueup.write import pace, runner

for name in discovery.names("checks"):
    discovery.load("checks", name, object)
for name in discovery.names("engines"):
    discovery.load("engines", name, object, "dialect")

#: Operations in a transaction, and seconds of rest after each: a run of some hundred takes a second or two.
CHUNKS = (1, 3, 6)
REST = 0.004


@dataclass(frozen=True, slots=True)
class Order:
    """What a process of the tool is to do.

    `point` is a failpoint (or `any`), `hit` which passing of it counts (0: each), `act` what happens there: `kill`;
    `stop` (SIGSTOP); `hold`, which says ("at", point) and goes on when it is answered.
    """

    verb: str
    config: str
    plan: str
    bug: str = ""
    point: str = ""
    hit: int = 1
    act: str = "kill"
    chunks: tuple[int, int, int] = CHUNKS
    rest: float = REST
    #: Tries before a row counts as locked for good; 0 for as many as usual.
    tries: int = 0
    #: Keep the breaker that ends a run with many conflicts.
    breaker: bool = False
    #: Seconds by which this machine's clock seems wrong.
    clock: float = 0.0
    #: Hours that a plan made now may be used.
    hours: float = 24
    #: A file for what SQLite did to its files, and each commit.
    record: str = ""


class Told(Silent):
    """Tells the other end of a pipe, once, that the first chunk is done."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._told = False

    def advance(self, count: int) -> None:
        if not self._told:
            self._pipe.send(("begun", ""))
        self._told = True


def slow_down(order: Order) -> None:
    """Make many small chunks; and let no breaker end a run whose conflicts are the point of it."""
    pace.RAMP, pace.LARGEST = order.chunks, order.chunks[-1]
    if not order.breaker:
        pace.CONFLICTS = pace.BLOCKED = 10**9
    if order.tries:
        vars(runner)["TRIES"] = order.tries
    pace.Pace.rest = lambda self: time.sleep(order.rest)  # type: ignore[method-assign]  # the point of it


def watch(order: Order, pipe: Connection) -> Recorder | None:
    """Act when the ordered point is passed for the ordered time."""
    passed: Counter[str] = Counter()
    recorder = Recorder(Path(order.record).parent / "disk") if order.record else None

    def at(name: str) -> None:
        if recorder and name == "committed":
            recorder.mark(name)
        if order.point not in (name, "any"):
            return
        passed[order.point] += 1
        if order.hit not in (0, passed[order.point]):
            return
        if order.act == "hold":
            pipe.send(("at", name))
            pipe.recv()
        else:
            os.kill(os.getpid(), signal.SIGKILL if order.act == "kill" else signal.SIGSTOP)

    if order.point or recorder:
        failpoints.action = at
    return recorder


def work(order: Order, pipe: Connection) -> None:
    """Carry an order out; the last message is ("done", state, facts) or ("error", text) or ("crash", text).

    Before it comes ("errors", what the database refused, by kind).
    """
    refused = count_errors()
    try:
        slow_down(order)
        shift_clock(order.clock)
        if order.bug:
            plant(order.bug)
        recorder = watch(order, pipe)
        last: tuple[str, ...] = ("done", *VERBS[order.verb](order, Told(pipe)))
        if recorder:
            Path(order.record).write_bytes(pickle.dumps(recorder.events))
    except TrueupError as error:
        last = ("error", f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001  # whatever escapes is a fault for the report
        last = ("crash", f"{type(error).__name__}: {error}"[:500])
    pipe.send(("errors", refused))
    pipe.send(last)


#: What drivers say when a transaction was not lucky: SQLSTATE, InnoDB's number, SQLite's code.
UNLUCKY = {
    "40P01": "deadlocks",
    1213: "deadlocks",
    "55P03": "lock timeouts",
    1205: "lock timeouts",
    sqlite3.SQLITE_BUSY: "lock timeouts",
}


def count_errors() -> Counter[str]:
    """Counts, from now on, what the database refuses this process: deadlocks, lock timeouts, lost sessions."""
    refused: Counter[str] = Counter()

    def seen(context: Any) -> None:
        error = context.original_exception
        codes = (getattr(error, "sqlstate", None), getattr(error, "sqlite_errorcode", None), *error.args[:1])
        for code in codes:
            if isinstance(code, str | int) and code in UNLUCKY:
                refused[UNLUCKY[code]] += 1
        if context.is_disconnect:
            refused["lost sessions"] += 1

    event.listen(Engine, "handle_error", seen)
    return refused


def shift_clock(seconds: float) -> None:
    """Set this process's clock wrong, as far as Python looks at it."""
    if seconds:
        right = time.time
        time.time = lambda: right() + seconds


def _plan(order: Order, _: Told) -> tuple[str, str]:
    config = load_config(order.config)
    planner.HOURS = order.hours  # type: ignore[assignment]  # hours that are over at once
    return "planned", str(run.make_plan(config, order.plan, because="chaos", accept_rate=_all(config)).summary.count)


def _all(config: Any) -> list[str]:
    return [check.title for check in config.checks]


def _scan(order: Order, _: Told) -> tuple[str, str]:
    found = run.scan(load_config(order.config))
    return "scanned", " ".join(f"{result.status}:{result.findings}" for result in found.results)


def _apply(order: Order, told: Told) -> tuple[str, str]:
    report = run.apply(load_config(order.config), order.plan, confirm="yes", because="chaos", progress=told)
    return report.state, report.reason


def _undo(order: Order, told: Told) -> tuple[str, str]:
    # the application here counts in the rows that are mended, and gives no key to another row
    report = run.undo(load_config(order.config), "last", confirm="yes", edited=True, progress=told)
    return report.state, report.reason


def _recover(order: Order, told: Told) -> tuple[str, str]:
    reports = run.recover(load_config(order.config), confirm="yes", progress=told)
    return ",".join(report.state for report in reports), "; ".join(report.reason for report in reports)


def _flips(order: Order, _: Told) -> tuple[str, str]:
    """How often a plan with one byte flipped, or cut off after one byte, was taken as it is, and how often tried."""
    path, whole, tried, taken = Path(order.plan), Path(order.plan).read_bytes(), 0, []
    for at in range(len(whole)):
        bit = 1 << (at * 7 + order.hit) % 8
        for spoilt in (whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :], whole[:at]):
            path.write_bytes(spoilt)
            tried += 1
            try:
                run.read_plan(order.plan)
            except PlanError:
                continue
            taken.append(at)
    path.write_bytes(whole)
    return str(tried), f"bytes {taken[:20]}" if taken else ""


def _guard(order: Order, _: Told) -> tuple[str, str]:
    report = guard(load_config(order.config), "objects", act="remove" if order.verb == "unguard" else "apply")
    return report.act, ""


def _verify(order: Order, _: Told) -> tuple[str, str]:
    seen = run.verify(load_config(order.config), "last")
    return "sound" if seen.sound else "unsound", "; ".join(seen.problems)


VERBS: dict[str, Callable[[Order, Told], tuple[str, str]]] = {
    "plan": _plan,
    "scan": _scan,
    "apply": _apply,
    "undo": _undo,
    "recover": _recover,
    "verify": _verify,
    "flips": _flips,
    "guard": _guard,
    "unguard": _guard,
}
