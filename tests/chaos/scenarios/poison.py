"""Poison values in columns that are written, in ones that are not, in rows that are moved out, and in keys."""

from __future__ import annotations

from typing import Any

from tests.chaos.arena import Arena, Tally
from tests.chaos.images import image
from tests.chaos.poisons import KEYS, LENIENT, POISONS
from tests.rowhash import changed_rows

SEEN = ("poison values", "poison keys")
#: Columns in a table: rows must not outgrow a page of InnoDB.
WIDTH = 8


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """All of them in one plan, there and back."""
    if arena.engine in ("mysql", "mariadb"):
        arena.session.run(LENIENT)
    checks = [*beside(arena, tally), *moved(arena, tally), *written(arena, tally), *keys(arena, tally)]
    config, plan = arena.configure("poison", checks), arena.folder / f"{arena.engine}-poison.jsonl"
    before = image(arena)
    planned = arena.do("plan", plan, config)
    wanted = {str(check["table"]): len(before[str(check["table"])]) for check in checks}
    found = []
    # the image takes 42 and '42' for one key
    ((rows,),) = arena.session.rows(
        "SELECT " + " + ".join(f"(SELECT COUNT(*) FROM {table})" for table in wanted)  # each has one check
    )
    if planned.text != str(rows):
        found.append(f"planned {planned}, there are {rows}")
    told = arena.do("apply", plan, config)
    changed = {table: len(rows) for table, rows in changed_rows(before, image(arena)).items()}
    if told.state != "applied" or changed != wanted:
        odd = {table: (changed.get(table, 0), count) for table, count in wanted.items() if changed.get(table) != count}
        found.append(f"apply changed {odd} rows by table (of): {told}")
    if (told := arena.do("verify", plan, config)).state != "sound":
        found.append(f"verify says {told}")
    told = arena.do("undo", plan, config)
    if left := changed_rows(before, image(arena)):
        found.append(f"undo left {left}: {told}")
    for check in checks:
        arena.session.run(f"DROP TABLE {check['table']}")
    tally.violations += [f"{arena.engine}, seed {seed}: {fault}" for fault in found]


def beside(arena: Arena, tally: Tally) -> list[dict[str, Any]]:
    """Each value in a row of which another column is mended."""
    return [
        {"kind": "out-of-range", "table": table, "column": "bad", "maximum": "10", "name": table, "repair": "clamp"}
        for table in wide(arena, "beside", "99", tally)
    ]


def moved(arena: Arena, tally: Tally) -> list[dict[str, Any]]:
    """Each value in a row that is moved out and brought back."""
    return [
        {"kind": "missing", "table": table, "column": "bad", "name": table, "repair": "quarantine"}
        for table in wide(arena, "moved", "NULL", tally)
    ]


def wide(arena: Arena, name: str, bad: str, tally: Tally) -> list[str]:
    """Tables with a column for each type, some types in each."""
    kinds, tables = list(POISONS[arena.engine].items()), []
    for start in range(0, len(kinds), WIDTH):
        some, table = kinds[start : start + WIDTH], f"{name}{start}"
        columns = ", ".join(f"c{number} {kind}" for number, (kind, _) in enumerate(some))
        create(arena, table, f"id INTEGER PRIMARY KEY, bad INTEGER, {columns}")
        for row in range(max(len(values) for _, values in some)):
            values = ", ".join(values[row % len(values)] for _, values in some)
            insert(arena, table, f"{row}, {bad}, {values}")
            tally.seen["poison values"] += len(some)
        tables.append(table)
    return tables


def written(arena: Arena, tally: Tally) -> list[dict[str, Any]]:
    """Numbers out of bounds and JSON of the wrong type, in the column that is written."""
    checks = []
    numbers = {"sqlite": ["REAL", "NUMERIC"], "postgresql": ["real", "double precision", "numeric"]}
    floats = ["16777217.0", "16777216.0", "33554433.5", "1234567.875", "3.0e7"]
    for number, kind in enumerate(numbers.get(arena.engine, ["FLOAT", "DOUBLE", "DECIMAL(65,30)"])):
        table = f"written{number}"
        create(arena, table, f"id INTEGER PRIMARY KEY, c {kind}")
        for row, value in enumerate(floats):
            insert(arena, table, f"{row}, {value}")
        bounds = {"kind": "out-of-range", "column": "c", "maximum": "10", "repair": "clamp"}
        checks.append({**bounds, "table": table, "name": table})
        tally.seen["poison values"] += len(floats)
    kind = {"postgresql": "jsonb", "sqlite": "TEXT"}.get(arena.engine, "JSON")
    create(arena, "documents", f"id INTEGER PRIMARY KEY, c {kind}")
    source = POISONS[arena.engine]["JSON" if kind == "JSON" else kind]
    values = [value for value in source if value != "NULL" and "{" not in value]
    for row, value in enumerate(values):
        insert(arena, "documents", f"{row}, {value}")
    types = {"kind": "wrong-json-type", "column": "c", "expected": "object", "repair": "nullify"}
    return [*checks, {**types, "table": "documents", "name": "documents"}]


def keys(arena: Arena, tally: Tally) -> list[dict[str, Any]]:
    """Each value as the key of a row that is mended."""
    checks = []
    for number, kind in enumerate(KEYS[arena.engine]):
        table = f"keys{number}"
        create(arena, table, f"k {kind} NOT NULL PRIMARY KEY, bad INTEGER")
        values = [value for value in POISONS[arena.engine][kind] if value != "NULL" and "100000" not in value]
        for value in dict.fromkeys(values):
            if not arena.session.rows(f"SELECT 1 FROM {table} WHERE k = {value}"):  # another spelling of one value
                insert(arena, table, f"{value}, 99")
                tally.seen["poison keys"] += 1
        bounds = {"kind": "out-of-range", "column": "bad", "maximum": "10", "repair": "clamp"}
        checks.append({**bounds, "table": table, "name": table})
    return checks


def create(arena: Arena, table: str, columns: str) -> None:
    """Make a table anew."""
    arena.session.run(f"DROP TABLE IF EXISTS {table}")
    arena.session.run(f"CREATE TABLE {table} ({columns})")


def insert(arena: Arena, table: str, values: str) -> None:
    """One row."""
    arena.session.run(f"INSERT INTO {table} VALUES ({values})")
