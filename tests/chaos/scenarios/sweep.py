"""Killed at the first, second, third ... passing of every failpoint, until the verb comes to its end.

Each journey begins with the same rows in a new table, and goes through one kill in each of the three verbs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.chaos.app import load
from tests.chaos.arena import Arena, Outcome, Tally, points
from tests.chaos.oracle import Oracle
from tests.chaos.scripted import Scripted

SEEN = ("kills in apply", "kills in recover", "kills in undo", "conflicts", "undo conflicts")
#: Rows of each kind of damage, and in all.
BROKEN, ROWS = 9, 20
CHUNKS = (1, 3, 5)
#: Passings after which a verb counts as endless; points that a short run has the time for.
MANY, FEW = 99, 12
ENDS = {"apply": "applied", "recover": "applied", "undo": "undone"}


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Journeys until each verb was killed at every passing of every point."""
    places = {verb: Places(random.Random(f"{seed}/{verb}"), thorough=arena.thorough) for verb in ENDS}
    while any(place.point for place in places.values()) and not tally.violations:
        Journey(arena, seed, tally, places).go()


class Places:
    """Where a verb is to be killed next: every point, first, second ... passing; or one passing of some points."""

    def __init__(self, rng: random.Random, *, thorough: bool) -> None:
        self._most = MANY if thorough else 1
        found = points() if thorough else rng.sample(points(), FEW)
        self._points: Iterator[str] = iter(found)
        self.point, self.hit = next(self._points), 1

    def go_on(self, *, killed: bool) -> None:
        """To the next passing, or to the next point when there was none."""
        self.hit += 1
        if not killed or self.hit > self._most:
            self.point, self.hit = next(self._points, ""), 1


class Journey:
    """Apply, recover, undo: each killed once, where its place is, and judged after each step."""

    def __init__(self, arena: Arena, seed: int, tally: Tally, places: dict[str, Places]) -> None:
        self.arena, self.tally, self.places = arena, tally, places
        arena.forget()
        self.where = f"{arena.engine}, seed {seed}"
        start = load(arena.session, random.Random(seed), ROWS, BROKEN)
        told = arena.do("plan")
        if told.text != str(BROKEN):
            tally.violations.append(f"{self.where}: the plan of {BROKEN} broken rows: {told}")
        self.app = Scripted(arena.session)
        self.oracle = Oracle(arena.session, arena.plan, start, self.app)
        self.rows = sorted(self.oracle.rows)

    def go(self) -> None:
        """There and back."""
        self.app.rewrite(self.rows[1])
        self.app.delete(self.rows[4])
        if self.killed("apply"):
            if self.oracle.ledger.state and self.killed("recover"):
                self.step("recover")
            if self.oracle.ledger.state in ("", "stopped", "applying"):  # killed before the run was entered
                self.finish("apply", self.step("apply"))
        self.tally.seen["conflicts"] += self.oracle.outcome()["conflict"]
        self.app.rewrite(self.rows[0])
        self.app.delete(self.rows[7])
        self.app.count(self.rows[2])
        if self.killed("undo"):
            self.finish("undo", self.step("undo"))
        self.tally.seen["undo conflicts"] += self.oracle.outcome()["undo_conflict"]
        self.tally.seen["commits checked"] += self.app.commits

    def killed(self, verb: str) -> bool:
        """Kill `verb` at its place; False when it came to its end."""
        place = self.places[verb]
        point, hit = place.point, place.hit
        if not point and verb == "apply" and self.places["recover"].point:
            point, hit = "committed", 1  # so that there is something to recover
        if not point:
            self.finish(verb, self.step(verb))
            return False
        self.where += f", {verb} killed at {point!r} {hit}"
        told = self.step(verb, point, hit)
        if place.point:
            place.go_on(killed=told.word == "killed")
        if told.word != "killed":
            self.finish(verb, told)
            return False
        self.tally.seen[f"kills in {verb}"] += 1
        self.tally.seen["kills"] += 1
        return True

    def step(self, verb: str, point: str = "", hit: int = 1) -> Outcome:
        """One process, and what the oracle says after it."""
        told = self.arena.do(verb, point=point, hit=hit, chunks=CHUNKS)
        self.tally.violations += [f"{self.where}: {fault}" for fault in self.oracle.check()]
        return told

    def finish(self, verb: str, told: Outcome) -> None:
        """A verb that nobody killed has to come to its end."""
        if told.word != "done" or self.oracle.ledger.state != ENDS[verb]:
            self.tally.violations.append(f"{self.where}: {verb} says {told}, the run is {self.oracle.ledger.state!r}")
