"""The acts of a world: what the application and the migrator do, and when."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.chaos.worlds.model import Act, World
from tests.chaos.worlds.words import repaired, text

if TYPE_CHECKING:
    from tests.chaos.worlds.making import Maker

BOUNDARIES = ("planned", "planned", "applied", "applied", "verified", "ready")
POINTS = (
    "begun",
    "held",
    "copied",
    "written",
    "proved",
    "recorded",
    "committed",
    "committed",
    "given back",
    "brought back",
)


class Scene:
    """What acts are made from."""

    def __init__(self, made: Maker) -> None:
        self.made, self.rng, self.main = made, made.rng, made.main
        self.table = made.q(made.main.place)
        self.fresh = 0

    def new(self, word: str) -> str:
        """A text that nobody had before."""
        self.fresh += 1
        return text(f"{word} {self.fresh}")

    def row(self, *, broken: float = 0.8) -> int:
        """The place of a row, a broken one mostly."""
        places = sorted(self.main.broken)
        if places and self.rng.random() < broken:
            return self.rng.choice(places)
        return self.rng.randrange(len(self.main.rows))

    def where(self, place: int) -> str:
        """The condition that finds a row by its key."""
        row = self.main.rows[place]
        return " AND ".join(f"{self.made.n(name)} = {row[name]}" for name in self.main.key)

    def told(self, place: int) -> str:
        """A row's key as the judge knows it."""
        row = self.main.rows[place]
        return "/".join(key_word(row[name]) for name in self.main.key)

    def insert(self, row: dict[str, str], verb: str = "INSERT") -> str:
        """The statement that inserts a row of the main table."""
        names = ", ".join(map(self.made.n, row))
        return f"{verb} INTO {self.table} ({names}) VALUES ({', '.join(row.values())})"

    def another(self, place: int) -> dict[str, str]:
        """Another row under the key of this one, with the touched columns as repairs leave or found them."""
        row = dict(self.main.rows[place])
        row["note"] = self.new("another row")
        if "u" in row:
            row["u"] = self.rng.choice([self.new("u"), "NULL"])
        for subject in self.made.subjects:
            value = self.rng.choice([repaired(subject), repaired(subject), row[subject.column]])
            if subject.column in row:
                plain = value == "NULL" or value.startswith(("'", "x'")) or value == row[subject.column]
                row[subject.column] = value if plain else text(value)
        return row


def key_word(literal: str) -> str:
    """A key's literal as the judge's dumps show it."""
    if literal.startswith("x'"):
        return literal[2:-1]
    return literal.strip("'")


def acts(made: Maker, world: World) -> Iterator[Act]:
    """A handful of acts, each at its moment."""
    rng, scene = made.rng, Scene(made)
    if made.tenants:
        yield _other_tenant(scene)
        return
    if rng.random() < 0.25:
        return  # a quiet world: here nothing at all may be refused later
    verbs = ["apply", "undo"]
    if rng.random() < 0.45 and (one := aimed(scene)):
        yield one
        if rng.random() < 0.6:
            return  # nothing else that would have it refused
    for number in range(rng.randint(1, 5)):
        name = f"act {number}"
        if rng.random() < 0.3:
            made_act = migrate(scene, name, moment(scene, verbs, ddl=True))
        else:
            made_act = apply_for(scene, name, moment(scene, verbs))
        if made_act:
            yield made_act


def moment(scene: Scene, verbs: list[str], *, ddl: bool = False) -> str:
    """When an act begins."""
    rng = scene.rng
    if rng.random() < 0.55:
        return rng.choice(BOUNDARIES)
    verb = rng.choice(verbs)
    if ddl and rng.random() < 0.5:
        return f"{verb}/starting/1"  # after its looks, before its first chunk
    point = "committed" if ddl or scene.made.engine == "sqlite" else rng.choice(POINTS)
    return f"{verb}/{point}/{rng.randint(1, 3)}"


def apply_for(scene: Scene, name: str, at: str) -> Act | None:
    """A transaction of the application."""
    made, rng = scene.made, scene.rng
    place = scene.row()
    made_of = rng.choice(_APPLICATION)(scene, place)
    if made_of is None:
        return None
    title, sql, reborn = made_of
    if reborn and rng.random() < 0.6:
        at = rng.choice(["applied", "verified"])
    needs = tuple(f"table {'.'.join(one.place)}" for one in made.children if made.q(one.place) in " ".join(sql))
    until = rng.choice([0.05, 0.15]) if rng.random() < 0.35 and at != "ready" else 0.0
    return Act(
        name,
        at,
        title,
        tuple(sql),
        until=until,
        end="ROLLBACK" if rng.random() < 0.12 else "COMMIT",
        needs=needs,
        reborn=((made.main.place, scene.told(place)),) if reborn else (),
    )


def held(made: Maker) -> None:
    """The application holds a row of two checks so long that the first is put aside, and the second may come to it."""
    if not made.shared:
        return
    scene, own = Scene(made), random.Random(f"{made.engine} {made.seed} held")
    place = own.choice(sorted(made.main.broken))
    title, sql, _ = _edit_rest(scene, place) or ("", [], False)
    until = own.uniform(1.2, 2.5) if made.engine == "postgresql" else own.uniform(2.8, 4.5)
    at = own.choice(["apply", "apply", "undo"]) + "/starting/1"
    made.acts.append(Act("hold", at, f"hold a row: {title}", tuple(sql), until=until))


def _other_tenant(scene: Scene) -> Act:
    who = scene.rng.choice(["DATABASE chaos", "ROLE postgres"])
    path = f"ALTER {who} SET search_path = tenant_b, public"
    return Act("aimed", scene.rng.choice(["planned", "applied"]), "another search_path", (path,), "migrator", ddl=True)


