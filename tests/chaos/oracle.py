"""Proves from outside that nothing was lost: the table, the plan and the journal against what the writers were told.

No code of trueup is used here, the journal is read with plain SQL. The names N1 to N7 are those of
`docs/reliability.md`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.app import TABLE, App, Record, read
from tests.chaos.belongings import belongings, damage
from tests.chaos.plain import ERRORS, Session, as_text, journal_table
from tests.chaos.scripted import Scripted

IMAGED = {"applied", "undone", "undo_conflict"}
#: States that say: the application wrote this row.
BLAMED = {"conflict", "premise_gone", "missing", "undo_conflict"}
#: Begins a fault that loses nothing: the run refuses a row, and should not have.
BLOCKED = "N6, needlessly refused"
#: States that nothing in this application leads to.
UNTHINKABLE = {"already_good", "blocked"}


@dataclass(frozen=True, slots=True)
class Planned:
    """One operation as the plan file has it."""

    row: int
    repair: str


@dataclass
class Ledger:
    """The journal of one run as plain SQL shows it; empty when the run was never entered."""

    state: str = ""
    planned: int = 0
    chunks: int = 0
    tip: str = ""
    facts: str = ""
    ops: dict[int, str] = field(default_factory=dict)
    links: list[tuple[int, str, str, str]] = field(default_factory=list)
    images: dict[int, tuple[int, str | None, str | None]] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.state == "undone" or (self.state == "applied" and len(self.ops) == self.planned)


def read_plan(path: Path) -> tuple[str, dict[int, Planned]]:
    """A plan file's digest, and its operations by number."""
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    repairs = [group["repair"] for group in lines[0]["plan"]["groups"]]
    ops = {line["n"]: Planned(int(re.sub(r"\D", "", line["k"][0])), repairs[line["g"]]) for line in lines[1:-1]}
    return lines[-1]["digest"], ops


def read_journal(session: Session, digest: str) -> Ledger:
    """The journal of the run of a plan."""

    def table(name: str) -> str:
        return journal_table(session.engine, name)

    try:
        runs = session.rows(
            "SELECT run_id, state, planned, chunks, tip, db_uuid, run_id, plan_digest, planned, environment, tool,"
            f" r.format, header FROM {table('run')} r CROSS JOIN {table('meta')} WHERE plan_digest = ?",
            digest,
        )
    except ERRORS:  # a kill before the journal was made
        session.rollback()
        return Ledger()
    if not runs:
        return Ledger()
    run, state, planned, chunks, tip, *facts = runs[0]
    ledger = Ledger(state, planned, chunks, tip, json.dumps(facts, separators=(",", ":")))
    for seq, state, reason in session.rows(f"SELECT seq, state, reason FROM {table('op')} WHERE run_id = ?", run):
        ledger.ops[int(seq)], ledger.reasons[int(seq)] = state, reason or ""
    ledger.links = [
        (int(row[0]), row[1], row[2], row[3])
        for row in session.rows(
            f"SELECT no, phase, states, link FROM {table('chunk')} WHERE run_id = ? ORDER BY no", run
        )
    ]
    for (number,) in session.rows(f"SELECT k FROM {table('image')} WHERE tbl = ?", TABLE):
        text = [as_text(session.engine, name) for name in ("b0", "a0")]
        for seq, key, before, after in session.rows(
            f"SELECT seq, k0, {text[0]}, {text[1]} FROM {table(f'img_{number}')} WHERE run_id = ?", run
        ):
            ledger.images[int(seq)] = (int(key), before, after)
    return ledger


