"""Rows that others refer to with ON DELETE CASCADE: mending the parents, or moving them out, costs no child."""

from __future__ import annotations

from tests.chaos.arena import Arena, Tally
from tests.chaos.images import image
from tests.rowhash import changed_rows

SEEN = ("parents mended", "parents kept", "rows in quarantine")
ROWS = 30


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Mend the parents; then move out what may be moved out, and bring it back."""
    where = f"{arena.engine}, seed {seed}"
    tally.violations += [f"{where}, mending: {fault}" for fault in mending(arena, tally)]
    tally.violations += [f"{where}, quarantine: {fault}" for fault in moving(arena, tally)]


def tables(arena: Arena) -> None:
    """Parents, every fifth out of range, every seventh without a name; two children each for the odd ones."""
    run = arena.session.run
    inno = " ENGINE=InnoDB" if arena.engine in ("mysql", "mariadb") else ""
    run("DROP TABLE IF EXISTS children")
    run("DROP TABLE IF EXISTS parents")
    run(f"CREATE TABLE parents (id INTEGER PRIMARY KEY, a INTEGER, name VARCHAR(20), note VARCHAR(20)){inno}")
    run(
        "CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, "
        f"FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE){inno}"
    )
    for row in range(1, ROWS + 1):
        name = "NULL" if row % 7 == 0 else f"'n{row}'"
        run(f"INSERT INTO parents VALUES ({row}, {99 if row % 5 == 0 else 1}, {name}, 'note {row}')")
        for child in range(2 if row % 2 else 0):
            run(f"INSERT INTO children VALUES ({row * 10 + child}, {row})")


def mending(arena: Arena, tally: Tally) -> list[str]:
    """An update of parents changes them and nothing else."""
    tables(arena)
    check = {"kind": "out-of-range", "table": "parents", "column": "a", "maximum": "10", "name": "a", "repair": "clamp"}
    config = arena.configure("mending", [check])
    before, found = image(arena), []
    plan = arena.folder / f"{arena.engine}-mending.jsonl"
    arena.do("plan", plan, config)
    told = arena.do("apply", plan, config)
    wanted = {str(row) for row in range(5, ROWS + 1, 5)}
    if changed_rows(before, image(arena)) != {"parents": wanted}:
        found.append(f"changed {changed_rows(before, image(arena))}, not only parents {sorted(wanted)}: {told}")
    told = arena.do("undo", plan, config)
    if image(arena) != before:
        found.append(f"undo left {changed_rows(before, image(arena))}: {told}")
    tally.seen["parents mended"] += len(wanted)
    return found


def moving(arena: Arena, tally: Tally) -> list[str]:
    """Of the nameless parents the odd ones have children; one more gets a child after the plan was made."""
    tables(arena)
    check = {"kind": "missing", "table": "parents", "column": "name", "name": "names", "repair": "quarantine"}
    config = arena.configure("moving", [check])
    plan = arena.folder / f"{arena.engine}-moving.jsonl"
    arena.do("plan", plan, config)
    arena.session.run("INSERT INTO children VALUES (1, 14)")
    before, found = image(arena), []
    told = arena.do("apply", plan, config)
    gone = {str(row) for row in range(7, ROWS + 1, 7) if row % 2 == 0} - {"14"}
    if changed_rows(before, image(arena)) != {"parents": gone}:
        found.append(f"changed {changed_rows(before, image(arena))}, not only parents {sorted(gone)}: {told}")
    told = arena.do("undo", plan, config)
    if image(arena) != before:
        found.append(f"undo left {changed_rows(before, image(arena))}: {told}")
    tally.seen["parents kept"] += 3
    tally.seen["rows in quarantine"] += len(gone)
    return found
