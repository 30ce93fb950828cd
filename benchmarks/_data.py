"""The data: events of an application, made from a seed, the same rows on every engine.

A row is `(id, user_id, event_type, created, metadata, amount, score, duration)`. `metadata` is a JSON object of 165
bytes, SQL NULL in 5 % of the rows, and damaged in `broken` of them, in six kinds taken in turn. Nine further defects,
for the checks beside the first, stand in one row of 10,000 each. Healthy rows use no randomness: a fixed stride through
the values is quick to make and repeats only after all of them were used.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

SEED = 7
KINDS = ("encoded twice", "text", "number", "list", "boolean", "JSON null")
DEFECTS = ("quiz_id", "user.name", "time_spent_ms", "user_id", "event_type", "created", "amount", "score", "duration")
EVENT_TYPES = ("click", "view", "submit", "login", "quiz_start", "quiz_end")
USERS = 200_000
WIDTH = 165

Row = tuple[int, int | None, str | None, str | None, str | None, int, float, int]

_DAMAGE: dict[str, Callable[[str, int], str]] = {
    "encoded twice": lambda healthy, n: json.dumps(healthy),
    "text": lambda healthy, n: json.dumps(f"text {n}"),
    "number": lambda healthy, n: str(n % 1_000_000),
    "list": lambda healthy, n: f"[{n % 9}, 2]",
    "boolean": lambda healthy, n: "true",
    "JSON null": lambda healthy, n: "null",
}


@dataclass(frozen=True)
class Events:
    """What to make: `rows` rows, `broken` of them with damaged JSON, `orphans` with a user that is not there."""

    rows: int
    broken: int
    orphans: int = 0
    seed: int = SEED
    planted: dict[int, str] = field(default_factory=dict, repr=False)
    defects: dict[int, str] = field(default_factory=dict, repr=False)
    lost: frozenset[int] = field(default=frozenset(), repr=False)

    @classmethod
    def make(cls, rows: int, broken: int, *, orphans: int = 0, seed: int = SEED) -> Events:
        """Choose the damaged rows: `planted` and `defects` map an id to what is wrong with it."""
        chance = random.Random(f"{seed} {rows} {broken}")
        few = rows // 10_000
        chosen = chance.sample(range(1, rows + 1), broken + few * len(DEFECTS) + orphans)
        planted = {n: KINDS[i % len(KINDS)] for i, n in enumerate(chosen[:broken])}
        rest = chosen[broken : len(chosen) - orphans]
        defects = {n: DEFECTS[i % len(DEFECTS)] for i, n in enumerate(rest)}
        return cls(rows, broken, orphans, seed, planted, defects, frozenset(chosen[len(chosen) - orphans :]))

    @property
    def name(self) -> str:
        """A name for the database that holds them."""
        return f"bench_{self.rows}_{self.broken}_{self.orphans}_{self.seed}"

    def all(self) -> Iterator[Row]:
        """Every row, by id."""
        planted, defects, lost = self.planted, self.defects, self.lost
        for n in range(1, self.rows + 1):
            row = healthy(n + self.seed)
            row = (n, *row[1:])
            if n in planted:
                row = (*row[:4], _DAMAGE[planted[n]](document(n + self.seed), n), *row[5:])
            elif n in defects:
                row = _defect(row, defects[n], document(n + self.seed))
            elif n in lost:
                row = (n, USERS + n, *row[2:])
            yield row


def document(n: int) -> str:
    """A healthy JSON object of `WIDTH` bytes."""
    time = "null" if n % 10 == 3 else f"{n * 7919 % 99_990 / 10}"
    text = (
        f'{{"ip": "10.{n & 255}.{n >> 8 & 255}.7", "quiz_id": {n * 31 % 5000}, '
        f'"user": {{"name": "user{n % USERS:06d}", "plan": "free"}}, "time_spent_ms": {time}, '
        f'"agent": "curl/8", "tags": ["a", "b"], "pad": "'
    )
    return f'{text}{"x" * (WIDTH - 2 - len(text))}"}}'


def healthy(n: int) -> Row:
    """A row without a fault; one in twenty has no metadata."""
    day = n % 28
    return (
        n,
        n * 7919 % USERS + 1,
        EVENT_TYPES[n % 6],
        f"2024-0{n % 9 + 1}-{day + 1:02d} 08:{n % 60:02d}:00",
        None if n * 7919 % 20 == 0 else document(n),
        n * 31 % 1_000_000,
        n % 10_000 / 10_000,
        n * 13 % 86_400,
    )


def _defect(row: Row, name: str, document: str) -> Row:
    n, user, event, created, _, amount, score, duration = row
    data = json.loads(document)
    if name == "quiz_id":
        data["quiz_id"] = str(data["quiz_id"])
    elif name == "user.name":
        data["user"]["name"] = n
    elif name == "time_spent_ms":
        data["time_spent_ms"] = "12 ms"
    text = json.dumps(data)
    return (
        n,
        None if name == "user_id" else user,
        "" if name == "event_type" else event,
        None if name == "created" else created,
        text,
        -5 if name == "amount" else amount,
        1.5 if name == "score" else score,
        90_000 if name == "duration" else duration,
    )


def tsv(rows: Iterator[Row], block: int = 20_000) -> Iterator[bytes]:
    """Rows as PostgreSQL's COPY and MySQL's LOAD DATA both read them, in blocks."""
    lines: list[str] = []
    for row in rows:
        lines.append("\t".join(["\\N" if part is None else str(part).replace("\\", "\\\\") for part in row]))
        if len(lines) == block:
            lines.append("")
            yield "\n".join(lines).encode()
            lines = []
    if lines:
        lines.append("")
        yield "\n".join(lines).encode()
