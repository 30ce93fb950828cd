"""What is known at one point of a function: variables, columns, and the changes that are not written yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

from trueup.lint.coltypes import Tracked
from trueup.lint.flow.values import NOTHING, Data, Token, Values, inside, join, only, outermost, shares

#: (object, field): one column of one object.
Slot = tuple[Token, str]
#: What SQLAlchemy compares with at flush: `CLEAN` (nothing was set), `FLAGGED` (it writes anyway), or a token.
CLEAN: Final[Token] = ("clean",)
FLAGGED: Final[Token] = ("flagged",)
#: Fate of a change on the paths that lead here.
OPEN, LOST, MAYBE, SAVED = "open", "lost", "maybe", "saved"

_BOTH = {
    frozenset((OPEN, SAVED)): MAYBE,
    frozenset((LOST, SAVED)): MAYBE,
    frozenset((OPEN, LOST)): OPEN,
}


def either(one: str, other: str) -> str:
    """The fate where two paths meet."""
    return one if one == other else _BOTH.get(frozenset((one, other)), MAYBE)


@dataclass(kw_only=True)
class State:
    """Mutable while a path is followed, copied where paths part.

    `slots` maps a column to the pairs (compared with, current) it may be in; `fates` a change to its fate; `covered`
    are changes that were safe when they were made, because the column had been set or flagged before. `rebuilt` maps a
    new list to the value whose very elements, and no others, were put into it, or to `()`.
    """

    names: dict[str, Values] = field(default_factory=dict)
    attributes: dict[tuple[Token, str], Values] = field(default_factory=dict)
    slots: dict[Slot, frozenset[tuple[Token, Token]]] = field(default_factory=dict)
    tracked: dict[Slot, Tracked] = field(default_factory=dict)
    fates: dict[tuple[Token, Slot], str] = field(default_factory=dict)
    covered: frozenset[tuple[Token, Slot]] = frozenset()
    diverged: frozenset[Token] = frozenset()
    copies: frozenset[Token] = frozenset()
    rebuilt: dict[Token, Token] = field(default_factory=dict)
    keys: dict[tuple[Token, object], Values] = field(default_factory=dict)
    pending: frozenset[Token] = frozenset()
    added: frozenset[Token] = frozenset()
    loose: frozenset[Token] = frozenset()
    sessions: dict[Token, str] = field(default_factory=dict)
    dead: bool = False

    def copy(self) -> State:
        """A state of its own."""
        return State(
            names=dict(self.names),
            attributes=dict(self.attributes),
            slots=dict(self.slots),
            tracked=dict(self.tracked),
            fates=dict(self.fates),
            covered=self.covered,
            diverged=self.diverged,
            copies=self.copies,
            rebuilt=dict(self.rebuilt),
            keys=dict(self.keys),
            pending=self.pending,
            added=self.added,
            loose=self.loose,
            sessions=dict(self.sessions),
            dead=self.dead,
        )

    def take(self, other: State) -> None:
        """Become `other`."""
        self.__dict__.update(other.copy().__dict__)

    def meet(self, other: State) -> None:
        """Become what is known where this path and `other` come together."""
        if other.dead:
            return
        if self.dead:
            self.take(other)
            return
        _join_all(self.names, other.names)
        _join_all(self.attributes, other.attributes)
        for (token, key), values in [*self.keys.items(), *other.keys.items()]:
            # a key that one path has not set holds there what it held before
            before = NOTHING if token[0] == "new" else only(Data(inside(token)))
            held = self.keys.get((token, key), before), other.keys.get((token, key), before)
            self.keys[token, key] = join(values, *held)
        for slot in {*self.slots, *other.slots}:
            untouched = frozenset({(self._first(slot), ("load", *slot))})
            self.slots[slot] = self.slots.get(slot, untouched) | other.slots.get(slot, untouched)
        self.tracked |= other.tracked
        for change, fate in other.fates.items():
            self.fates[change] = either(self.fates.get(change, fate), fate)
        self.covered |= other.covered
        # a copy that only one path has changed is equal on the other; what one path has not made is not compared there
        mine, theirs = self.diverged - (other.copies - other.diverged), other.diverged - (self.copies - self.diverged)
        self.diverged = mine | theirs
        for token in {*self.rebuilt, *other.rebuilt}:
            if self.rebuilt.get(token) != other.rebuilt.get(token):
                self.rebuilt[token] = ()
        self.copies |= other.copies
        self.pending &= other.pending
        self.added |= other.added
        self.loose |= other.loose
        self.sessions |= other.sessions

    def _first(self, slot: Slot) -> Token:
        return FLAGGED if slot[0] in self.pending else CLEAN

    def read(self, slot: Slot, tracked: Tracked = "") -> frozenset[tuple[Token, Token]]:
        """The pairs of a column, which is read for the first time when there are none."""
        if slot not in self.slots:
            self.slots[slot] = frozenset({(self._first(slot), ("load", *slot))})
        if tracked:
            self.tracked[slot] = tracked
        return self.slots[slot]

    def written(self, pair: tuple[Token, Token]) -> bool:
        """Whether a flush now would write a column in this state."""
        before, now = pair
        if before == FLAGGED:
            return True
        if before in (CLEAN, now):
            return False
        token = now
        while token[0] in ("copy", "deepcopy") or self.rebuilt.get(token):
            if token in self.diverged:
                return True
            token = self.rebuilt.get(token) or token[2]  # type: ignore[assignment]
            if token == before:
                return False
        return True

    def change(self, tokens: Iterable[Token], how: str, place_of: Callable[[Slot], Token]) -> None:
        """One of `tokens` was changed in place; `place_of` tells where the change of a column is to be reported."""
        fates = [fate for token in tokens for fate in self._change(token, how)]
        for slot in dict.fromkeys(slot for slot, _ in fates):
            # it is safe if it is safe whichever of the tokens it was
            change = (place_of(slot), slot)
            self.fates[change] = OPEN if (slot, OPEN) in fates else SAVED
            if self.fates[change] == SAVED and slot[0] not in self.pending:
                self.covered |= {change}
            self.settle(slot)

    def _change(self, token: Token, how: str) -> Iterator[tuple[Slot, str]]:
        base, nested = outermost(token)
        # where the key is there already, `setdefault` and putting back what it holds leave a copy equal
        equal = not nested and how in ("setdefault", "same")
        own = base[0] == "deepcopy" or (base[0] == "copy" and not nested)
        apart = {base} if own and not equal else set()
        for copy in self.copies:
            if copy[2] == base and (not nested or copy[0] == "deepcopy"):
                apart.add(copy)
        self.diverged |= apart
        if base[0] == "new" and not nested:
            self.rebuilt[base] = ()
        for slot, pairs in list(self.slots.items()):
            hit = [pair for pair in pairs if (shares(pair[1], base) if nested else pair[1] == base)]
            if not hit:
                continue
            tracked = self.tracked.get(slot, "")
            if tracked == "nested" or (tracked and not nested and _notices(tracked, how)):
                self.flag(slot)
            elif all(self.written(pair) for pair in hit) or slot[0] in self.loose:
                yield slot, SAVED
            else:
                yield slot, OPEN

    def appended(self, token: Token, elements: set[Token], before: Token | None) -> None:
        """One of `elements` was put into the new list `token`, which had been rebuilt from `before` so far."""
        (element,) = elements if len(elements) == 1 else ((),)
        if token[0] == "new" and element and element[0] == "in" and before in (None, element[1]):
            self.rebuilt[token] = element[1]  # type: ignore[assignment]

    def set(self, slot: Slot, tokens: list[Token]) -> None:
        """The column was assigned one of `tokens`."""
        pairs = set()
        for before, now in self.read(slot):
            for token in tokens:
                pairs.add((now if before == CLEAN else before, token))
        self.slots[slot] = frozenset(sorted(pairs, key=repr)[:16])
        self.settle(slot)

    def flag(self, slot: Slot) -> None:
        """The column is written at the next flush whatever it holds."""
        self.slots[slot] = frozenset((FLAGGED, now) for _, now in self.read(slot))
        self.settle(slot)

    def settle(self, slot: Slot) -> None:
        """If the next flush writes the column on every path, the changes made so far are safe."""
        if all(self.written(pair) for pair in self.slots.get(slot, ())):
            self.save(slot)

    def save(self, slot: Slot) -> None:
        """The changes made to the column so far are safe."""
        for change, fate in self.fates.items():
            if change[1] == slot and fate != LOST:
                self.fates[change] = SAVED

    def flush(self, *, commit: bool) -> None:
        """What is set and flagged is written; after a commit, what is not is gone."""
        self.pending -= self.added
        self.slots = {
            slot: pairs
            if slot[0] in self.pending
            else frozenset({(CLEAN, ("load", *slot))} if commit else {(CLEAN, now) for _, now in pairs})
            for slot, pairs in self.slots.items()
        }
        if commit:
            for change, fate in self.fates.items():
                if fate == OPEN:
                    self.fates[change] = LOST

    def forget(self) -> None:
        """A rollback: what was changed is meant to be gone."""
        self.fates = {change: fate for change, fate in self.fates.items() if fate == LOST}
        self.slots = {}


#: The methods that do what a statement does.
_CALLED = {"item": "__setitem__", "same": "__setitem__", "del": "__delitem__", "|=": "__ior__", "+=": "__iadd__"}


def _notices(tracked: Tracked, how: str) -> bool:
    """Whether a Mutable type sees a change at the top level that is made this way."""
    return isinstance(tracked, str) or _CALLED.get(how, how) in tracked


_Key = TypeVar("_Key")


def _join_all(mine: dict[_Key, Values], theirs: dict[_Key, Values]) -> None:
    for name, values in theirs.items():
        mine[name] = join(mine.get(name, NOTHING), values)
