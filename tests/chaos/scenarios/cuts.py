"""The answer to COMMIT is lost, or COMMIT itself is, or the line dies in between: the journal alone knows."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tests.chaos.app import Profile
from tests.chaos.arena import Arena, Tally
from tests.chaos.proxy import Proxy
from tests.chaos.rounds import Round, Score

ENGINES = ("postgresql", "mysql", "mariadb")
SEEN = ("cuts", "ambiguous commits", "conflicts", "undo conflicts")
ROUNDS = 5
PROFILE = Profile(rows=2000, broken=200, heat=8)


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Rounds through the proxy until there was a commit of unknown outcome."""
    for number in range(ROUNDS):
        score = Score(arena.engine)
        proxy = Proxy(urlsplit(arena.url).port or 0, seed + number)
        try:
            Cut(arena, seed + number, score, proxy).play()
        finally:
            proxy.close()
        score.tell(tally)
        tally.seen["cuts"] += proxy.cuts.total()
        tally.seen["ambiguous commits"] += proxy.cuts["ack"] + proxy.cuts["racing"]
        if tally.violations or all(tally.seen[name] for name in SEEN):
            return


class Cut(Round):
    """A round in which the tool is reached through a proxy, and never killed."""

    def __init__(self, arena: Arena, seed: int, score: Score, proxy: Proxy) -> None:
        super().__init__(arena, seed, score, kills=0, profile=PROFILE, bug=arena.bug)
        url = urlsplit(arena.url)
        plain = "" if arena.engine == "postgresql" else "?ssl_disabled=true"  # the proxy has to read COMMIT
        direct = f"{url.hostname}:{url.port}"
        through = arena.url.replace(direct, f"127.0.0.1:{proxy.port}") + plain
        self._config = arena.configure("through-proxy", arena.checks, url=through)

    def _attempt(self, verb: str, *, kill: bool) -> tuple[tuple[Any, ...] | None, float]:
        with self.arena.tool(verb, config=self._config, bug=self.bug) as hand:
            told = hand.outcome()
            return (told.word, told.state, told.text) if told.word == "done" else (told.word, told.text), 0.0
