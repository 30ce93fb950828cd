"""One round: load, plan, apply with kills, undo with kills, next to four writers; a campaign is many rounds."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.app import App, Profile, load
from tests.chaos.arena import HANGING, Arena, Tally
from tests.chaos.bugs import bugs
from tests.chaos.oracle import BLOCKED, Oracle
from tests.chaos.plain import ERRORS
from tests.servers import Server

#: Kills that a verb is cut up by, on average.
CUTS = 6
#: Starts of one verb that may end by themselves and yet not be done: locks that the application held too long.
PATIENCE = 20


USUAL = Profile()
CONTENDED = Profile(rows=220, broken=100, heat=20, gap=0.003, counting=0.95)


@dataclass
class Score:
    """What a campaign saw."""

    engine: str
    rounds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    inside: Counter[str] = field(default_factory=Counter)
    commits: int = 0
    ambiguous: int = 0
    states: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    stall: float = 0.0

    @property
    def conflicts(self) -> int:
        """Operations left alone by apply because the application was first."""
        return self.states["conflict"] + self.states["missing"]

    @property
    def crashes(self) -> list[str]:
        """Errors of the tool that are not worded for a reader."""
        return [text for text in self.errors if ": crash " in text]

    def tell(self, tally: Tally) -> None:
        """Add what was seen to a tally."""
        tally.violations += [*self.violations, *(f"{self.engine}: {text}" for text in self.crashes)]
        tally.stall = max(tally.stall, self.stall)
        tally.seen += Counter(
            {
                "kills": self.kills.total(),
                "kills in apply": self.inside["apply"],
                "kills in undo": self.inside["undo"],
                "commits checked": self.commits,
                "conflicts": self.conflicts,
                "undo conflicts": self.states["undo_conflict"],
                "undone rows": self.states["undone"],
                "rounds": self.rounds,
            }
        )


class Round:
    """One plan, from the broken table to the undone run."""

    def __init__(
        self, arena: Arena, seed: int, score: Score, *, kills: int, profile: Profile = USUAL, bug: str = ""
    ) -> None:
        self.arena, self.score, self.bug = arena, score, bug
        self.rng = random.Random(seed)
        self.seed, self.profile = seed, profile
        #: What the score may come to: after that the round is played without.
        self.kills = kills
        #: The verbs that are killed, and the last one that is played.
        self.killed = {"apply", "undo"} if not bug else {bugs()[bug].verb} if bugs()[bug].killed else set()
        self.last = bugs()[bug].verb if bug else "undo"

    def play(self) -> None:
        """Play it to the end, or to the first violation."""
        if self.arena.engine == "sqlite":
            self.arena.session.run(f"PRAGMA journal_mode = {self.rng.choice(['DELETE', 'WAL', 'TRUNCATE'])}")
        start = load(self.arena.session, self.rng, self.profile.rows, self.profile.broken)
        self._make_plan()
        app = App(self.arena.engine, self.arena.url, self.seed, start, self.profile)
        self.oracle = Oracle(self.arena.session, self.arena.plan, start, app)
        app.start()
        try:
            # some rows have to be the application's before the tool comes to them, in both directions
            for verb, final in (("apply", "applied"), ("undo", "undone")):
                time.sleep(0.15)
                if not self._carry_through(verb, final, app) or verb == self.last:
                    break
            self.score.states += self.oracle.outcome()
        finally:
            app.stop()
        self._judge(app)
        self.score.rounds += 1
        self.score.commits += app.commits
        self.score.ambiguous += sum(log.ambiguous for log in app.logs)
        self.score.stall = max(self.score.stall, *(log.stall for log in app.logs))

    def _make_plan(self) -> None:
        told = self.arena.do("plan")
        if (told.word, told.text) != ("done", str(self.profile.broken)):
            raise RuntimeError(f"{self.arena.engine}, seed {self.seed}: the plan failed: {told}")

    def _carry_through(self, verb: str, final: str, app: App) -> bool:
        """Start `verb` again after every kill until the run is `final`; False after a violation."""
        lasted, already = 0.0, self.score.kills[verb]
        for _ in range(PATIENCE + 4 * CUTS):
            kill = verb in self.killed and self._may_kill(self.score.kills[verb] - already)
            alone = kill and self.rng.random() < 0.15
            told, seconds = self._alone(verb, app) if alone else self._attempt(verb, kill=kill)
            lasted += seconds
            if told is None:
                if not self._after_kill(verb, app):
                    return False
                continue
            if told[0] == "crash" and self.bug:
                raise RuntimeError(f"the planted bug {self.bug!r} does not run: {told[1]}")
            if told == ("done", final, ""):
                self.arena.lasted[verb] = 0.5 * self.arena.lasted[verb] + 0.5 * lasted
                return self._judge(app)
            sound = self._judge(app)
            if self.oracle.ledger.complete and self.oracle.ledger.state == final:
                return sound  # the kill came between the last commit and the last word
            self.score.errors[f"{verb}: {' '.join(map(str, told))}"[:200]] += 1
        endless = f"{verb} was started {PATIENCE + 4 * CUTS} times and never came to its end: {dict(self.score.errors)}"
        if self.bug:
            raise RuntimeError(f"with the planted bug {self.bug!r}, {endless}")
        self._violation(endless)
        return False

    def _may_kill(self, already: int) -> bool:
        return already < 3 * CUTS and self.score.kills.total() < self.kills

    def _alone(self, verb: str, app: App) -> tuple[tuple[Any, ...] | None, float]:
        """A kill, and a start that is the first to see what it left behind: nobody else is at work meanwhile."""
        with app.paused():
            told, seconds = self._attempt(verb, kill=True)
            if told is None:
                self.score.kills[verb] += 1
                told, more = self._attempt(verb, kill=self._may_kill(0))
                seconds += more
        return told, seconds

    def _attempt(self, verb: str, *, kill: bool) -> tuple[tuple[Any, ...] | None, float]:
        """One start of the tool: its last words, or None when it was killed; and the seconds it wrote."""
        early = self.rng.random() < 0.15
        delay = self.rng.uniform(0, self.arena.starting if early else 2 * self.arena.lasted[verb] / CUTS)
        with self.arena.tool(verb, bug=self.bug) as hand:
            began = time.monotonic()
            limit = delay if kill and early else HANGING
            begun = False
            while message := hand.message(began + limit - time.monotonic()):
                if message[0] == "killed":
                    return ("crash", "the tool ended without a word"), 0.0
                if message[0] != "begun":
                    return message, time.monotonic() - began
                self.arena.starting = 0.8 * self.arena.starting + 0.2 * (time.monotonic() - began)
                began, begun = time.monotonic(), True
                limit = delay if kill else HANGING
            if limit == HANGING:
                self._violation(f"{verb} hung for {HANGING:.0f} s")
            hand.process.kill()
            hand.process.join()
            return None, time.monotonic() - began if begun else 0.0

    def _after_kill(self, verb: str, app: App) -> bool:
        self.score.kills[verb] += 1
        sound = self._judge(app)
        ledger = self.oracle.ledger
        if ledger.state in ("applying", "undoing") and ledger.ops:
            self.score.inside[verb] += 1
        return sound

    def _judge(self, app: App) -> bool:
        with app.paused():
            try:
                faults = self.oracle.check()
            except ERRORS as error:
                faults = [f"the database cannot be read: {error!r}"]
        if self.bug:  # a bug that makes trueup refuse rows is not caught by that: nothing was lost yet
            faults = [fault for fault in faults if not (fault.startswith(BLOCKED) and " is blocked " in fault)]
        for fault in faults:
            self._violation(fault)
        return not faults

    def _violation(self, text: str) -> None:
        self.score.violations.append(f"{self.arena.engine}, seed {self.seed}: {text}")


class Outage(Round):
    """A round in which not the tool but the database server is killed, and started again, once in each verb."""

    def __init__(self, arena: Arena, seed: int, score: Score, server: Server) -> None:
        super().__init__(arena, seed, score, kills=2)
        self._server = server

    def _attempt(self, verb: str, *, kill: bool) -> tuple[tuple[Any, ...] | None, float]:
        """One start of the tool, which sees its server die under it; its last words."""
        with self.arena.tool(verb) as hand:
            while message := hand.message():
                if message[0] != "begun":
                    return message, 0.0
                if not self.score.kills[verb]:
                    time.sleep(self.rng.uniform(0, self.arena.lasted[verb]))
                    self._server.kill()
                    self._server.start()
                    self.arena.session.rollback()
                    self.score.kills[verb] += 1
            self._violation(f"{verb} hung for {HANGING:.0f} s after the server was back")
            return None, 0.0

    def _alone(self, verb: str, app: App) -> tuple[tuple[Any, ...] | None, float]:
        return self._attempt(verb, kill=True)
