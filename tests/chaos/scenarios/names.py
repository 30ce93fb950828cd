"""Tables and columns with names that SQL was not made for: it works all the same, and no bystander is touched."""

from __future__ import annotations

from tests.chaos.arena import Arena, Tally
from tests.chaos.images import image
from tests.chaos.plain import ERRORS
from tests.chaos.poisons import NAMES
from tests.rowhash import changed_rows

SEEN = ("odd names",)


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Each name once as table, column and key."""
    run = arena.session.run
    run("DROP TABLE IF EXISTS canary")
    run("CREATE TABLE canary (id INTEGER PRIMARY KEY)")
    run("INSERT INTO canary VALUES (1)")
    checks, made = [], []
    for name in NAMES if arena.engine != "sqlite" else [name for name in NAMES if name != "case"]:
        table, column, key = (quoted(arena, f"{part}{name}"[:63]) for part in "tck")
        try:
            run(f"CREATE TABLE {table} ({key} INTEGER PRIMARY KEY, {column} INTEGER)")
        except ERRORS:  # the engine itself does not want it
            arena.session.rollback()
            continue
        made.append(table)
        if f"t{name}"[:63] not in image(arena):  # MySQL makes `t?` of an emoji, and says nothing
            continue
        for row in range(1, 7):
            run(f"INSERT INTO {table} VALUES ({row}, {99 if row % 3 == 0 else 1})")
        bare, where = f"t{name}"[:63], {"column": f"c{name}"[:63], "maximum": "10"}
        checks.append({"kind": "out-of-range", "table": bare, "name": f"check {len(made)}", "repair": "clamp", **where})
    config, plan = arena.configure("names", checks), arena.folder / f"{arena.engine}-names.jsonl"
    found, before = [], image(arena)
    tally.seen["odd names"] += len(checks)
    if (told := arena.do("plan", plan, config)).text != str(2 * len(checks)):
        found.append(f"the plan for {len(checks)} tables: {told}")
    for verb, rows in (("apply", 2), ("undo", 0)):
        told = arena.do(verb, plan, config)
        changed = changed_rows(before, image(arena))
        if told.word != "done" or [*map(len, changed.values())] != [rows] * (len(checks) if rows else 0):
            found.append(f"{verb} changed {changed}: {told}")
    for table in [*made, "canary"]:
        run(f"DROP TABLE {table}")
    tally.violations += [f"{arena.engine}, seed {seed}: {fault}" for fault in found]


def quoted(arena: Arena, name: str) -> str:
    """A name as SQL spells it."""
    mark = '"' if arena.engine in ("sqlite", "postgresql") else "`"
    return mark + name.replace(mark, mark * 2) + mark
