"""The disk is full: the run stops with its chunk rolled back, and goes on when there is room again.

The small disk holds the database's tables, the journal's among them; a server's own logs lie elsewhere.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tests.chaos.app import load
from tests.chaos.arena import Arena, Tally
from tests.chaos.oracle import Oracle
from tests.chaos.plain import ERRORS, Session
from tests.chaos.scripted import Scripted
from tests.engines import ENGINES as ALL
from tests.servers import Server

MOUNTS = sys.platform == "linux" and os.geteuid() == 0
ENGINES = ALL if MOUNTS else ()
REASON = "" if MOUNTS else "only root can mount a small disk, on Linux"
SEEN = ("full disks",)
#: A database of PostgreSQL's begins with its catalogue.
SIZE = {"sqlite": 4 << 20, "postgresql": 16 << 20, "mysql": 6 << 20, "mariadb": 6 << 20}
NAME = "small"
#: SQLite and InnoDB; PostgreSQL.
FULL = ("is full", "no space left", "53100")
ROWS, BROKEN = 400, 300
TRIES = 8


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Disks with less and less room until one is full in the middle of the run."""
    rng = random.Random(seed)
    for _ in range(TRIES):
        with small_disk(arena) as (disk, url):
            once(arena, disk, url, rng, tally, f"{arena.engine}, seed {seed}")
        if tally.violations or (tally.seen["full disks"] and not arena.thorough):
            return


@contextmanager
def small_disk(arena: Arena) -> Iterator[tuple[Path, str]]:
    """A small file system in memory, and the URL of a database on it; both are gone at the end."""
    server = arena.server
    if server is None:
        with mounted(arena.folder / NAME, arena.engine) as disk:
            yield disk, f"sqlite:///{disk / 'app.db'}"
        return
    if arena.engine == "postgresql":
        place = server.folder / NAME
        with mounted(place, arena.engine, server):
            (place / "space").mkdir()
            owned(place / "space", server)
            arena.session.run(f"CREATE TABLESPACE {NAME} LOCATION '{place / 'space'}'")
            arena.session.run(f"CREATE DATABASE {NAME} TABLESPACE {NAME}")
            try:
                yield place, server.url(NAME)
            finally:
                server.drop_database(NAME)
                arena.session.run(f"DROP TABLESPACE {NAME}")
        return
    # each table is a file in the folder of its database
    server.create_database(NAME)
    folder = server.folder / "data" / NAME
    with mounted(folder, arena.engine, server):
        yield folder, server.url(NAME)
        with suppress(*ERRORS):  # the tables go, the folder cannot while it is mounted
            server.drop_database(NAME)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(*ERRORS):  # MariaDB goes by the folder, MySQL has forgotten it already
        server.drop_database(NAME)


@contextmanager
def mounted(folder: Path, engine: str, server: Server | None = None) -> Iterator[Path]:
    """A file system in memory of the engine's `SIZE`, its server's own."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE[engine]}", "tmpfs", folder], check=True)
    try:
        if server:
            owned(folder, server)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def owned(folder: Path, server: Server) -> None:
    """Give a folder to the account that the server runs as."""
    if server.account:
        os.chown(folder, server.account.pw_uid, server.account.pw_gid)


def once(arena: Arena, disk: Path, url: str, rng: random.Random, tally: Tally, where: str) -> None:
    """Apply and undo, each on a disk filled up to a few pages, and again with room."""
    config, plan = arena.configure("full", arena.checks, url=url), arena.folder / "full.jsonl"
    with closing(Session(arena.engine, url)) as session:
        if arena.engine == "sqlite":
            session.run(f"PRAGMA journal_mode = {rng.choice(['DELETE', 'WAL'])}")
        start = load(session, rng, ROWS, BROKEN)
        arena.do("plan", plan, config)
        oracle = Oracle(session, plan, start, Scripted(session))
        for verb, state in (("apply", "applied"), ("undo", "undone")):
            if verb == "apply":  # so that the journal is there, and it is a chunk that finds no room
                arena.do(verb, plan, config, point="committed", chunks=(2, 2, 2))
            fill(disk, rng.randrange(8, 120) * 1024)
            told = arena.do(verb, plan, config, chunks=(2, 20, 60))
            (disk / "filling").unlink()
            full = any(words in told.text.lower() for words in FULL)
            if arena.server and not arena.server.running:
                full = True  # MariaDB ends itself when it finds no room to roll a statement back
                arena.server.start()
                arena.session.rollback()  # which is how it learns that its server was away
            tally.seen["full disks"] += full
            session.rollback()
            found = oracle.check()
            if told.word == "crash":
                found.append(f"{verb} on a full disk says {told}")
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
