"""The same random story for a reference model and for the real thing: writes, plans, runs cut short, resumed, undone.

Hypothesis tells the story and, where the two disagree, shortens it to the few steps that matter.
"""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.chaos.app import BORN, TABLE, load, read
from tests.chaos.arena import Arena, Outcome, Tally, points
from tests.chaos.model import Model, broken, value_of
from tests.chaos.oracle import Oracle
from tests.chaos.plain import Session
from tests.chaos.scripted import Scripted

SEEN = ("story steps", "story runs")
ROWS, DAMAGED = 12, 6
SPARE = "ALTER TABLE {0} ADD COLUMN spare{1} INTEGER"
#: Where a story may cut a verb off.
CUTS = ("", "begun", "copied", "written", "committing", "committed", "taken", "settling", "given back", "closing")


def play(arena: Arena, number: int, tally: Tally) -> None:
    """A few stories, or many."""

    class Told(Story):
        place, counted, start = arena, tally, number

    seed(number)(Told)
    how = settings(
        max_examples=10 if arena.thorough else 4,
        stateful_step_count=40 if arena.thorough else 20,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink) if arena.thorough else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    try:
        run_state_machine_as_test(Told, settings=how)
    except AssertionError as error:
        notes = "; ".join(getattr(error, "__notes__", []))
        tally.violations.append(f"{arena.engine}, seed {number}: {error!r}: {notes}"[:3000])


