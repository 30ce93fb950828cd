"""`kill -9` at random moments of apply and undo, next to writers: few or many, with hot rows or without."""

from __future__ import annotations

import random

from tests.chaos.app import Profile
from tests.chaos.arena import Arena, Tally
from tests.chaos.rounds import CONTENDED, USUAL, Round, Score

SEEN = ("kills in apply", "kills in undo", "conflicts", "undo conflicts", "undone rows", "commits checked")
#: At least so many, in at most so many rounds.
KILLS, ROUNDS = 40, 8
#: Writers: one, the usual four, sixteen.
PROFILES = (USUAL, USUAL, CONTENDED, Profile(writers=1), Profile(writers=16, gap=0.03))


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Rounds until apply and undo were killed often enough, and both came upon rows of the application."""
    if arena.bug:
        score = Score(arena.engine)
        Round(arena, seed, score, kills=1000, profile=CONTENDED, bug=arena.bug).play()
        score.tell(tally)
        return
    profile = random.Random(seed).choice(PROFILES) if arena.thorough else USUAL
    for number in range(ROUNDS):
        score = Score(arena.engine)
        Round(arena, seed + number, score, kills=1000, profile=profile).play()
        score.tell(tally)
        if tally.violations or (tally.seen["kills"] >= KILLS and all(tally.seen[name] for name in SEEN)):
            return
