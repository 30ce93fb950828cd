"""Makes a world that broke a promise smaller, and writes it down: to be read, and to be played again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos.worlds.model import World
from tests.chaos.worlds.results import Result

#: Seconds that making it smaller may take.
SECONDS = 20.0


def alike(fault: str) -> str:
    """What two faults of one kind have in common: the first words, without names and numbers."""
    first = re.split(r"[(\[{'\d]", fault)[0]
    return " ".join(first.split()[:5])


def smaller(world: World, faults: list[str], play: Callable[[World], Result | None]) -> tuple[World, Result | None]:
    """The world without acts and pieces that the fault does without, and its result; None where nothing came off.

    `play` returns None for a world that cannot be built.
    """
    wanted, until = {alike(fault) for fault in faults}, time.monotonic() + SECONDS
    best, last = world, None
    names, size = world.spare(), max(1, len(world.spare()) // 2)
    while size and time.monotonic() < until:
        came_off = False
        for start in range(0, len(names), size):
            if time.monotonic() > until:
                break
            some = [name for name in names[start : start + size] if name in best.spare()]
            if not some:
                continue
            tried = best.without(set(some))
            result = play(tried)
            if result and wanted & {alike(fault) for fault in result.faults}:
                best, last, came_off = tried, result, True
        names = best.spare()
        size = size // 2 if not came_off or size > 1 else size
    return best, last


def write(world: World, result: Result, folder: Path) -> Path:
    """The world as `NAME.json` (`python -m tests.chaos.worlds NAME.json` plays it) and as a script beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{world.engine}-{world.seed}.json"
    path.write_text(world.text())
    lines = [f"-- {world.engine}, seed {world.seed}: {', '.join(world.features)}", "", "-- the setup"]
    lines += [f"{statement};" for piece in world.pieces for statement in piece.sql]
    lines += ["", "-- the checks", *(f"--   {dict(one.options)}" for one in world.subjects), "", *result.story, ""]
    lines += [f"VIOLATION {fault}" for fault in result.faults]
    path.with_suffix(".txt").write_text("\n".join(lines) + "\n")
    return path
