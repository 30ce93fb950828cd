"""What a world is made of while it is made: tables, pieces, and one number that decides everything."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.worlds.model import Act, Key, Piece, Place, Subject
from tests.chaos.worlds.words import INNODB, TYPES, KeyKind, Types


@dataclass
class Tab:
    """A table while it is made: columns by name with their definitions, rows as literals."""

    place: Place
    columns: dict[str, str]
    key: tuple[str, ...]
    kind: KeyKind
    rows: list[dict[str, str]] = field(default_factory=list)
    #: Clauses at the end of CREATE TABLE (before the closing bracket), and after it.
    clauses: list[str] = field(default_factory=list)
    after: str = ""
    primary: str = "PRIMARY KEY"
    broken: set[int] = field(default_factory=set)


@dataclass
class Maker:
    """What a world is made of, and how far it is."""

    engine: str
    rng: random.Random
    seed: int = 0
    pieces: list[Piece] = field(default_factory=list)
    subjects: list[Subject] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    #: A foreign key of the main table that is added when the rows are there.
    late: str = ""
    #: Whether rows break a declared key from the start.
    dangling: bool = False
    #: Whether two tenants have one table each, of the same shape, and nothing else.
    tenants: bool = False
    home: str = ""
    main: Tab = None  # type: ignore[assignment]  # set by `generate`
    parent: Tab | None = None
    #: A second table that the main one refers to, by a key that is sound; its last row is for broken rows only.
    tenant: Tab | None = None
    children: list[Tab] = field(default_factory=list)
    #: Tables that refer to the main one by a generated column; and acts that belong to what is special here.
    followers: list[Tab] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    #: What the column of words is called.
    v: str = "v"
    #: What the main table is called, where that is strange.
    called: str = ""
    #: Whether rows that one check finds are mostly those that another found.
    shared: bool = False
    #: What tables had to be preceded by, said once.
    said: set[str] = field(default_factory=set)
    #: Statements that make the partitions of the main table; pieces that come last.
    partitions: tuple[str, ...] = ()
    last: list[Piece] = field(default_factory=list)

    @property
    def types(self) -> Types:
        """The engine's words for columns."""
        return TYPES[self.engine]

    def q(self, place: Place) -> str:
        """A table as SQL spells it."""
        name = self.types.name(place[1])
        return name if self.engine == "sqlite" else f"{self.types.name(place[0])}.{name}"

    def n(self, name: str) -> str:
        """A column as SQL spells it."""
        return self.types.name(name)

    def chance(self, share: float, feature: str = "") -> bool:
        """Whether something is there; its name is remembered."""
        yes = self.rng.random() < share
        if yes and feature:
            self.features.append(feature)
        return yes

    def rarely(self, share: float, feature: str) -> random.Random | None:
        """Numbers for a kind of thing that is rare, where it is there: others are not different for them."""
        own = random.Random(f"{self.engine} {self.seed} {feature}")
        if own.random() >= share:
            return None
        self.features.append(feature)
        return own

    def table(self, tab: Tab, *, spare: bool = True, needs: tuple[str, ...] = ()) -> None:
        """A piece that makes a table, and pieces for its rows."""
        parts = [f"{self.n(name)} {ddl}" for name, ddl in tab.columns.items()]
        single = self.engine == "sqlite" and len(tab.key) == 1 and tab.primary == "PRIMARY KEY"
        if single:  # only then is it the rowid
            at = list(tab.columns).index(tab.key[0])
            parts[at] += " PRIMARY KEY"
        else:
            parts.append(f"{tab.primary} ({', '.join(map(self.n, tab.key))})")
        made = f"CREATE TABLE {self.q(tab.place)} ({', '.join([*parts, *tab.clauses])}){tab.after}"
        name = f"table {'.'.join(tab.place)}"
        for statement in tab.kind.first:
            if statement not in self.said:
                self.said.add(statement)
                self.pieces.append(Piece(statement, (statement,), (), False))
        parts = list(self.partitions) if tab is self.main else []
        self.pieces.append(Piece(name, (made, *parts), needs, spare))
        for number, row in enumerate(tab.rows):
            told = ", ".join(map(self.n, row))
            insert = f"INSERT INTO {self.q(tab.place)} ({told}) VALUES ({', '.join(row.values())})"
            self.pieces.append(Piece(f"row {number} of {'.'.join(tab.place)}", (insert,), (name,)))

    def unchecked(self, work: Callable[[], None]) -> None:
        """Load with references unchecked, as an import does; SQLite's setup has them off anyhow."""
        if self.engine in INNODB:
            self.pieces.append(Piece("checks off", ("SET foreign_key_checks = 0",), (), False))
            work()
            self.pieces.append(Piece("checks on", ("SET foreign_key_checks = 1",), (), False))
        else:
            work()
