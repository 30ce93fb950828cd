"""Worlds made at random: schema, data, an application and a migrator, judged by every row of every database.

A play is a handful of worlds, played in a process of its own, each from one number. What broke a promise is made
smaller and written down in the folder `worlds` of the arena, or of `TRUEUP_WORLDS`.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

from tests.chaos.arena import Arena, Tally
from tests.chaos.bugs import bugs
from tests.chaos.worlds import worker

SEEN = ("worlds", "worlds written", "worlds undone")
#: Worlds in a play, and in one of a run by the clock or of a hunt for a planted bug.
FEW, MANY = 6, 40
#: Seconds after which a play ends.
SECONDS = 45.0


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """The worlds from `seed` on."""
    count = MANY if arena.thorough else FEW
    if arena.bug:  # of which those that do not concern it are passed over
        count = 1000
    first = seed * 1000 + arena.passed_over
    seeds = [first + number for number in range(count)]
    place = os.environ.get("TRUEUP_WORLDS", "")
    kept = Path(place) if place else arena.folder / "worlds"
    order = (arena.engine, arena.elsewhere(), str(arena.folder), arena.bug, seeds, SECONDS, str(kept))
    refused: Counter[str] = Counter()
    for message in worker.started(arena.context, order):
        if message[0] == "world":
            _, number, features, result, path = message
            _tell(arena, tally, number, result, path, refused)
            tally.seen.update(f"with {feature}" for feature in features)
        elif arena.bug and not message[1]:
            raise RuntimeError(f"the planted bug {arena.bug!r} does not run: {message[2]}")
        else:
            tally.violations.append(f"{arena.engine}, world {message[1]}: {message[2]}"[:1500])
        if tally.violations and arena.bug:
            break
    for reason, times in refused.items():
        tally.seen[f"refused: {reason}"] += times


def _tell(arena: Arena, tally: Tally, number: int, result: worker.Told, path: str, refused: Counter[str]) -> None:
    tally.seen["worlds"] += 1
    if isinstance(result, str):
        tally.seen["worlds unbuilt"] += 1
        if not result.startswith("unbuilt"):
            tally.violations.append(f"{arena.engine}, world {number}: the harness broke: {result}"[-1500:])
        return
    tally.seen["worlds written"] += bool(result.written)
    tally.seen["worlds undone"] += bool(result.undone)
    tally.seen["rows written"] += result.written
    for name in ("kills", "kills in worlds"):
        tally.seen[name] += result.seen["kills"]
    for name in ("commits checked", "acts in worlds"):
        tally.seen[name] += result.seen["acts"]
    if not result.written:
        refused.update(set(result.refusals) or {"nothing to do"})
    sign = bugs()[arena.bug].sign if arena.bug else ""
    faults = [fault for fault in result.faults if re.search(sign, fault)]
    tally.violations += [f"{arena.engine}, world {number} ({path}): {fault}" for fault in faults[:5]]
