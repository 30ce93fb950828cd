"""The table changes its shape between plan and apply, or between two chunks: nothing is written after that."""

from __future__ import annotations

import random
from collections.abc import Mapping

from tests.chaos.app import TABLE, load
from tests.chaos.arena import Arena, Tally
from tests.chaos.oracle import Oracle
from tests.chaos.scripted import Scripted

SEEN = ("schema changes",)
ROWS, BROKEN = 40, 18
CHANGES: Mapping[str, str] = {
    "a column more": f"ALTER TABLE {TABLE} ADD COLUMN extra INTEGER",
    "a column less": f"ALTER TABLE {TABLE} DROP COLUMN spare",
    "another type": "",
    "a unique index": f"CREATE UNIQUE INDEX one ON {TABLE} (id, bal)",
    "a trigger": "",
}
TYPES = {
    "sqlite": f"ALTER TABLE {TABLE} RENAME COLUMN spare TO other",  # it has no words for another type
    "postgresql": f"ALTER TABLE {TABLE} ALTER COLUMN spare TYPE bigint",
}
TYPE = f"ALTER TABLE {TABLE} MODIFY spare BIGINT"
TRIGGERS = {
    "sqlite": [f"CREATE TRIGGER watch AFTER UPDATE ON {TABLE} BEGIN SELECT 1; END"],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
        f"CREATE TRIGGER watch AFTER UPDATE ON {TABLE} FOR EACH ROW EXECUTE FUNCTION watch()",
    ],
}
TRIGGER = [f"CREATE TRIGGER watch BEFORE UPDATE ON {TABLE} FOR EACH ROW SET @watched = 1"]


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Each change, before and during."""
    rng = random.Random(seed)
    for name in CHANGES:
        for when in ("before", "during"):
            where = f"{arena.engine}, seed {seed}, {name} {when} apply"
            start = load(arena.session, rng, ROWS, BROKEN)
            arena.session.run(f"ALTER TABLE {TABLE} ADD COLUMN spare INTEGER")
            arena.do("plan")
            oracle = Oracle(arena.session, arena.plan, start, Scripted(arena.session))
            with arena.tool("apply", point="committed" if when == "during" else "", hit=2, act="hold") as hand:
                if when == "during":
                    hand.until("at")
                done = len(oracle.read_ledger().ops)
                change(arena, name)
                oracle.reshaped()
                hand.go_on()
                told = hand.outcome() if when == "during" else arena.do("apply")
            tally.seen["schema changes"] += 1
            found = oracle.check()
            if len(oracle.ledger.ops) != done:
                found.append(f"{len(oracle.ledger.ops) - done} operations were carried out after it: {told}")
            if (when, told.word, told.state) not in (("before", "error", ""), ("during", "done", "stopped")):
                found.append(f"apply says {told}")
            tally.violations += [f"{where}: {fault}" for fault in found]


def change(arena: Arena, name: str) -> None:
    """Change the table's shape; the next round's `load` makes it anew."""
    statements = [CHANGES[name]]
    if name == "another type":
        statements = [TYPES.get(arena.engine, TYPE)]
    elif name == "a trigger":
        statements = TRIGGERS.get(arena.engine, TRIGGER)
    for statement in statements:
        arena.session.run(statement)
