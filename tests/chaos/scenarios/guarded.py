"""A guard is asked for while broken rows remain: it is refused, and the application may go on writing those rows."""

from __future__ import annotations

import random

from tests.chaos.app import is_broken, load
from tests.chaos.arena import Arena, Tally
from tests.chaos.oracle import Oracle
from tests.chaos.plain import ERRORS
from tests.chaos.scripted import Scripted

SEEN = ("guards refused", "guards installed", "undos refused")
ROWS, BROKEN = 40, 18


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Guard too soon, repair, guard, undo too soon, take the guard off, undo."""
    start = load(arena.session, random.Random(seed), ROWS, BROKEN)
    app = Scripted(arena.session)
    arena.do("plan")
    oracle = Oracle(arena.session, arena.plan, start, app)
    found = []

    def step(verb: str, word: str, counted: str = "") -> None:
        told = arena.do(verb)
        if told.word != word:
            found.append(f"{verb} says {told}, not {word}")
        if counted:
            tally.seen[counted] += told.word == word
        try:
            for row in [row for row, record in start.items() if is_broken(record.metadata)][:5]:
                app.count(row)  # has nothing to do with what is broken in it
        except ERRORS as error:
            arena.session.rollback()
            found.append(f"after {verb} the application cannot write a row: {error!r}"[:300])
        if verb.endswith("guard"):
            oracle.reshaped()
        found.extend(oracle.check())

    step("guard", "error", "guards refused")
    step("apply", "done")
    step("guard", "done", "guards installed")
    step("undo", "error", "undos refused")
    step("unguard", "done")
    step("undo", "done")
    if oracle.ledger.state != "undone":
        found.append(f"the run is {oracle.ledger.state!r}")
    tally.violations += [f"{arena.engine}, seed {seed}: {fault}" for fault in found]