class Oracle:
    """What the database must look like, whenever trueup is not running and the application holds still."""

    def __init__(self, session: Session, plan: Path, start: dict[int, Record], app: App | Scripted) -> None:
        self._session, self._start, self._app = session, start, app
        self._digest, self._plan = read_plan(plan)
        self.ledger = Ledger()
        self.reshaped()

    def reshaped(self) -> None:
        """The table as it is now is what its shape should be."""
        self._belongings = belongings(self._session)

    @classmethod
    def now(cls, session: Session, plan: Path, app: App | Scripted) -> Oracle:
        """One for which the table as it is now is the beginning."""
        return cls(session, plan, read(session), app)

    def check(self) -> list[str]:
        """Every promise that does not hold, one line each."""
        if not self._session.wait_until_alone():
            return ["a session of the killed tool is still there after half a minute"]
        self.read_ledger()
        found = [*self._ledger_faults(), *self._row_faults(read(self._session))]
        if (now := belongings(self._session)) != self._belongings:
            found.append(f"N7: what belongs to the table is {now}, was {self._belongings}")
        if damaged := damage(self._session):
            found.append(f"N7: the table is damaged: {damaged}")
        return found + self._app.failures

    def read_ledger(self) -> Ledger:
        """The journal as it is now."""
        self.ledger = read_journal(self._session, self._digest)
        return self.ledger

    @property
    def rows(self) -> dict[int, int]:
        """The rows of the plan, each with the number of its operation."""
        return {planned.row: seq for seq, planned in self._plan.items()}

    def outcome(self) -> Counter[str]:
        """How many operations are in which state."""
        return Counter(self.ledger.ops.values())

    # -- the ledger -------------------------------------------------------------------------------------------------
    def _ledger_faults(self) -> list[str]:
        ledger = self.ledger
        if not ledger.state:
            return []
        found = []
        if ledger.planned != len(self._plan):
            found.append(f"N6: the run says {ledger.planned} operations, the plan {len(self._plan)}")
        if unknown := set(ledger.ops) - set(self._plan):
            found.append(f"N6: operations {sorted(unknown)[:5]} are in no plan")
        if ledger.state == "applied" and len(ledger.ops) != len(self._plan):
            found.append(f"N6: the run is {ledger.state} with {len(ledger.ops)} of {len(self._plan)} operations")
        if ledger.state == "undone" and "applied" in ledger.ops.values():
            found.append("N6: the run is undone, and operations are still applied")
        imaged = {seq for seq, state in ledger.ops.items() if state in IMAGED}
        if imaged != set(ledger.images):
            found.append(
                f"N6: images without operation or operations without image: {sorted(imaged ^ set(ledger.images))[:5]}"
            )
        return found + self._chain_faults()

    def _chain_faults(self) -> list[str]:
        tip = hashlib.sha256(f"{'0' * 64}\n{self.ledger.facts}".encode()).hexdigest()
        told: dict[int, str] = {}
        for place, (number, phase, states, link) in enumerate(self.ledger.links, 1):
            spans = json.loads(states)
            data = json.dumps([place, phase, spans], sort_keys=True, separators=(",", ":"))
            tip = hashlib.sha256(f"{tip}\n{data}".encode()).hexdigest()
            if (number, link) != (place, tip):
                return [f"N6: the chain breaks at chunk {number}"]
            for first, last, state in spans:
                told |= dict.fromkeys(range(first, last + 1), state)
        if tip != self.ledger.tip or len(self.ledger.links) != self.ledger.chunks:
            return ["N6: the chain does not end where the run says"]
        wrong = sorted(seq for seq in set(told) | set(self.ledger.ops) if told.get(seq) != self.ledger.ops.get(seq))
        return [f"N6: the chain and the operations disagree about {wrong[:5]}"] if wrong else []

    # -- the rows ---------------------------------------------------------------------------------------------------
    def _row_faults(self, now: dict[int, Record]) -> list[str]:
        born, maybe_born, gone, maybe_gone = self._lives()
        found = []
        keys = (set(self._start) | set(born)) - gone
        if lost := sorted(keys - set(now) - maybe_gone):
            found.append(f"N1: rows {lost[:5]} are gone")
        if more := sorted(set(now) - keys - maybe_born):
            found.append(f"N1: rows {more[:5]} came from nowhere")
        ops = self.rows
        for row, record in now.items():
            if row in self._start:
                found += self._cell_faults(row, record, ops.get(row))
            elif row in born and (record.metadata, record.bal) != (born[row], 0):
                found.append(f"N4: row {row}, made by the application, shows {record.metadata!r}")
        for row in gone & set(ops):
            if (state := self.ledger.ops.get(ops[row], "")) in UNTHINKABLE:
                reason = self.ledger.reasons[ops[row]]
                found.append(f"{BLOCKED}: row {row}, which the application deleted, is {state} ({reason})")
        return found

    def _lives(self) -> tuple[dict[int, str], set[int], set[int], set[int]]:
        logs = self._app.logs
        born = {row: value for log in logs for row, value in log.born.items()}
        return (
            born,
            set().union(*(log.maybe_born for log in logs)),
            set().union(*(log.gone for log in logs)),
            set().union(*(log.maybe_gone for log in logs)),
        )

    def _cell_faults(self, row: int, record: Record, seq: int | None) -> list[str]:
        first = self._start[row]
        found = []
        if record.rest != first.rest:
            found.append(f"N2: row {row}: a column that nobody wrote is {record.rest}, was {first.rest}")
        least = first.bal + sum(log.added[row] for log in self._app.logs)
        most = least + sum(log.maybe_added[row] for log in self._app.logs)
        if not least <= record.bal <= most:
            found.append(f"N4: row {row}: the counter is {record.bal}, acknowledged were {least}")
        cells = [log.cells[row] for log in self._app.logs if row in log.cells]
        written = bool(cells and cells[0].writes)
        if cells and record.metadata in cells[0].unsure:
            return found
        state = self.ledger.ops.get(seq, "") if seq else ""
        if written and record.metadata != cells[0].known:
            found.append(
                f"N4: row {row} ({state or 'not in the run'}) shows {record.metadata!r}, the application's "
                f"last word was {cells[0].known!r}"
            )
        return found + self._run_faults(row, record, seq, state, written, bool(cells))

    def _run_faults(
        self, row: int, record: Record, seq: int | None, state: str, written: bool, maybe: bool
    ) -> list[str]:
        """What the run may have done to a row: `written` by the application too, `maybe` so."""
        first, found = self._start[row], []
        if seq is not None and seq in self.ledger.images:
            found += self._image_faults(row, seq)
        if state in BLAMED and not maybe:
            found.append(f"N5: row {row} is listed as {state}, and the application never touched it")
        if state in UNTHINKABLE | {"missing"}:
            reason = self.ledger.reasons[seq or 0]
            found.append(f"{BLOCKED}: row {row} is {state} ({reason}), which nothing in this application leads to")
        if written:
            return found
        if state == "applied":
            if record.metadata != self.ledger.images.get(seq or 0, (0, None, None))[2]:
                found.append(f"N3: row {row} is applied, shows {record.metadata!r}, and nobody wrote it since")
        elif record.metadata != first.metadata:
            found.append(
                f"{'N5' if state else 'N2'}: row {row} ({state or 'no operation'}) shows "
                f"{record.metadata!r}, was {first.metadata!r}, and nobody wrote it"
            )
        return found

    def _image_faults(self, row: int, seq: int) -> list[str]:
        key, before, after = self.ledger.images[seq]
        found = []
        if key != row or before != self._start[row].metadata:
            found.append(f"N3: the image of row {row} is of {key} and says {before!r}, which the row never was")
        elif not same_json(after, mended(before, self._plan[seq].repair)):
            found.append(f"N3: row {row}: {self._plan[seq].repair} made {after!r} of {before!r}")
        return found


def mended(before: str | None, repair: str) -> Any:
    """What a repair should make of a broken value, by Python's own JSON; None for SQL NULL."""
    value = json.loads(before or "null")
    if repair == "decode":
        return json.loads(value)
    return {"raw_value": value} if repair == "wrap" else None


def same_json(text: str | None, value: Any) -> bool:
    """Whether JSON text says `value`; SQL NULL says None."""
    if text is None:
        return value is None
    return value is not None and bool(json.loads(text) == value)
