"""The judge: nothing changed but planned cells and the actors' own, and nothing that trueup said is false.

It shares no code with trueup. What is broken it decides itself, from its own dumps.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tests.chaos.worlds.dump import Rows, plain
from tests.chaos.worlds.model import Act, Place, Subject, World
from tests.chaos.worlds.timeline import Row, Span, Timeline, row_of

Values = Mapping[str, str | None]
#: Points of a chunk after its look at the rows.
LATE = ("copied", "premises held", "classified", "written", "proved", "recorded", "rehearsed", "closing", "committing")
#: A row that a plan may change: its table and the words of its key.
Address = tuple[Place, tuple[str | None, ...]]
#: A cell of one; no column stands for the whole row.
Cell = tuple[Address, str]


def broken(world: World, subject: Subject, tables: Mapping[Place, Rows]) -> list[Values]:
    """The broken rows of a check, by its own rule."""
    rows = [row for place, some in tables.items() if root(world, place) == subject.place for row in some]
    said = [(row, plain(world.engine, row.get(subject.column))) for row in rows]
    kind, facts = subject.options["kind"], subject.facts
    if kind == "missing":
        return [row for row, value in said if value is None]
    if kind == "unknown-value":
        return [row for row, value in said if value is not None and value not in facts["allowed"]]
    if kind == "out-of-range":
        return [row for row, value in said if value is not None and not 0 <= float(value) <= 100]
    if kind == "wrong-json-type":
        return [row for row, value in said if value is not None and not _object(value)]
    if kind == "duplicate":
        seen = Counter(value for _, value in said if value is not None)
        return [row for row, value in said if value is not None and seen[value] > 1]
    assert kind == "orphan"
    assert subject.parent
    there = {
        _fold(plain(world.engine, row.get(subject.parent_column)), subject.folded)
        for place, some in tables.items()
        if root(world, place) == subject.parent
        for row in some
    }
    return [row for row, value in said if value is not None and _fold(value, subject.folded) not in there]


def _fold(value: str | None, folded: bool) -> str | None:
    return value.lower() if value and folded else value


def _object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def root(world: World, place: Place) -> Place:
    """The table that a partition belongs to."""
    for part, whole in world.parts:
        if part == place:
            return whole
    return place


def key_of(subject: Subject, row: Values) -> tuple[str | None, ...]:
    """The words of a row's key."""
    return tuple(row.get(name) for name in subject.key)


def spelled(engine: str, key: Sequence[str | None]) -> str:
    """A key as an act spells it."""
    return "/".join(plain(engine, word) or "" for word in key)


