"""The disk is full: the run stops with its chunk rolled back, and goes on when there is room again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.chaos.app import load
from tests.chaos.arena import Arena, Tally
from tests.chaos.oracle import Oracle
from tests.chaos.plain import Session
from tests.chaos.scripted import Scripted

MOUNTS = sys.platform == "linux" and os.geteuid() == 0
ENGINES = ("sqlite",) if MOUNTS else ()
REASON = "" if MOUNTS else "only root can mount a small disk, on Linux"
SEEN = ("full disks",)
SIZE = 4 << 20
ROWS, BROKEN = 400, 300
TRIES = 8


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Disks with less and less room until one is full in the middle of the run."""
    rng = random.Random(seed)
    for _ in range(TRIES):
        with small_disk(arena.folder / "small") as disk:
            once(arena, disk, rng, tally, f"{arena.engine}, seed {seed}")
        if tally.violations or (tally.seen["full disks"] and not arena.thorough):
            return


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of `SIZE` in memory, unmounted at the end."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def once(arena: Arena, disk: Path, rng: random.Random, tally: Tally, where: str) -> None:
    """Apply and undo, each on a disk filled up to a few pages, and again with room."""
    url = f"sqlite:///{disk / 'app.db'}"
    config, plan = arena.configure("full", arena.checks, url=url), arena.folder / "full.jsonl"
    with closing(Session("sqlite", url)) as session:
        session.run(f"PRAGMA journal_mode = {rng.choice(['DELETE', 'WAL'])}")
        start = load(session, rng, ROWS, BROKEN)
        arena.do("plan", plan, config)
        oracle = Oracle(session, plan, start, Scripted(session))
        for verb, state in (("apply", "applied"), ("undo", "undone")):
            fill(disk, rng.randrange(8, 160) * 1024)
            told = arena.do(verb, plan, config, chunks=(2, 20, 60))
            found = oracle.check()
            if told.word == "crash":
                found.append(f"{verb} on a full disk says {told}")
            if "full" in told.text.lower():
                tally.seen["full disks"] += 1
            (disk / "filling").unlink()
            if oracle.ledger.state != state:
                told = arena.do(verb, plan, config)
                found += oracle.check()
            if oracle.ledger.state != state or set(oracle.outcome()) - {"applied", "undone"}:
                found.append(f"{verb} with room again says {told}: {dict(oracle.outcome())}")
            tally.violations += [f"{where}: {fault}" for fault in found]


def fill(disk: Path, room: int) -> None:
    """Leave so many bytes."""
    about = os.statvfs(disk)
    (disk / "filling").write_bytes(bytes(max(0, about.f_bavail * about.f_frsize - room)))
