"""A plan is used on another database that looks the same: a copy, a twin of another name."""

from __future__ import annotations

import random
from pathlib import Path

from tests.chaos.app import load, read
from tests.chaos.arena import Arena, Tally
from tests.chaos.plain import Session

SEEN = ("plans for another database",)


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """The same rows twice, the plan made for the first."""
    load(arena.session, random.Random(seed), 30, 9)
    arena.do("plan")
    if arena.engine == "sqlite":
        file = Path(arena.url.removeprefix("sqlite:///"))
        twin = file.with_name("twin.db")
        twin.unlink(missing_ok=True)
        # not by a plain copy: closing the file would drop the locks that this process has on it
        arena.session.run("VACUUM INTO ?", str(twin))
        url = f"sqlite:///{twin}"
    else:
        assert arena.server is not None
        arena.server.drop_database("twin")
        arena.server.create_database("twin")
        url = arena.server.url("twin")
    session = Session(arena.engine, url)
    try:
        start = load(session, random.Random(seed), 30, 9)
        told = arena.do("apply", config=arena.configure("twin", arena.checks, url=url))
        tally.seen["plans for another database"] += 1
        if told.word != "error" or "another database" not in told.text or read(session) != start:
            tally.violations.append(f"{arena.engine}, seed {seed}: a plan for another database was taken: {told}")
    finally:
        session.close()
