"""Several operators at one run: started together, apply against undo, and one that is stopped, replaced and woken."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.app import load
from tests.chaos.arena import HANGING, Arena, Hand, Outcome, Tally
from tests.chaos.oracle import Oracle
from tests.chaos.scripted import Scripted

SEEN = ("fenced", "operators", "operators woken")
ROWS, BROKEN = 200, 60
#: What the losers may say: all of it before anything was written.
HARMLESS = ("Fenced", "was applied already", "cannot become", "StoreError")


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """A race into apply, a race into undo, a race between the two; then one that slept through it all."""
    rng = random.Random(seed)
    for first, second in (("apply", "apply"), ("apply", "undo")):
        table = Table(arena, rng, tally, f"{arena.engine}, seed {seed}, {first} against {second}")
        count = rng.randint(2, 8) if arena.thorough else 3
        table.race([first] * (count // 2) + [second] * (count - count // 2))
        table.settle("apply", "applied")
        table.race(["undo"] * count)
        table.settle("undo", "undone")
    Table(arena, rng, tally, f"{arena.engine}, seed {seed}, one asleep").sleeper(rng)


class Table:
    """A fresh table and its plan, with operators around it."""

    def __init__(self, arena: Arena, rng: random.Random, tally: Tally, where: str) -> None:
        self.arena, self.tally, self.where = arena, tally, where
        start = load(arena.session, rng, ROWS, BROKEN)
        self.told(arena.do("plan"), "planned")
        self.oracle = Oracle(arena.session, arena.plan, start, Scripted(arena.session))

    def race(self, verbs: list[str]) -> None:
        """All at once; each ends well, or says that another one owns the run."""
        with ExitStack() as stack:
            for hand in [stack.enter_context(self.arena.tool(verb, rest=0.001)) for verb in verbs]:
                self.ended(hand.outcome())
        self.judge()

    def settle(self, verb: str, state: str) -> None:
        """One more, alone: the run comes to its end."""
        if self.oracle.ledger.state == "undone" or state == self.oracle.ledger.state:
            return
        if verb == "apply" and self.oracle.ledger.state == "undoing":
            verb, state = "undo", "undone"
        self.told(self.arena.do(verb), state)
        self.judge()

    def sleeper(self, rng: random.Random) -> None:
        """Stopped between two chunks of apply; meanwhile others finish and take back; then woken."""
        with self.arena.tool("apply", point="committed", hit=rng.randint(2, 6), act="stop") as hand:
            if not asleep(hand):
                self.tally.violations.append(f"{self.where}: it never fell asleep: {hand.outcome()}")
                return
            self.told(self.arena.do("apply"), "applied")
            if rng.random() < 0.7:
                self.told(self.arena.do("undo"), "undone")
            before = self.oracle.read_ledger()
            os.kill(hand.process.pid, signal.SIGCONT)
            self.ended(hand.outcome())
            self.tally.seen["operators woken"] += 1
        self.judge()
        if self.oracle.ledger != before:
            self.tally.violations.append(f"{self.where}: one that was replaced has written to the journal")

    def ended(self, told: Outcome) -> None:
        """An operator's last words."""
        self.tally.seen["operators"] += 1
        if "Fenced" in told.text:
            self.tally.seen["fenced"] += 1
        if told.word != "done" and not any(word in told.text for word in HARMLESS):
            self.tally.violations.append(f"{self.where}: an operator says {told}")

    def told(self, told: Outcome, state: str) -> None:
        """A verb that has to come to its end."""
        if (told.word, told.state) != ("done", state):
            self.tally.violations.append(f"{self.where}: expected {state}, the tool says {told}")

    def judge(self) -> None:
        """Let the oracle look."""
        self.tally.violations += [f"{self.where}: {fault}" for fault in self.oracle.check()]


def asleep(hand: Hand) -> bool:
    """Wait until a process that stops itself has done so."""
    deadline = time.monotonic() + HANGING / 2
    status = Path(f"/proc/{hand.process.pid}/stat")
    while time.monotonic() < deadline and hand.process.is_alive():
        if status.read_text().rpartition(")")[2].split()[0] == "T":
            return True
        time.sleep(0.005)
    return False
