"""SQLite loses power at any moment of apply and undo: acknowledged chunks are there, and none is half there."""

from __future__ import annotations

import pickle
import random
import shutil
from contextlib import closing
from pathlib import Path

from tests.chaos.app import load
from tests.chaos.arena import Arena, Tally
from tests.chaos.disk import Disk, Event
from tests.chaos.oracle import Oracle
from tests.chaos.plain import ERRORS, Session
from tests.chaos.scripted import Scripted

ENGINES = ("sqlite",)
SEEN = ("power cuts",)
MODES = ("DELETE", "WAL", "TRUNCATE", "PERSIST")
ROWS, BROKEN = 20, 9
#: Power cuts for each verb and mode; of a long run.
CUTS, MANY = 60, 600


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Each journal mode (two of them, when there is little time), each verb."""
    rng = random.Random(seed)
    for mode in MODES if arena.thorough else MODES[:2]:
        Machine(arena, mode, rng, tally, f"{arena.engine}, seed {seed}, {mode}").go(MANY if arena.thorough else CUTS)


class Machine:
    """A database on a disk of its own, recorded through apply and undo."""

    def __init__(self, arena: Arena, mode: str, rng: random.Random, tally: Tally, where: str) -> None:
        self.arena, self.rng, self.tally, self.where = arena, rng, tally, where
        self.folder = arena.folder / "disk"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.file = self.folder / "app.db"
        self.plan = arena.folder / "disk.jsonl"
        self.config = arena.configure("disk", arena.checks, url=f"sqlite:///{self.file}")
        with closing(Session("sqlite", f"sqlite:///{self.file}")) as session:
            session.run(f"PRAGMA journal_mode = {mode}")
            self.start = load(session, rng, ROWS, BROKEN)
        arena.do("plan", self.plan, self.config)

    def go(self, cuts: int) -> None:
        """Apply and undo, each recorded, and played back with the power cut here and there."""
        for verb, state in (("apply", "applied"), ("undo", "undone")):
            before = {path.name: path.read_bytes() for path in self.folder.iterdir() if not path.name.endswith("-shm")}
            record = self.arena.folder / "events"
            told = self.arena.do(verb, self.plan, self.config, record=str(record), chunks=(1, 3, 5))
            if told.state != state:
                self.tally.violations.append(f"{self.where}: {verb} says {told}")
                return
            self.play_back(verb, before, pickle.loads(record.read_bytes()), cuts)

    def play_back(self, verb: str, before: dict[str, bytes], events: list[Event], cuts: int) -> None:
        """The power fails after each of some events, and what the disk then holds is judged."""
        disk, acknowledged = Disk(before), self.chunks(before)
        places = set(self.rng.sample(range(len(events)), min(cuts, len(events))))
        # the last moments before and after an acknowledgement are the ones that matter
        places |= {place for place, event in enumerate(events) if event.what == "mark"}
        for place, event in enumerate(events):
            disk.take(event)
            acknowledged += event.what == "mark"
            if place not in places:
                continue
            self.tally.seen["power cuts"] += 1
            where = f"{self.where}, {verb}, power lost after event {place} of {len(events)}"
            found = self.judge(disk.survive(self.rng), acknowledged)
            self.tally.violations += [f"{where}: {fault}" for fault in found]

    def chunks(self, files: dict[str, bytes]) -> int:
        """The chunks that are in the journal already."""
        return self.look(files)[1]

    def judge(self, files: dict[str, bytes], acknowledged: int) -> list[str]:
        """What does not hold of the files that survived."""
        found, chunks = self.look(files)
        if chunks < acknowledged:
            found.append(f"{acknowledged} chunks were acknowledged, {chunks} are there")
        return found

    def look(self, files: dict[str, bytes]) -> tuple[list[str], int]:
        """The faults of a database, and the chunks in its journal."""
        folder = self.arena.folder / "after"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, data in files.items():
            Path(folder / name).write_bytes(data)
        with closing(Session("sqlite", f"sqlite:///{folder / 'app.db'}")) as session:
            try:
                for name in files:
                    if name.endswith("-trueup"):
                        session.run(f"ATTACH '{folder / name}' AS journal")
                ((word,),) = session.rows("PRAGMA integrity_check(1)")
                if word != "ok":
                    return [f"the database is damaged: {word}"], 0
                oracle = Oracle(session, self.plan, self.start, Scripted(session))
                return oracle.check(), oracle.ledger.chunks
            except ERRORS as error:
                return [f"the database cannot be read: {error!r}"], 0
