"""Plays the acts of a world at their moments: the application and the migrator, on sessions of their own."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import suppress

from tests.chaos.plain import ERRORS, Session
from tests.chaos.worlds.model import Act, World
from tests.chaos.worlds.timeline import Timeline
from trueup.journal import failpoints

#: Seconds that an act at a failpoint may take before trueup goes on beside it.
PATIENCE = 0.03


class Actors:
    """Both actors. Every act is done once, at its moment or never."""

    def __init__(self, world: World, url: str, timeline: Timeline) -> None:
        self._world, self._url, self._timeline = world, url, timeline
        self._open: list[threading.Thread] = []
        self._passed: Counter[str] = Counter()
        self._runner = threading.local()
        #: Acts that were acknowledged, and what the others were told.
        self.done: list[Act] = []
        self.refused: list[tuple[Act, str]] = []
        self.verb = ""
        self.killing = 0

    # -- boundaries ---------------------------------------------------------------------------------------------------
    def boundary(self, name: str) -> None:
        """Between two verbs: everything is done one after the other."""
        for act in self._at(name):
            self._begin(act)
            if not act.until:
                self.settle()

    def settle(self) -> None:
        """Wait until every open transaction has ended."""
        while self._open:
            self._open.pop().join()

    def busy(self) -> bool:
        """Whether a transaction is open."""
        return any(thread.is_alive() for thread in self._open)

    def _at(self, moment: str) -> list[Act]:
        return [act for act in self._world.acts if act.at == moment]

    # -- inside a verb ------------------------------------------------------------------------------------------------
    def watch(self, verb: str) -> None:
        """From now on trueup's failpoints are moments of this verb."""
        self.verb, self._passed = verb, Counter()
        self._timeline.point = ""
        failpoints.action = self.passed if verb else failpoints._nothing

    def passed(self, point: str) -> None:
        """A point of a verb is passed by the thread that is at work."""
        self._passed[point] += 1
        self._timeline.point = point
        for act in self._at(f"{self.verb}/{point}/{self._passed[point]}"):
            self._begin(act, PATIENCE)
        gate = self._timeline.gate
        if point == "committing":
            gate.acquire()
            self._runner.holds = True
        elif getattr(self._runner, "holds", False):
            self._runner.holds = False
            gate.release()

    def release(self) -> None:
        """This thread's verb is over."""
        if getattr(self._runner, "holds", False):
            self._runner.holds = False
            self._timeline.gate.release()

    # -- one act ------------------------------------------------------------------------------------------------------
    def _begin(self, act: Act, patience: float = 0.0) -> None:
        began = threading.Event()
        thread = threading.Thread(target=self._play, args=(act, began), name=act.name)
        self._open.append(thread)
        thread.start()
        if act.until:
            began.wait(patience or 5)
        else:
            thread.join(patience or None)

    def _play(self, act: Act, began: threading.Event) -> None:
        session = Session(self._world.engine, self._url)
        try:
            for statement in _limits(session.engine):
                session.run(statement)
            for statement in self._world.prelude:
                session.run(statement)
            self._transaction(act, session, began)
        except ERRORS as error:
            self.refused.append((act, f"{error}"[:200]))
            with suppress(*ERRORS):
                session.run("ROLLBACK")
        finally:
            began.set()
            session.close()

    def _transaction(self, act: Act, session: Session, began: threading.Event) -> None:
        if act.ddl:  # nobody can read what it locks, and on InnoDB each statement commits by itself
            at_once = session.engine not in ("mysql", "mariadb")
            with self._timeline.commit_of(act):
                for statement in ("BEGIN", *act.sql, "COMMIT") if at_once else act.sql:
                    session.run(statement)
                    if not at_once and act not in self.done:
                        self.done.append(act)
            if at_once:
                self.done.append(act)
            return
        session.begin()
        for statement in act.sql:
            session.run(statement)
        began.set()
        if act.until:
            time.sleep(act.until)  # the transaction stays open: that is the act
        if act.end == "ROLLBACK":
            session.run("ROLLBACK")
            return
        with self._timeline.commit_of(act):
            session.run("COMMIT")
        self.done.append(act)


def _limits(engine: str) -> tuple[str, ...]:
    if engine == "sqlite":
        return ("PRAGMA busy_timeout = 300",)
    if engine == "postgresql":
        return ("SET lock_timeout = '1500ms'", "SET deadlock_timeout = '100ms'")
    return ("SET SESSION innodb_lock_wait_timeout = 2", "SET SESSION lock_wait_timeout = 2")
