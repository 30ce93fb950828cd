"""Who changed which row, and when: dumps around every commit of an actor, so that each difference has one author."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tests.chaos.worlds.dump import Dump, Reader, Rows
from tests.chaos.worlds.model import Act, Place

Row = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """The rows of one table that went and came."""

    gone: tuple[Mapping[str, str | None], ...]
    come: tuple[Mapping[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Span:
    """What one author changed between two dumps; `verb` is what trueup was doing, `act` the actor's.

    `point` is the failpoint that trueup had passed last by the actor's commit.
    """

    author: str
    verb: str
    changes: Mapping[Place, Difference]
    act: Act | None = None
    #: All rows before and after it.
    before: Mapping[Place, Rows] = field(default_factory=dict)
    after: Mapping[Place, Rows] = field(default_factory=dict)
    point: str = ""


def row_of(row: Mapping[str, str | None]) -> Row:
    """A row as something that can be counted."""
    return tuple(sorted(row.items()))


def difference(before: Rows, after: Rows) -> Difference | None:
    """The rows that are in one of two only."""
    if before == after:
        return None
    ours, theirs = Counter(map(row_of, before)), Counter(map(row_of, after))
    if ours == theirs:
        return None
    gone, come = ours - theirs, theirs - ours
    return Difference(tuple(map(dict, gone.elements())), tuple(map(dict, come.elements())))


@dataclass
class Timeline:
    """Dumps in order. Tables keep the name that they had first, whatever the migrator calls them later."""

    reader: Reader
    last: dict[Place, Rows] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    #: What a table is called now, by what it was called at first; and what trueup is doing.
    names: dict[Place, Place] = field(default_factory=dict)
    verb: str = ""
    point: str = ""
    #: Held by whoever commits.
    gate: threading.RLock = field(default_factory=threading.RLock)
    #: Columns that the migrator took away or made anew are compared no more.
    reshaped: bool = False

    def begin(self) -> None:
        """The first dump."""
        self.last = self.first(self.reader.dump())

    def first(self, dump: Dump) -> dict[Place, Rows]:
        """A dump by the first names of its tables."""
        back = {now: first for first, now in self.names.items()}
        return {back.get(place, place): rows for place, rows in dump.items()}

    def mark(self, author: str, act: Act | None = None, point: str = "") -> Span:
        """Everything since the last mark is the work of `author`."""
        now = self.first(self.reader.dump())
        changes: dict[Place, Difference] = {}
        for place in {*self.last, *now}:
            found = difference(self.last.get(place, []), now.get(place, []))
            if found:
                changes[place] = found
        span = Span(author, self.verb, changes, act, self.last, now, point)
        if changes or act:
            self.spans.append(span)
        self.last = now
        return span

    @contextmanager
    def commit_of(self, act: Act) -> Iterator[None]:
        """Around an actor's COMMIT: what comes before is trueup's, what happens inside is the actor's."""
        with self.gate:
            self.mark("trueup")
            try:
                yield
            except BaseException:
                # where each statement commits by itself, those before the one that failed stay
                self.mark("actor", replace(act, reborn=(), renames=(), replaced=(), labels=()), self.point)
                raise
            point = self.point
            moved = dict(act.renames)
            if moved:
                back = {now: first for first, now in self.names.items()}
                for old, new in moved.items():
                    self.names[back.get(old, old)] = new
                for old in moved:  # what has the old name now is another table
                    if old in self.names.values() and old not in moved.values():
                        raise AssertionError(f"{old} is renamed and still there")
                for new in (place for place in moved if place not in self.names.values()):
                    self.names[new[0], new[1] + " (new)"] = new
            self.mark("actor", act, point)
