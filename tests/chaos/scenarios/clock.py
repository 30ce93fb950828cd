"""The clock of the machine that trueup runs on is wrong: only the database's clock counts."""

from __future__ import annotations

import random
import time

from tests.chaos.app import load
from tests.chaos.arena import Arena, Tally
from tests.chaos.oracle import Oracle
from tests.chaos.scripted import Scripted

SEEN = ("wrong clocks", "expired plans")
YEAR = 365 * 86400.0


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """There and back with a clock ten years ahead and one year behind; and a plan whose time is over stays so."""
    rng = random.Random(seed)
    where = f"{arena.engine}, seed {seed}"
    for clock in (10 * YEAR, -YEAR):
        start = load(arena.session, rng, 30, 9)
        arena.do("plan", clock=-clock)
        oracle = Oracle(arena.session, arena.plan, start, Scripted(arena.session))
        for verb, state in (("apply", "applied"), ("undo", "undone")):
            told = arena.do(verb, clock=clock)
            found = oracle.check()
            if told.state != state:
                found.append(f"{verb} says {told}")
            ((begun, now),) = arena.session.rows(
                f"SELECT started, {NOW[arena.engine]} FROM {arena.journal('run')} ORDER BY no DESC LIMIT 1"
            )
            if abs(int(begun) - int(now)) > 600:
                found.append(f"the run is said to have begun at {begun}, by the database it is {now}")
            tally.violations += [f"{where}, clock wrong by {clock:.0f} s: {fault}" for fault in found]
        tally.seen["wrong clocks"] += 1
    load(arena.session, rng, 30, 9)
    arena.do("plan", hours=0)
    time.sleep(2.1)
    told = arena.do("apply", clock=-YEAR)
    tally.seen["expired plans"] += 1
    if told.word != "error" or "older than a day" not in told.text:
        tally.violations.append(f"{where}: a plan whose time is over: {told}")


NOW = {
    "sqlite": "strftime('%s', 'now')",
    "postgresql": "extract(epoch FROM clock_timestamp())::bigint",
    "mysql": "UNIX_TIMESTAMP()",
    "mariadb": "UNIX_TIMESTAMP()",
}
