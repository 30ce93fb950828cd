"""Apply and undo through pgbouncer in transaction mode, and killed: the application gets the same sessions."""

from __future__ import annotations

import threading
import time
from contextlib import closing

from tests.chaos.arena import Arena, Tally
from tests.chaos.plain import Session
from tests.chaos.rounds import Round, Score
from tests.servers import Pgbouncer, PostgreSQL

ENGINES = ("postgresql",)
SEEN = (
    "kills in apply",
    "kills in undo",
    "commits checked",
    "looks through the pooler",
    "pooled sessions",
)
#: Sessions that the pooler has: the tool takes two at a time.
SIZE = 4
# all that a session can be told, but what comes with a language, and what the driver and the pooler keep in step
SETTINGS = "SELECT name, setting FROM pg_settings WHERE name NOT LIKE 'plpgsql.%' AND name <> 'application_name'"
LEFT = (
    "SELECT 'left', concat((SELECT count(*) FROM pg_prepared_statements), ' prepared statements, ',"
    " (SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema()), ' temporary functions, ',"
    " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), ' advisory locks')"
)


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """A round of kills through a pooler, while somebody else looks at what it hands out."""
    assert isinstance(arena.server, PostgreSQL)
    with Pgbouncer(arena.server, size=SIZE) as pooler:
        database = arena.url.rpartition("/")[2]
        plain = arena.config
        arena.config = arena.configure("pooled", arena.checks, url=pooler.url(database))
        # what the pooler keeps open after the tool is gone
        arena.session.idle_counts = False
        watcher = Watcher(arena.url, pooler.url(database))
        watcher.start()
        try:
            score = Score(arena.engine)
            Round(arena, seed, score, kills=1000, bug=arena.bug).play()
            score.tell(tally)
        finally:
            watcher.stop()
            arena.config, arena.session.idle_counts = plain, True
    tally.seen["looks through the pooler"] += watcher.looks
    tally.seen["pooled sessions"] += len(watcher.met)
    tally.violations += [f"{arena.engine}, seed {seed}: {fault}" for fault in sorted(watcher.faults)[:5]]


class Watcher:
    """The application on pooled sessions: each has to be as a new one is."""

    def __init__(self, direct: str, pooled: str) -> None:
        self._pooled = pooled
        with closing(Session("postgresql", direct)) as session:
            self._usual = dict(session.rows(f"{SETTINGS} UNION ALL {LEFT}"))
        self.looks = 0
        self.met: set[int] = set()
        self.faults: set[str] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        with closing(Session("postgresql", self._pooled)) as session:
            while not self._ending.is_set():
                session.begin()
                ((number,),) = session.rows("SELECT pg_backend_pid()")
                found = dict(session.rows(f"{SETTINGS} UNION ALL {LEFT}"))
                session.commit()
                self.looks += 1
                self.met.add(number)
                self.faults |= {
                    f"a pooled session has {name} = {value!r}, a new one {self._usual.get(name)!r}"
                    for name, value in found.items()
                    if value != self._usual.get(name)
                }
                time.sleep(0.002)
