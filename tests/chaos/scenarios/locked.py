"""The application holds one row of a chunk for longer than trueup waits, and lets it go: no half chunk is kept."""

from __future__ import annotations

import random
import threading
import time

from tests.chaos.app import TABLE, load
from tests.chaos.arena import Arena, Tally
from tests.chaos.oracle import Oracle
from tests.chaos.plain import Session
from tests.chaos.scripted import Scripted

SEEN = ("lock timeouts",)
ROWS, BROKEN = 60, 27
#: Seconds that the row is held: longer than one wait, shorter than the tries together.
HELD = {"sqlite": 3.6, "postgresql": 0.9, "mysql": 1.6, "mariadb": 1.6}


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Apply all but one row in one chunk, and undo it, each against a lock on a row of its last group."""
    start = load(arena.session, random.Random(seed), ROWS, BROKEN)
    arena.do("plan")
    oracle = Oracle(arena.session, arena.plan, start, Scripted(arena.session))
    rows = {seq: row for row, seq in oracle.rows.items()}
    for verb, state, row in (("apply", "applied", rows[max(rows)]), ("undo", "undone", rows[1])):
        with arena.tool(verb, chunks=(1, BROKEN, BROKEN), point="committed", act="hold") as hand:
            told = hand.until("at")
            with Holder(arena, row) as holder:
                hand.go_on()
                time.sleep(HELD[arena.engine])
                holder.let_go()
            told = told or hand.outcome()
            tally.seen += hand.refused
        found = oracle.check()
        if (told.word, oracle.ledger.state) != ("done", state):
            found.append(f"{verb} says {told}, the run is {oracle.ledger.state!r}")
        tally.violations += [f"{arena.engine}, seed {seed}, {verb} against a lock: {fault}" for fault in found]


class Holder:
    """A transaction that holds a row, or on SQLite the database, until it is told to let go."""

    def __init__(self, arena: Arena, row: int) -> None:
        self._arena, self._row = arena, row
        self._held, self._free = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        session = Session(self._arena.engine, self._arena.url)
        session.begin()
        session.run(f"UPDATE {TABLE} SET bal = bal WHERE id = ?", self._row)
        self._held.set()
        self._free.wait()
        session.rollback()
        session.close()

    def let_go(self) -> None:
        """Roll back."""
        self._free.set()

    def __enter__(self) -> Holder:
        self._thread.start()
        self._held.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._free.set()
        self._thread.join()
