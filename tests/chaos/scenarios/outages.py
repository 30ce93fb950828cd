"""The database server is killed in the middle of apply and of undo, and started again."""

from __future__ import annotations

from tests.chaos.arena import Arena, Tally
from tests.chaos.rounds import Outage, Score

ENGINES = ("postgresql", "mysql", "mariadb")
SEEN = ("server kills", "commits checked")


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """One round, two crashes."""
    assert arena.server is not None
    score = Score(arena.engine)
    Outage(arena, seed, score, arena.server).play()
    tally.seen["server kills"] += score.kills.total()
    # commits that were under way when the server died
    tally.seen["ambiguous commits"] += score.ambiguous
    score.kills.clear()
    score.stall = 0.0  # the application waited for the server, not for trueup
    score.tell(tally)
