"""The application writes a value that `=` calls equal, or that differs only far behind: it is another value."""

from __future__ import annotations

from typing import Any

from tests.chaos.arena import Arena, Tally
from tests.chaos.images import image

SEEN = ("twins",)
LONG = "x" * 5000
LOOSE = "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
#: By engine: the columns' types, and for each column the value found broken and its twin, as SQL.
PAIRS = {
    "sqlite": [("t", "TEXT COLLATE RTRIM", "'  '", "'   '"), ("j", "TEXT", f"'\"{LONG}a\"'", f"'\"{LONG}b\"'")],
    "postgresql": [("a", "numeric", "999.0", "999.00"), ("j", "jsonb", f"'\"{LONG}a\"'", f"'\"{LONG}b\"'")],
    "mysql": [("t", LOOSE, "'  '", "'   '"), ("j", "JSON", f"'\"{LONG}a\"'", f"'\"{LONG}b\"'")],
    "mariadb": [("t", LOOSE, "'  '", "'   '"), ("j", "JSON", f"'\"{LONG}a\"'", f"'\"{LONG}b\"'")],
}
SOUND = {"a": "5", "t": "'there'", "j": "'{}'"}
CHECKS: dict[str, dict[str, Any]] = {
    "a": {"kind": "out-of-range", "column": "a", "maximum": "10", "repair": "clamp"},
    "t": {"kind": "missing", "column": "t", "blank": True, "fill": "none", "repair": "fill"},
    "j": {"kind": "wrong-json-type", "column": "j", "expected": "object", "repair": "wrap"},
}
ROWS = 24


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Each twin written between plan and apply, and between apply and undo."""
    pairs, run = PAIRS[arena.engine], arena.session.run
    for name, kind, first, twin in pairs:
        where = f"{arena.engine}, seed {seed}, {kind}"
        run("DROP TABLE IF EXISTS twins")
        run(f"CREATE TABLE twins (id INTEGER PRIMARY KEY, {name} {kind})")
        for row in range(1, ROWS + 1):
            run(f"INSERT INTO twins VALUES ({row}, {first if row % 3 == 0 else SOUND[name]})")
        config = arena.configure("twins", [{"table": "twins", "name": name, **CHECKS[name]}])
        plan = arena.folder / f"{arena.engine}-twins.jsonl"
        found = []
        if (told := arena.do("plan", plan, config)).text != str(ROWS // 3):
            found.append(f"the plan: {told}")
        run(f"UPDATE twins SET {name} = {twin} WHERE id IN (3, 9)")
        before = image(arena)
        told = arena.do("apply", plan, config)
        after = image(arena)
        changed = {row for row, told in after["twins"].items() if before["twins"][row] != told}
        if told.state != "applied" or changed != {str(row) for row in range(3, ROWS + 1, 3)} - {"3", "9"}:
            found.append(f"apply wrote rows {sorted(changed)}, the application had written 3 and 9: {told}")
        told = arena.do("undo", plan, config)
        if told.state != "undone" or image(arena) != before:
            found.append(f"undo did not give back every byte: {told}")
        tally.seen["twins"] += 2
        tally.violations += [f"{where}: {fault}" for fault in found]
