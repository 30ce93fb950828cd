"""From one number a world: tables with keys of every kind, references, broken rows, side objects, and acts."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.chaos.worlds import tables
from tests.chaos.worlds.acting import acts, held
from tests.chaos.worlds.breaking import subjects
from tests.chaos.worlds.derived import derived, following
from tests.chaos.worlds.limits import limits
from tests.chaos.worlds.making import Maker
from tests.chaos.worlds.model import Piece, World
from tests.chaos.worlds.rules import functions
from tests.chaos.worlds.special import shape, special
from tests.chaos.worlds.strange import named, strange
from tests.chaos.worlds.typed import typed
from tests.chaos.worlds.zones import zones


def generate(engine: str, seed: int) -> World:
    """The world of a number."""
    rng = random.Random(f"{engine} {seed}")
    home = {"sqlite": "main", "postgresql": "public"}.get(engine, "chaos")
    made = Maker(engine, rng, seed, home=home)
    if engine == "postgresql" and made.chance(0.3, "search_path"):
        made.home = "tenant_a"
    made.tenants = made.home == "tenant_a" and made.chance(0.4, "tenants")
    named(made)
    tables.main(made)
    if not made.tenants:
        tables.parent(made)
    subjects(made)
    if not made.tenants:
        tables.tenant(made)
        shape(made)
    functions(made)
    derived(made)
    following(made)
    typed(made)
    zones(made)
    strange(made)
    held(made)
    for above in (made.parent, made.tenant):
        if above:
            made.table(above)
    made.unchecked(lambda: made.table(made.main, spare=False))
    if made.late and made.parent:
        sound = not made.dangling and "orphan" not in [one.options["kind"] for one in made.subjects]
        valid = "" if sound and rng.random() < 0.5 else " NOT VALID"
        sql = f"ALTER TABLE {made.q(made.main.place)} ADD CONSTRAINT wt_fk {made.late}{valid}"
        made.features += ["NOT VALID"] if valid else []
        made.pieces.append(Piece("late key", (sql,), (f"table {'.'.join(made.parent.place)}",)))
    if not made.tenants:
        tables.children(made)
    for child in made.followers:
        made.table(child)
    tables.twins(made)
    special(made)
    limits(made)
    made.pieces.append(
        Piece(
            "table audit",
            (f"CREATE TABLE {made.q((made.home, 'audit'))} (n {made.types.whole}, t {made.types.short})",),
            (),
            False,
        )
    )
    made.pieces += made.last
    if engine == "postgresql" and made.home != "public":
        made.pieces.insert(0, Piece("schema", ("CREATE SCHEMA tenant_a", "CREATE SCHEMA tenant_b"), (), False))
        made.pieces.append(
            Piece("search_path", ("ALTER DATABASE chaos SET search_path = tenant_a, public",), (), False)
        )
    world = World(
        engine,
        seed,
        tuple(made.pieces),
        (),
        tuple(made.subjects),
        tuple(made.keys),
        features=tuple(dict.fromkeys(made.features)),
        together=len(made.subjects) > 1 and rng.random() < 0.5,
        prelude=("PRAGMA foreign_keys = ON",) if engine == "sqlite" and rng.random() < 0.8 else (),
        **made.more,
    )
    world = replace(world, acts=(*acts(made, world), *made.acts))
    if rng.random() < 0.06 and not world.together:
        world = replace(world, killed=rng.choice(["apply", "undo"]), hit=rng.randint(1, 40), acts=())
    return world
