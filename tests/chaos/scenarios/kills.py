"""`kill -9` at random moments of apply and undo, next to writers: few or many, with hot rows or without."""

from __future__ import annotations

import random

from tests.chaos.app import Profile
from tests.chaos.arena import Arena, Tally
from tests.chaos.rounds import CONTENDED, USUAL, Round, Score, campaign

SEEN = ("kills in apply", "kills in undo", "conflicts", "undo conflicts", "undone rows", "commits checked")
#: Writers: one, the usual four, sixteen.
PROFILES = (USUAL, USUAL, CONTENDED, Profile(writers=1), Profile(writers=16, gap=0.03))


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """One round, or more if it takes more for that many kills."""
    if arena.bug:
        score = Score(arena.engine)
        Round(arena, seed, score, kills=1000, profile=CONTENDED, bug=arena.bug).play()
        score.tell(tally)
        return
    profile = random.Random(seed).choice(PROFILES) if arena.thorough else USUAL
    campaign(arena, 12, seed, profile=profile).tell(tally)