def aimed(scene: Scene) -> Act | None:
    """What a repair of this world rests on changes at a moment when it hurts."""
    made, rng = scene.made, scene.rng
    middle = "committed" if made.engine == "sqlite" else rng.choice(["begun", "copied", "written", "proved"])
    during = f"apply/{middle}/{rng.randint(1, 2)}"
    found: list[Act] = []
    for subject in made.subjects:
        kind, repair = subject.options["kind"], subject.options["repair"][0]
        if kind == "orphan" and made.parent:
            table, literals = made.q(made.parent.place), made.parent.kind.literals
            late = [f"INSERT INTO {table} (id, label) VALUES ({literals(one)[0]}, 'late')" for one in (40, 41, 42)]
            found.append(Act("aimed", during, "the missing parents come", tuple(late)))
        if kind == "duplicate":
            kept = f"DELETE FROM {scene.table} WHERE {made.n(made.v)} = 'twice' AND NOT ({made.n('x')} > 15)"
            found.append(Act("aimed", during, "half of the twins go", (kept,)))
        if repair == "quarantine" and (child := _insert_child(scene, scene.row(broken=1))):
            needs = tuple(f"table {'.'.join(one.place)}" for one in made.children)
            found.append(Act("aimed", during, "a child comes late", tuple(child[1]), until=0.1, needs=needs))
        if made.tenant and repair == "quarantine":
            gone = f"DELETE FROM {made.q(made.tenant.place)} WHERE id = 99"
            needs = (f"table {'.'.join(made.tenant.place)}",)
            for at, until in (("applied", 0.0), ("verified", 0.2)):
                found.append(Act("aimed", at, "the second parent goes", (gone,), until=until, needs=needs))
    parents = [act for act in found if "second parent" in act.title]
    return rng.choice(parents if parents and rng.random() < 0.5 else found) if found else None


Made = tuple[str, list[str], bool] | None


def _edit_rest(scene: Scene, place: int) -> Made:
    return (
        "edit another column",
        [f"UPDATE {scene.table} SET note = {scene.new('edited')} WHERE {scene.where(place)}"],
        False,
    )


def _edit_touched(scene: Scene, place: int) -> Made:
    column = scene.rng.choice(scene.made.subjects).column
    good = {scene.made.v: "'open'", "x": "50", "j": """'{"b": 2}'""", "p": "NULL", "u": scene.new("u")}[column]
    return (
        "edit the touched column",
        [f"UPDATE {scene.table} SET {scene.made.n(column)} = {good} WHERE {scene.where(place)}"],
        False,
    )


def _delete(scene: Scene, place: int) -> Made:
    return "delete a row", [f"DELETE FROM {scene.table} WHERE {scene.where(place)}"], False


def _reuse(scene: Scene, place: int) -> Made:
    sql = [f"DELETE FROM {scene.table} WHERE {scene.where(place)}", scene.insert(scene.another(place))]
    return "reuse a key", sql, True


def _replace(scene: Scene, place: int) -> Made:
    if scene.made.engine == "postgresql":
        return _reuse(scene, place)
    return "replace a row", [scene.insert(scene.another(place), "REPLACE")], True


def _insert_child(scene: Scene, place: int) -> Made:
    if not scene.made.children:
        return None
    child = scene.rng.choice(scene.made.children)
    kind = scene.main.kind
    values = (kind.spelled or kind.literals)(place + 1)
    scene.fresh += 1
    names = ", ".join(["id", "note", *(f"r{part}" for part, _ in enumerate(values))])
    told = ", ".join([str(1000 + scene.fresh), scene.new("new kid"), *values])
    return "insert a child", [f"INSERT INTO {scene.made.q(child.place)} ({names}) VALUES ({told})"], False


def _delete_parent(scene: Scene, place: int) -> Made:
    parent = scene.made.parent
    if not parent:
        return None
    value = scene.rng.choice(parent.rows)["id"]
    return "delete a parent", [f"DELETE FROM {scene.made.q(parent.place)} WHERE id = {value}"], False


def _insert_parent(scene: Scene, place: int) -> Made:
    parent = scene.made.parent
    if not parent:
        return None
    value = parent.kind.literals(scene.rng.choice([40, 41, 42]))[0]
    return (
        "insert a parent",
        [f"INSERT INTO {scene.made.q(parent.place)} (id, label) VALUES ({value}, {scene.new('late')})"],
        False,
    )


def _take_value(scene: Scene, place: int) -> Made:
    row = scene.another(place)
    spare = scene.main.kind.literals(50 + scene.fresh % 9)
    row |= dict(zip(scene.main.key, spare, strict=True))
    if "u" in row:
        row["u"] = scene.main.rows[place]["u"]
    return "take a row's unique value", [scene.insert(row)], False


def _delete_first(scene: Scene, place: int) -> Made:
    first = min(scene.main.broken, default=0)
    return "delete the kept row", [f"DELETE FROM {scene.table} WHERE {scene.where(first)}"], False


_APPLICATION = (
    _edit_rest, _edit_touched, _edit_touched, _delete, _reuse, _reuse, _replace, _insert_child, _insert_child,
    _delete_parent, _insert_parent, _take_value, _take_value, _delete_first,
)  # fmt: skip


# -- the migrator -----------------------------------------------------------------------------------------------------
def migrate(scene: Scene, name: str, at: str) -> Act | None:
    """A change of the schema."""
    from tests.chaos.worlds.migrating import choose

    return choose(scene, name, at)
