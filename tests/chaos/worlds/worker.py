"""The process in which worlds are played: trueup's verbs run in it, at a pace of many small chunks."""

from __future__ import annotations

import os
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.chaos.bugs import plant
from tests.chaos.worlds.generator import generate
from tests.chaos.worlds.loop import Play, Result, Unbuilt
from tests.chaos.worlds.model import World
from tests.chaos.worlds.places import Ground
from trueup import pace


def prepare(bug: str = "") -> None:
    """Small chunks without rests; no breaker, as conflicts are the point; and a bug where one is ordered."""
    pace.RAMP, pace.LARGEST, pace.SMALLEST = (1, 2, 4), 4, 1
    pace.CONFLICTS = pace.BLOCKED = 10**9
    pace.TRIES = 10
    pace.Pace.rest = lambda self, seconds: None  # type: ignore[method-assign]  # the point of it
    if bug:
        plant(bug)


def play(world: World, ground: Ground) -> Result:
    """One world."""
    return Play(world, ground).run()


def work(pipe: Connection, engine: str, url: str, folder: str, bug: str, seeds: list[int], seconds: float) -> None:
    """Play the worlds of `seeds` until the time is over; tell each by ("world", seed, result), then ("done",)."""
    prepare(bug)
    ground = Ground(engine, url, Path(folder))
    began = time.monotonic()
    try:
        for seed in seeds:
            if time.monotonic() - began > seconds:
                break
            pipe.send(("world", seed, *one(engine, seed, ground)))
        pipe.send(("done",))
    finally:
        ground.close()
        pipe.close()


def one(engine: str, seed: int, ground: Ground) -> tuple[Any, ...]:
    """A world's features and result; a text instead where the harness itself broke."""
    world = generate(engine, seed)
    try:
        result = play(world, ground)
    except Unbuilt as error:
        return world.features, f"unbuilt: {error}"
    except Exception:  # noqa: BLE001  # told, and counted as a fault of the harness
        return world.features, traceback.format_exc(limit=-6)
    return world.features, result