class Story(RuleBasedStateMachine):
    """The rules; each step ends with both sides compared."""

    place: Arena
    counted: Tally
    start: int

    @initialize()
    def begin(self) -> None:
        """A table with some damage, in the database and in the model."""
        self.columns = self.number = self.turn = 0
        self.place.forget()
        self.session, self.app = self.place.session, Scripted(self.place.session)
        self.oracle: Oracle | None = None
        found = load(self.session, random.Random(self.start), ROWS, DAMAGED)
        self.model = Model(
            {row: value_of(record.metadata) for row, record in found.items()},
            {row: record.bal for row, record in found.items()},
        )
        self.plans()

    # -- the application ------------------------------------------------------------------------------------------
    @rule(
        choice=st.integers(0, 99),
        act=st.sampled_from(["breaks", "mends", "counts", "inserts", "deletes"]),
        row=st.integers(1, ROWS),
        point=st.sampled_from(CUTS),
        hit=st.integers(1, 4),
    )
    def goes_on(self, choice: int, act: str, row: int, point: str, hit: int) -> None:
        """One step of either; by turns too, as chance likes its first choice best."""
        self.turn += 1
        if (choice + self.turn) % 5 < 2:
            self.application(act, (row + self.turn) % ROWS + 1)
        else:
            self.operator(choice // 5 + self.turn, point, hit)

    def application(self, act: str, row: int) -> None:
        """A row gets another value, sound or broken; or another column does; a row goes, or comes."""
        self.number += 1  # no value comes twice
        model = self.model
        if act == "inserts":
            row = BORN + self.number
            self.app.insert(row, '"new"')
            model.insert(row, "new")
        elif row in model.rows and act == "counts":
            self.app.count(row)
            model.count(row)
        elif row in model.rows and act == "deletes":
            self.app.delete(row)
            model.delete(row)
        elif row in model.rows:
            text = json.dumps({"n": self.number} if act == "mends" else [self.number])
            self.app.rewrite(row, text)
            model.write(row, value_of(text))
        self.compare()

    # -- trueup ---------------------------------------------------------------------------------------------------
    def operator(self, choice: int, point: str, hit: int) -> None:
        """One of the things that an operator can do as things stand."""
        state, possible = self.model.state, list[Any]()
        if state in ("", "applied", "undone") and any(map(broken, self.model.rows.values())):
            possible += [self.plans]
        if self.planned() and state in ("", "applying", "stopped"):
            possible += [self.applies, self.applies, self.is_taken_over]
            possible += [self.loses_its_session] * (self.place.engine != "sqlite")
        if self.planned() and state in ("applying", "stopped", "applied", "undoing"):
            possible += [self.undoes, self.undoes]
        if state in ("applying", "undoing"):
            possible += [self.recovers]
        if not self.columns and self.number > 8:
            possible += [self.changes_its_shape]
        if possible:
            possible[choice % len(possible)](point, hit)
        else:
            self.application("inserts", 0)

    def plans(self, *_: Any) -> None:
        """A new plan, of what is broken now."""
        told = self.place.do("plan")
        self.model.make_plan()
        assert told.text == str(len(self.model.plan)), f"{told}, the model plans {len(self.model.plan)}"
        self.app = Scripted(self.session)
        self.oracle = Oracle.now(self.session, self.place.plan, self.app)
        self.model.renumber(self.oracle.rows)
        self.compare()

    def applies(self, point: str, hit: int) -> None:
        """Apply, killed at a point or not; it may be the start or the continuation."""
        self.told(self.place.do("apply", point=point, hit=hit), "applied")

    def undoes(self, point: str, hit: int) -> None:
        """Undo, killed at a point or not."""
        self.told(self.place.do("undo", point=point, hit=hit), "undone")

    def recovers(self, point: str, hit: int) -> None:
        """Whatever is open is carried on, killed at a point or not."""
        end = "undone" if self.model.state == "undoing" else "applied"
        self.told(self.place.do("recover", point=point, hit=hit), end)

    def is_taken_over(self, _: str, hit: int) -> None:
        """A second operator starts while the first one is between two chunks; the first one stops by itself."""
        second, end = None, ""
        with self.place.tool("apply", point="committed", act="hold") as first:
            if (ended := first.until("at")) is None:
                verb, end = ("apply", "applied") if hit % 2 else ("undo", "undone")
                second = self.place.do(verb)
                first.go_on()
                ended = first.outcome()
                assert "Fenced" in ended.text, f"the first operator goes on: {ended}"
        # only now: while a session of the tool is there, the oracle waits
        self.told(*((second, end) if second else (ended, "")))

    def loses_its_session(self, point: str, _: int) -> None:
        """The server ends the session of an operator, who finds out what was committed, and goes on."""
        with self.place.tool("apply", point=point or "committed", act="hold") as hand:
            ended = hand.until("at")
            if ended is None:
                end_sessions(self.place, self.session)
                hand.go_on()
                ended = hand.outcome()
        self.told(ended, "")

    def changes_its_shape(self, *_: Any) -> None:
        """The table gets a column more: what was planned before is refused from now on."""
        self.columns += 1
        self.session.run(SPARE.format(TABLE, self.columns))
        if self.oracle:
            self.oracle.reshaped()
        if self.planned() and self.model.state in ("", "applying", "stopped"):
            before = self.oracle.read_ledger().ops if self.oracle else {}
            told = self.place.do("apply")
            assert told.word == "error", f"after the table changed its shape: {told}"
            assert self.oracle
            assert self.oracle.read_ledger().ops == before, f"operations were carried out after that: {told}"
        self.compare()

    # -- both sides -----------------------------------------------------------------------------------------------
    def planned(self) -> bool:
        """Whether there is a plan that the table still fits."""
        return bool(self.model.plan) and self.oracle is not None

    def told(self, told: Outcome, end: str) -> None:
        """Tell the model how far the real run came, and compare."""
        assert self.oracle
        assert told.word in ("done", "killed", "error"), str(told)
        self.counted.seen["story runs"] += 1
        ledger = self.oracle.read_ledger()
        self.model.apply(ledger.ops)
        self.model.undo([seq for seq, state in ledger.ops.items() if state.startswith("undo")])
        self.model.state = ledger.state
        if told.word == "done" and end:
            assert ledger.state == end, f"{told}, the run is {ledger.state!r}"
        self.compare()

    def compare(self) -> None:
        """The table and the journal, against the model and before the oracle."""
        self.counted.seen["story steps"] += 1
        ledger = self.oracle.read_ledger() if self.oracle else None
        if ledger:
            assert ledger.ops == self.model.ops, f"operations are {ledger.ops}, the model has {self.model.ops}"
        shown: dict[int, tuple[Any, int]] = {
            row: (value_of(record.metadata), record.bal) for row, record in read(self.session).items()
        }
        wanted = {row: (value, self.model.counters[row]) for row, value in self.model.rows.items()}
        odd = {row: (shown.get(row), wanted.get(row)) for row in {*shown, *wanted} if shown.get(row) != wanted.get(row)}
        assert not odd, f"rows differ from the model: {odd}"
        faults = self.oracle.check() if self.oracle else []
        assert not faults, faults[0]


def end_sessions(arena: Arena, session: Session) -> None:
    """End every session on this database that is not one of ours."""
    for number in session.others():
        how = "SELECT pg_terminate_backend({0})" if arena.engine == "postgresql" else "KILL {0}"
        session.run(how.format(number))


assert set(CUTS) <= {"", *points()}, "a point of the story is no failpoint"
