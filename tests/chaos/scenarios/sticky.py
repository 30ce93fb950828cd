"""A verification failed: the run is not carried on as if nothing had been."""

from __future__ import annotations

import random

from tests.chaos.app import load, read
from tests.chaos.arena import Arena, Tally

SEEN = ("failed verifications",)


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Killed in the middle, a link of the chain spoilt, verified, and started again."""
    load(arena.session, random.Random(seed), 40, 18)
    arena.do("plan")
    arena.do("apply", point="committed", hit=3)
    arena.do("apply", point="committed", hit=1)
    ((run,),) = arena.session.rows(f"SELECT run_id FROM {arena.journal('run')} ORDER BY no DESC LIMIT 1")
    arena.session.run(f"UPDATE {arena.journal('run')} SET state = 'stopped' WHERE run_id = ?", run)
    arena.session.run(f"UPDATE {arena.journal('chunk')} SET link = 'x' WHERE run_id = ? AND no = 2", run)
    seen = arena.do("verify")
    before = read(arena.session)
    told = arena.do("apply")
    tally.seen["failed verifications"] += 1
    where = f"{arena.engine}, seed {seed}"
    if seen.state != "unsound":
        tally.violations.append(f"{where}: a spoilt chain is verified as {seen}")
    if told.word != "error" or read(arena.session) != before:
        tally.violations.append(f"{where}: a run whose verification failed was carried on: {told}")
