"""A reference model of a run: what apply and undo make of rows, in plain Python, one row after the other.

Rows hold JSON values; the model knows neither chunks nor transactions. A kill leaves a prefix of the plan done, and the
model is told which; everything else it says by itself.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Stands for SQL NULL, which is not the JSON value null.
NOTHING = "<SQL NULL>"


def value_of(metadata: str | None) -> Any:
    """A column as the model holds it."""
    return NOTHING if metadata is None else json.loads(metadata)


def repaired(value: Any) -> tuple[str, Any]:
    """The first repair of decode, wrap and nullify that fits a broken value, and what it makes of it."""
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except ValueError:
            inner = None
        if isinstance(inner, dict):
            return "decode", inner
    return ("nullify", NOTHING) if value is None else ("wrap", {"raw_value": value})


def broken(value: Any) -> bool:
    """Whether it is neither SQL NULL nor an object."""
    return value != NOTHING and not isinstance(value, dict)


@dataclass
class Planned:
    """One operation: its row, and the value before and after."""

    row: int
    before: Any
    after: Any


@dataclass
class Model:
    """A table of one JSON column and a counter, one plan, and the run that came of it."""

    rows: dict[int, Any] = field(default_factory=dict)
    counters: dict[int, int] = field(default_factory=dict)
    plan: dict[int, Planned] = field(default_factory=dict)
    #: What each operation came to.
    ops: dict[int, str] = field(default_factory=dict)
    state: str = ""

    # -- the application ------------------------------------------------------------------------------------------
    def write(self, row: int, value: Any) -> None:
        """Rewrite a row that is there."""
        if row in self.rows:
            self.rows[row] = value

    def count(self, row: int) -> None:
        """Add one to a row's counter."""
        if row in self.rows:
            self.counters[row] += 1

    def insert(self, row: int, value: Any) -> None:
        """A new row."""
        self.rows[row], self.counters[row] = value, 0

    def delete(self, row: int) -> None:
        """Delete a row."""
        self.rows.pop(row, None)
        self.counters.pop(row, None)

    # -- trueup ---------------------------------------------------------------------------------------------------
    def make_plan(self) -> None:
        """An operation for each broken row: by repair, in the order of the key."""
        order = ("decode", "wrap", "nullify")
        found = {row: repaired(value) for row, value in self.rows.items() if broken(value)}
        chosen = sorted(found, key=lambda row: (order.index(found[row][0]), row))
        self.plan = {seq: Planned(row, self.rows[row], found[row][1]) for seq, row in enumerate(chosen, 1)}
        self.ops, self.state = {}, ""

    def renumber(self, rows: Mapping[int, int]) -> None:
        """Take the numbers that the real plan gives its rows: each engine has an order of keys of its own."""
        assert set(rows) == {planned.row for planned in self.plan.values()}, f"the plan has rows {sorted(rows)}"
        self.plan = {rows[planned.row]: planned for planned in self.plan.values()}

    def apply(self, done: Collection[int]) -> None:
        """Carry out the operations `done` that are not yet: a row that is not as planned is left alone."""
        for seq in sorted(set(done) - set(self.ops)):
            planned = self.plan[seq]
            if planned.row not in self.rows:
                self.ops[seq] = "missing"
            elif same(self.rows[planned.row], planned.before):
                self.rows[planned.row] = planned.after
                self.ops[seq] = "applied"
            else:
                already = same(self.rows[planned.row], planned.after)
                self.ops[seq] = "already_good" if already else "conflict"

    def undo(self, done: Collection[int]) -> None:
        """Take back the operations `done` that are applied: a row that does not show what was written is left alone."""
        for seq in sorted(done, reverse=True):
            planned = self.plan[seq]
            if self.ops.get(seq) != "applied":
                continue
            if planned.row in self.rows and same(self.rows[planned.row], planned.after):
                self.rows[planned.row] = planned.before
                self.ops[seq] = "undone"
            else:
                self.ops[seq] = "undo_conflict"


def same(left: Any, right: Any) -> bool:
    """Whether two values are the same JSON: 1 is not 1.0, and true is not 1."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