class Judge:
    """Looks at the timeline after each verb."""

    def __init__(self, world: World, timeline: Timeline) -> None:
        self.world, self.timeline = world, timeline
        self.faults: list[str] = []
        self._judged = 0
        #: Rows that a plan may change, each with the checks that found it and the row as it was planned.
        self.planned: dict[Address, list[Subject]] = defaultdict(list)
        #: By cell written (the whole row, with no column, where it was moved out): what it held before and after.
        self.written: dict[Cell, tuple[Any, Any]] = {}
        self.restored: set[Cell] = set()
        self.reborn: set[tuple[Place, str]] = set()
        self.replaced: set[tuple[Place, str]] = set()
        #: Rows that broke a declared key from the start, or do so by what an actor did.
        self.orphans: set[str] = set()
        self.late: set[tuple[Place, Row]] = set()

    def fault(self, text: str) -> None:
        """A promise that did not hold."""
        self.faults.append(text)

    # -- the plan -----------------------------------------------------------------------------------------------------
    def plans(self, subjects: Sequence[Subject], groups: Sequence[Any], counts: Sequence[int]) -> None:
        """A plan was made: which rows may change, by the judge's own look at the rows."""
        for subject in subjects:
            found = broken(self.world, subject, self.timeline.last)
            mine = sum(count for group, count in zip(groups, counts, strict=True) if group.check == subject.title)
            if mine > len(found):
                self.fault(f"plan: {mine} rows of {subject.title} are to change, {len(found)} are broken")
            for row in found if mine else ():
                self.planned[subject.place, key_of(subject, row)].append(subject)

    # -- spans --------------------------------------------------------------------------------------------------------
    def look(self, groups: Sequence[Any]) -> None:
        """Judge what came since the last look. `groups` are those of the plan: their columns may change."""
        spans, self._judged = self.timeline.spans[self._judged :], len(self.timeline.spans)
        for span in spans:
            if span.author == "actor":
                self._acted(span)
            elif span.changes:
                self._worked(span, groups)

    def _acted(self, span: Span) -> None:
        act = span.act
        assert act
        for place, key in act.reborn:
            # a row that is another one before it is written is proved broken anew, and then written as what it is
            written = any(
                where == place and spelled(self.world.engine, words) == key for (where, words), _ in self.written
            )
            if written and self.timeline.names.get(place, place) == place:
                self.reborn.add((place, key))
        self.replaced |= set(act.replaced)
        self._renamed(act)
        if self.world.engine == "sqlite":  # takes a statement that breaks a key for one row and mends it for another
            self.orphans |= self.dangling(span.after) - self.dangling(span.before)
        # a busy machine lets trueup go on before an act has come to its COMMIT
        if span.point in LATE:
            self.late |= {(place, row_of(row)) for place, change in span.changes.items() for row in change.come}

    def _renamed(self, act: Act) -> None:
        """What is called otherwise by now is so too in what was written, and in what undo is to give back."""
        words: dict[tuple[Place, str], dict[str, str]] = defaultdict(dict)
        for place, column, old, new in act.labels:
            words[place, column][old] = new
        for (address, name), sides in self.written.items():
            mine = {column: known for (place, column), known in words.items() if place == address[0]}
            self.written[address, name] = _renamed(sides[0], name, mine), _renamed(sides[1], name, mine)

    def _worked(self, span: Span, groups: Sequence[Any]) -> None:
        """A span of trueup: every row that went or came is planned."""
        if span.verb not in ("apply", "undo"):
            for place, change in span.changes.items():
                self.fault(f"{span.verb or 'setup'} changed {place}: -{list(change.gone)[:2]} +{list(change.come)[:2]}")
            return
        allowed: dict[str, set[str]] = defaultdict(set)
        deletes = set()
        for group in groups:
            if group.action == "delete":
                deletes.add(group.check)
            else:
                allowed[group.check] |= set(group.columns)
        by_root: dict[Place, tuple[list[Values], list[Values]]] = defaultdict(lambda: ([], []))
        for place, change in span.changes.items():
            gone, come = by_root[root(self.world, place)]
            gone.extend(change.gone)
            come.extend(change.come)
        for place, (gone, come) in by_root.items():
            subject = next((one for one in self.world.subjects if one.place == place), None)
            if subject is None:
                self.fault(
                    f"{span.verb} changed rows of {place}, which no plan names: "
                    f"-{[dict(r) for r in gone[:2]]} +{[dict(r) for r in come[:2]]}"
                )
                continue
            self._rows(span.verb, place, subject, gone, come, allowed, deletes)
            if span.verb == "apply":
                self._premises(span, place, gone, come)

    def _rows(
        self,
        verb: str,
        place: Place,
        subject: Subject,
        gone: Sequence[Values],
        come: Sequence[Values],
        allowed: Mapping[str, set[str]],
        deletes: set[str],
    ) -> None:
        before = {key_of(subject, row): row for row in gone}
        after = {key_of(subject, row): row for row in come}
        if len(before) != len(gone) or len(after) != len(come):
            self.fault(f"{verb}: {place} has several rows of one key")
            return
        for key in {*before, *after}:
            address = place, key
            old, new = before.get(key), after.get(key)
            checks = self.planned.get(address, [])
            if not checks:
                self.fault(f"{verb} changed a row of {place} that was not planned: {old} became {new}")
                continue
            told = spelled(self.world.engine, key)
            columns = set().union(*(allowed[one.title] for one in checks))
            if old is not None and new is not None:
                changed = {name for name in old if old[name] != new.get(name)}
                if changed - columns:
                    self.fault(f"{verb} changed {sorted(changed - columns)} of {place} {key}, planned: {columns}")
                if hit := {(place, name) for name in changed} & self.replaced:
                    self.fault(f"{verb} wrote into {hit}, a column made anew under an old name")
            elif not deletes & {one.title for one in checks}:
                self.fault(
                    f"{verb}: a row of {place} {'went' if new is None else 'came'} without a delete: {old or new}"
                )
            if (place, told) in self.reborn:
                self.fault(
                    f"{verb} wrote into another row that has the key {key} of {place} by now: {old} became {new}"
                )
            self._keep(verb, address, old, new)

    def _premises(self, span: Span, place: Place, gone: Sequence[Values], come: Sequence[Values]) -> None:
        """What is written was broken when it was written: by the rows that were committed before and are after it."""
        for subject in (one for one in self.world.subjects if one.place == place):
            after = {key_of(subject, row): row for row in come}
            written = [
                row
                for row in gone
                if after.get(key_of(subject, row), {}).get(subject.column) != row[subject.column]
                and self._of(place, subject, row) == [subject]
            ]
            if not written:
                continue
            if subject.options["kind"] == "duplicate":
                tables = (rows for where, rows in span.after.items() if root(self.world, where) == place)
                left = {row.get(subject.column) for rows in tables for row in rows}
                # the one that was kept may be another check's, whose run came after it
                left |= {row[subject.column] for row in gone if self._of(place, subject, row) != [subject]}
                wrong = [row for row in written if row[subject.column] not in left]
            else:
                # a parent that came after the look came after the run: what is not there cannot be locked
                views = (span.before, self._without_late(span.before))
                still = {key_of(subject, row) for view in views for row in broken(self.world, subject, view)}
                wrong = [row for row in written if key_of(subject, row) not in still]
            for row in wrong:
                self.fault(f"apply mended a row of {place} that was not broken any more: {row}")

    def _of(self, place: Place, subject: Subject, row: Values) -> list[Subject]:
        """The checks by whose plans a row may change."""
        return self.planned.get((place, key_of(subject, row)), [])

    def _without_late(self, tables: Mapping[Place, Rows]) -> Mapping[Place, Rows]:
        """Rows without those that an act brought after a chunk had looked at them."""
        return {place: [row for row in rows if (place, row_of(row)) not in self.late] for place, rows in tables.items()}

    def _keep(self, verb: str, address: Address, old: Values | None, new: Values | None) -> None:
        cells: dict[str, tuple[Any, Any]] = {"": (old, new)}
        if old is not None and new is not None:
            cells = {name: (old[name], new.get(name)) for name in old if old[name] != new.get(name)}
        for name, (was, now) in cells.items():
            cell = address, name
            if verb == "apply":
                self.written[cell] = (self.written[cell][0] if cell in self.written else was), now
                continue
            if cell not in self.written:
                self.fault(f"undo changed {address} {name}, which apply had not written")
                continue
            shown = now
            if not name and was is None and now is not None:  # columns that came later have their defaults
                shown = {one: value for one, value in now.items() if one in self.written[cell][0]}
            if shown != self.written[cell][0]:
                self.fault(f"undo left {address} {name} as {now}, before the run it was {self.written[cell][0]}")
            self.restored.add(cell)

    # -- declared keys ------------------------------------------------------------------------------------------------
    def dangling(self, tables: Mapping[Place, Rows]) -> set[str]:
        """Rows that break a key which the engine holds up."""
        found = set()
        engine = self.world.engine
        for key in self.world.keys:
            there = set()
            for place, rows in tables.items():
                if root(self.world, place) == key.parent:
                    there |= {self._values(row, key.parent_columns, key.folded) for row in rows}
            for place, rows in tables.items():
                if root(self.world, place) != key.child:
                    continue
                for row in rows:
                    mine = self._values(row, key.columns, key.folded)
                    if None not in mine and mine not in there:
                        found.add(f"{key.child} {key.columns} {[plain(engine, row.get(name)) for name in key.columns]}")
        return found

    def _values(self, row: Values, columns: Sequence[str], folded: bool) -> tuple[str | None, ...]:
        return tuple(_fold(plain(self.world.engine, row.get(name)), folded) for name in columns)


def _renamed(side: Any, name: str, words: Mapping[str, Mapping[str, str]]) -> Any:
    """A cell of column `name`, or a whole row, in the words of now."""
    if isinstance(side, Mapping):
        return {column: words.get(column, {}).get(value, value) for column, value in side.items()}
    return words.get(name, {}).get(side, side)


def told(acts: Sequence[Act]) -> str:
    """What the actors did, in a word each."""
    return ", ".join(f"{act.title} at {act.at}" for act in acts)
