"""The process in which worlds are played: trueup's verbs run in it, at a pace of many small chunks."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.chaos.bugs import bugs, plant
from tests.chaos.worlds.generator import generate
from tests.chaos.worlds.loop import Play
from tests.chaos.worlds.model import World
from tests.chaos.worlds.places import Ground
from tests.chaos.worlds.results import Result, Unbuilt
from tests.chaos.worlds.shrink import smaller, write
from trueup.journal import failpoints
from trueup.write import pace
from trueup.write.runner import Runner

#: How a world went; a text where it could not be played.
Told = Result | str
#: Seconds of silence after which the process is taken for dead.
SILENCE = 240.0


def prepare(bug: str = "") -> None:
    """Small chunks without rests; no breaker, as conflicts are the point; and a bug where one is ordered."""
    pace.RAMP, pace.LARGEST, pace.SMALLEST = (1, 2, 4), 4, 1
    pace.CONFLICTS = pace.BLOCKED = 10**9
    moment(Runner, "apply")
    moment(Runner, "undo")
    pace.Pace.rest = lambda self: None  # type: ignore[method-assign]  # the point of it
    if bug:
        plant(bug)


def moment(owner: type, verb: str) -> None:
    """Make the beginning of a run's work, after all looks at its tables, a moment for the actors."""
    plain = getattr(owner, verb)

    def watched(self: Any, *given: Any) -> Any:
        failpoints.action("starting")
        return plain(self, *given)

    setattr(owner, verb, watched)


def play(world: World, ground: Ground) -> Told:
    """One world; a text where it cannot be built or the harness itself broke."""
    try:
        return Play(world, ground).run()
    except Unbuilt as error:
        return f"unbuilt: {error}"
    except Exception:  # noqa: BLE001  # told, and counted as a fault of the harness
        ground.session.rollback()  # on a new connection where the old one is lost
        return traceback.format_exc(limit=-6)


def built(world: World, ground: Ground) -> Result | None:
    """One world, for the shrinker."""
    told = play(world, ground)
    return told if isinstance(told, Result) else None


def concerned(world: World, focus: Sequence[str]) -> bool:
    """Whether a world has one of these features or acts, each with its moment; any world where there are none."""
    known = {*world.features, *(f"{act.title} at {act.at}" for act in world.acts)}
    return not focus or any(word in one for word in focus for one in known)


def one(engine: str, seed: int, ground: Ground, kept: Path | None = None) -> tuple[tuple[str, ...], Told, str]:
    """A world's features and result, and where it was written down if it broke a promise."""
    world = generate(engine, seed)
    told = play(world, ground)
    if not isinstance(told, Result) or not told.faults or not kept:
        return world.features, told, ""
    less, again = smaller(world, told.faults, lambda tried: built(tried, ground))
    return world.features, told, str(write(less, again or told, kept))


def work(
    pipe: Connection, engine: str, url: str, folder: str, bug: str, seeds: Sequence[int], seconds: float, kept: str
) -> None:
    """Play the worlds of `seeds` until the time is over; tell each by ("world", seed, ...), at last ("done",)."""
    prepare(bug)
    focus = bugs()[bug].focus if bug else ()
    ground = Ground(engine, url, Path(folder))
    began = time.monotonic()
    try:
        for seed in seeds:
            if not concerned(generate(engine, seed), focus):
                continue
            if time.monotonic() - began > seconds:
                break
            pipe.send(("begin", seed))
            pipe.send(("world", seed, *one(engine, seed, ground, None if bug else Path(kept))))
        pipe.send(("done",))
    finally:
        ground.close()
        pipe.close()


def started(context: Any, order: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """What such a process tells: ("world", seed, features, result, path), or ("broke", seed, why)."""
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *order))
    process.start()
    theirs.close()
    seed = 0
    try:
        while ours.poll(SILENCE):
            try:
                message = ours.recv()
            except (EOFError, ConnectionResetError):
                yield "broke", seed, "the process ended without a word: a verb hangs, or it crashed"
                return
            if message[0] == "done":
                return
            if message[0] == "begin":
                seed = message[1]
                continue
            yield message
        yield "broke", seed, f"no word for {SILENCE:.0f} s"
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()
