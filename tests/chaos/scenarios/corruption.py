"""The plan and the journal are spoilt: each byte of a plan is flipped, each field of the journal changed.

A spoilt plan is refused. A spoilt journal is noticed by `verify`, or it no longer runs at all.
"""

from __future__ import annotations

import random
from typing import Any

from tests.chaos.app import load
from tests.chaos.arena import Arena, Tally
from tests.chaos.plain import ERRORS

SEEN = ("spoilt plans", "spoilt fields")
#: Fields that only tell a reader when, where, by whom and why; nothing is decided by them.
TOLD = {
    "run": {"no", "plan_path", "owner", "reason", "because", "started", "ended", "verified", "paused", "fence"},
    "op": {"reason", "pk", "seen"},
    "chunk": {"ts"},
    "image": {"tbl", "shape_text"},
    "meta": {"place"},
    "img": {"rest_digest"},  # proven in its own transaction, and never read again
}


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Every byte of a plan; every field of the journal of an applied run (where that takes long, some of them)."""
    rng = random.Random(seed)
    where = f"{arena.engine}, seed {seed}"
    arena.forget()
    load(arena.session, rng, 20, 9)
    arena.do("plan")
    told = arena.do("flips", hit=seed)
    tally.seen["spoilt plans"] += int(told.state or 0)
    if told.text or told.word != "done":
        tally.violations.append(f"{where}: plans with a flipped byte were taken: {told}")
    told = arena.do("apply")
    if told.state != "applied":
        tally.violations.append(f"{where}: {told}")
        return
    share = 1.0 if arena.thorough or arena.engine in ("sqlite", "postgresql") else 0.3
    for name in arena.journal_tables():
        for column in columns(arena, name):
            if rng.random() < share:
                Field(arena, name, column).spoil(tally, where)


def columns(arena: Arena, table: str) -> list[str]:
    """The columns of a table of the journal."""
    if arena.engine == "sqlite":
        return [row[1] for row in arena.session.rows(f"PRAGMA table_info({table})")]
    schema, _, bare = table.rpartition(".")
    where = "table_schema = ?" if schema else "table_schema = DATABASE() AND ? = ''"
    asked = f"SELECT column_name FROM information_schema.columns WHERE {where} AND table_name = ?"
    return [row[0] for row in arena.session.rows(f"{asked} ORDER BY ordinal_position", schema, bare)]


class Field:
    """One field of the journal, in one row of its table."""

    def __init__(self, arena: Arena, table: str, column: str) -> None:
        self.arena, self.table = arena, table
        self.column = f'"{column}"' if arena.engine in ("sqlite", "postgresql") else f"`{column}`"
        self.bare = column
        self.short = table.rpartition(".")[2].removeprefix("_trueup_")

    def spoil(self, tally: Tally, where: str) -> None:
        """Change it, verify, and put it back."""
        if self.bare in TOLD.get(self.short.split("_")[0], ()):
            return
        session = self.arena.session
        copy = f"{self.table}_copy"
        session.run(f"CREATE TABLE {copy} AS SELECT * FROM {self.table}")
        try:
            if not self.change():
                return
            tally.seen["spoilt fields"] += 1
            told = self.arena.do("verify")
            if (told.word, told.state) == ("done", "sound") or told.word == "crash":
                tally.violations.append(f"{where}: {self.short}.{self.bare} was changed, and verify says {told}")
        finally:
            session.run(f"DELETE FROM {self.table}")
            session.run(f"INSERT INTO {self.table} SELECT * FROM {copy}")
            session.run(f"DROP TABLE {copy}")
            session.run(f"UPDATE {self.arena.journal('run')} SET state = 'applied', verified = ''")

    def change(self) -> bool:
        """Another value, in one row; False where the database itself does not take one."""
        values: list[Any] = self.arena.session.rows(f"SELECT {self.column} FROM {self.table}")
        old = next((value for (value,) in values if value is not None), None)
        other = f"CASE WHEN SUBSTR({self.column}, 1, 1) = '9' THEN '8' ELSE '9' END"
        text = f"{self.column} = CONCAT({other}, SUBSTR({self.column}, 2))"
        if self.arena.engine in ("sqlite", "postgresql"):
            text = f"{self.column} = {other} || SUBSTR({self.column}, 2)"
        setting = f"{self.column} = {self.column} + 1" if isinstance(old, int) else text
        if self.bare[:-1] in ("a", "b") and self.bare[1:].isdigit() and not isinstance(old, int):
            setting = f"{self.column} = '{{\"spoilt\": 1}}'"
        try:
            # the last row: of numbers that are a key the next one is free
            one = f"{self.column} = (SELECT m FROM (SELECT MAX({self.column}) AS m FROM {self.table}) AS x)"
            if self.bare[0] in "ab" and self.bare[1:].isdigit():
                one = "seq = 1"
            return bool(self.arena.session.run(f"UPDATE {self.table} SET {setting} WHERE {one}"))
        except ERRORS:
            return False
