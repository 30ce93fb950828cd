"""What a world is: plain SQL in pieces that can be left out, acts of the actors, checks, and how it is played."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

#: A table of the server: its schema or database (`main` on SQLite), and its name.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Piece:
    """A few statements of the setup that belong together; `needs` are the pieces without which they mean nothing."""

    name: str
    sql: tuple[str, ...]
    needs: tuple[str, ...] = ()
    #: Whether the shrinker may leave it out.
    spare: bool = True


@dataclass(frozen=True, slots=True)
class Act:
    """One transaction of an actor.

    `at` is a boundary (`planned`, `applied`, `verified` ...) or a failpoint of a verb (`apply/written/2`: its second
    passing). `until` is how long it stays open, in seconds; `end` how it ends. `reborn` are rows that are others under
    the same key from now on, `renames` tables that have other names, `replaced` columns that are others under the same
    name.
    """

    name: str
    at: str
    title: str
    sql: tuple[str, ...]
    actor: str = "application"
    until: float = 0.0
    end: str = "COMMIT"
    ddl: bool = False
    needs: tuple[str, ...] = ()
    reborn: tuple[tuple[Place, str], ...] = ()
    renames: tuple[tuple[Place, Place], ...] = ()
    replaced: tuple[tuple[Place, str], ...] = ()
    #: Of a column, what is called otherwise from now on: its place, its name, the old word and the new one.
    labels: tuple[tuple[Place, str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """A check of a world as the judge knows it: which table and column it is about, in whose words it is broken.

    `parent` is the table that decides (of an orphan its parent, of a total its children), with the columns that are
    compared; `folded` says that case makes no difference there.
    """

    options: Mapping[str, Any]
    place: Place
    key: tuple[str, ...]
    column: str
    parent: Place | None = None
    parent_column: str = ""
    folded: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name in the configuration."""
        return str(self.options["name"])


@dataclass(frozen=True, slots=True)
class Key:
    """A declared foreign key that the engine holds up."""

    child: Place
    columns: tuple[str, ...]
    parent: Place
    parent_columns: tuple[str, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """All there is."""

    engine: str
    seed: int
    pieces: tuple[Piece, ...]
    acts: tuple[Act, ...]
    subjects: tuple[Subject, ...]
    keys: tuple[Key, ...] = ()
    #: Statements that make the account trueup uses, its name, and how its database is called.
    account: str = ""
    #: Partitions and the tables that they belong to.
    parts: tuple[tuple[Place, Place], ...] = ()
    #: One of "", "apply", "undo": the verb that is killed on the way, and at which passing of any failpoint.
    killed: str = ""
    hit: int = 0
    #: Whether the plans of several checks are carried out at once.
    together: bool = False
    #: What a transaction of the application sets first.
    prelude: tuple[str, ...] = ()
    #: Words for what is special here; the report counts them.
    features: tuple[str, ...] = ()

    def without(self, names: set[str]) -> World:
        """The same without some pieces and acts, and without those that need them."""
        gone, more = set(names), True
        everything: tuple[Piece | Act, ...] = (*self.pieces, *self.acts)
        while more:
            needy = {one.name for one in everything if one.name not in gone and gone & set(one.needs)}
            more = bool(needy)
            gone |= needy
        return replace(
            self,
            pieces=tuple(one for one in self.pieces if one.name not in gone),
            acts=tuple(one for one in self.acts if one.name not in gone),
        )

    def spare(self) -> list[str]:
        """The names of what may be left out."""
        return [*(act.name for act in self.acts), *(one.name for one in reversed(self.pieces) if one.spare)]

    def text(self) -> str:
        """As JSON, to be played again."""
        return json.dumps(asdict(self), indent=1)


def read(text: str) -> World:
    """A world that was written down."""
    data = _tuples(json.loads(text))
    return World(
        **{
            **data,
            "pieces": tuple(Piece(**one) for one in data["pieces"]),
            "acts": tuple(Act(**one) for one in data["acts"]),
            "subjects": tuple(Subject(**one) for one in data["subjects"]),
            "keys": tuple(Key(**one) for one in data["keys"]),
        }
    )


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(one) for one in value)
    if isinstance(value, dict):
        return {name: list(one) if name in ("repair", "allowed") else _tuples(one) for name, one in value.items()}
    return value
