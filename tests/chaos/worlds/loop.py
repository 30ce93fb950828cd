"""One world, from its first statement to the undo of its last run; everything that trueup says is held against it."""

from __future__ import annotations

import os
import signal
import stat
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import trueup
from tests.chaos.plain import ERRORS
from tests.chaos.worlds.actors import Actors
from tests.chaos.worlds.dump import Reader, plain
from tests.chaos.worlds.judge import Judge, broken, key_of, root
from tests.chaos.worlds.model import Subject, World
from tests.chaos.worlds.places import Ground
from tests.chaos.worlds.results import Result, Unbuilt, sentence, spoken
from tests.chaos.worlds.timeline import Timeline
from trueup.errors import TrueupError
from trueup.journal import failpoints

#: Seconds that one verb may take.
HANGING = 60.0


class Play:
    """A world being played on a ground."""

    def __init__(self, world: World, ground: Ground) -> None:
        self.world, self.ground = world, ground
        self.result = Result()
        self.config: Any = None
        self.plans: list[tuple[Path, Any, Sequence[Subject]]] = []
        self.runs: list[str] = []
        #: Whether no actor was at work during apply, and how many acts there were by its end.
        self.untouched, self.since = False, 0

    def run(self) -> Result:
        """All of it. Raises `Unbuilt`."""
        world, ground = self.world, self.ground
        ground.clear()
        try:
            ground.build(world)
        except ERRORS as error:
            raise Unbuilt(f"{error}") from error
        self.reader = Reader(ground.session, ground.url)
        self.timeline = Timeline(self.reader)
        self.timeline.begin()
        self.judge = Judge(world, self.timeline)
        self.actors = Actors(world, ground.url, self.timeline)
        self.judge.orphans = self.judge.dangling(self.timeline.last)
        try:
            self._story()
        finally:
            failpoints.action = failpoints._nothing
            self.actors.settle()
        self.result.faults = self.judge.faults
        self.result.seen["acts"] += len(self.actors.done)
        self.result.seen["acts refused"] += len(self.actors.refused)
        return self.result

    # -- the story ----------------------------------------------------------------------------------------------------
    def _story(self) -> None:
        self.boundary("ready")
        self.config = self.ground.configure(self.world)
        if not self.plan():
            return
        self.boundary("planned")
        groups = [group for _, preview, _ in self.plans for group in preview.plan.groups]
        with self.timeline.gate:
            published = bool(self.ground.publications())
        acted = self.moment()
        foreseen = [self.verb("dry", partial(trueup.apply, self.config, str(path))) for path, _, _ in self.plans]
        self.judge.look(groups)
        reports = self.apply()
        self.judge.look(groups)
        if self.quiet_since(acted) and not self.world.killed and len(self.plans) == 1:
            self.compare(
                "dry run", foreseen[0], reports[0], ("applied", "missing", "conflict", "blocked", "premise_gone")
            )
        self.applied(reports)
        self.untouched = self.quiet_since(acted)
        self.since = len(self.actors.done)
        with self.timeline.gate:
            leaks = self.ground.leaks_out() if published and self.ground.publications() else []
        if leaks:
            self.judge.fault(f"a publication publishes the journal: {leaks[:3]}")
        self.boundary("applied")
        self.verify(groups, "verify")
        self.boundary("verified")
        self.undo(groups)
        self.boundary("undone")
        self.verify(groups, "second verify")
        self.dangling()
        for text in self.ground.leaks():
            self.judge.fault(text)

    def moment(self) -> int:
        """A moment to ask `quiet_since` about; -1 where an actor is at work in it."""
        return -1 if self.actors.busy() else len(self.actors.done)

    def quiet_since(self, acted: int) -> bool:
        """Whether no actor did anything meanwhile."""
        return len(self.actors.done) == acted

    def boundary(self, name: str) -> None:
        """The actors' turn."""
        before = len(self.actors.done)
        self.timeline.verb = ""
        self.actors.boundary(name)
        for act in self.actors.done[before:]:
            self.result.story.append(f"-- {act.actor}: {act.title}\n" + ";\n".join(act.sql))

    # -- verbs --------------------------------------------------------------------------------------------------------
    def verb(self, name: str, work: Callable[[], Any], *, killed: bool = False) -> Any:
        """One verb of trueup, watched; what it returns, or the `TrueupError` that it raised."""
        self.timeline.verb = name
        with self.timeline.gate:  # an act may be at its COMMIT, which is dumped on the same session
            kept = self.ground.kept()
        acted, tried = len(self.actors.done), len(self.actors.refused)
        self.result.story.append(f"## trueup {name}")
        self.actors.watch(name)
        answer: list[Any] = []

        def body() -> None:
            try:
                answer.append(work())
            except TrueupError as error:
                answer.append(error)
            except BaseException as error:  # noqa: BLE001  # whatever escapes is a fault for the report
                where = traceback.extract_tb(error.__traceback__)[-1]
                answer.append(error)
                self.judge.fault(f"{name} crashed: {type(error).__name__}: {error} ({Path(where.filename).name})"[:400])
            finally:
                self.actors.release()

        if killed:
            self.kill(work)
            answer.append(None)
        else:
            thread = threading.Thread(target=body, name=name, daemon=True)
            thread.start()
            thread.join(HANGING)
            if thread.is_alive():
                self.judge.fault(f"{name} hangs for {HANGING:.0f} s")
                os._exit(3)
        self.actors.watch("")
        self.actors.settle()
        self.timeline.mark("trueup")
        for act in self.actors.done[acted:]:
            self.result.story.append(f"-- meanwhile {act.actor}: {act.title} at {act.at}\n" + ";\n".join(act.sql))
        said = answer[0]
        if isinstance(said, TrueupError):
            self.result.story.append(f"   {type(said).__name__}: {said}")
        elif hasattr(said, "states"):
            self.result.story.append(f"   {said.state} {dict(said.states)} {said.reason}")
        # of DDL that was refused in the middle a part may stand
        if (len(self.actors.done), len(self.actors.refused)) == (acted, tried):
            self.same(name, kept)
        return said

    def kill(self, work: Callable[[], Any]) -> None:
        """The verb in a process that is killed at the ordered passing of any failpoint."""
        pid = os.fork()
        if not pid:
            passed = 0

            def at(_: str) -> None:
                nonlocal passed
                passed += 1
                if passed == self.world.hit:
                    os.kill(os.getpid(), signal.SIGKILL)

            failpoints.action = at
            try:
                work()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        self.ground.alone()
        self.result.seen["kills"] += 1

    def same(self, name: str, kept: Sequence[str]) -> None:
        """Nothing that belongs to the tables, and no setting, is different after a verb."""
        now = self.ground.kept()
        if now != kept:
            lost, new = sorted(set(kept) - set(now)), sorted(set(now) - set(kept))
            self.judge.fault(f"{name} changed what belongs to the application: -{lost[:3]} +{new[:3]}"[:700])

    def plan(self) -> bool:
        """Make the plans; false where nothing can be changed."""
        subjects = self.world.subjects
        parts = [[one] for one in subjects] if self.world.together else [list(subjects)]
        for number, some in enumerate(parts):
            path = self.ground.folder / f"plan{number}.jsonl"
            path.unlink(missing_ok=True)
            titles = [one.title for one in some]
            said = self.verb(
                "plan",
                partial(trueup.make_plan, self.config, str(path), only=titles, because="worlds", accept_rate=titles),
            )
            if isinstance(said, BaseException):
                self.refuse(said)
                continue
            self.result.refusals += [sentence(left.reason) for left in said.summary.left]
            self.judge.plans(some, said.plan.groups, said.summary.by_group)
            if stat.S_IMODE(path.stat().st_mode) != 0o600:
                self.judge.fault(f"the plan is readable by others: {path.stat().st_mode:o}")
            if said.summary.count:
                self.plans.append((path, said, some))
        self.judge.look(())
        return bool(self.plans)

    def refuse(self, error: BaseException) -> None:
        """A verb said no."""
        if isinstance(error, TrueupError):
            self.result.refusals.append(sentence(str(error)))
            if "this is a bug" in str(error).lower():
                self.judge.fault(f"it calls itself a bug: {error}")

    def apply(self) -> list[Any]:
        """Carry the plans out, side by side where the world says so."""
        works = [
            partial(trueup.apply, self.config, str(path), confirm="yes", because="worlds") for path, _, _ in self.plans
        ]
        if self.world.killed == "apply":
            self.verb("apply", works[0], killed=True)
        if len(works) > 1:
            return list(self.verb("apply", lambda: side_by_side(works, self.actors.release)))
        return [self.verb("apply", works[0])]

    def applied(self, reports: Sequence[Any]) -> None:
        """Hold the reports against the rows."""
        told = 0
        for report in reports:
            if isinstance(report, BaseException):
                self.refuse(report)
                if not isinstance(report, TrueupError) and len(reports) > 1:
                    self.judge.fault(f"apply crashed: {type(report).__name__}: {report}")
                continue
            told += report.states.get("applied", 0)
            self.runs.append(report.run_id)
            if report.reason:
                self.result.refusals.append(sentence(report.reason))
            for record in report.listed:
                self.result.seen[record.state] += 1
                self.result.refusals.append(sentence(f"{record.state}: {record.reason}"))
        sure = all(not isinstance(report, BaseException) for report in reports)
        if sure and told != len(self.judge.written):
            self.judge.fault(f"apply says it wrote {told} rows, it wrote {len(self.judge.written)}")
        if sure and len(self.plans) == 1:
            for subject in self.plans[0][2]:
                self.values(subject)
        self.result.written = len(self.judge.written)

    def values(self, subject: Subject) -> None:
        """What a repair that says its value was to write."""
        wanted = subject.facts.get("value")
        if wanted is None:
            return
        for (address, column), (_, after) in self.judge.written.items():
            if column == subject.column and self.judge.planned[address] == [subject]:
                got = plain(self.world.engine, after)
                if got != (None if wanted == "NULL" else wanted):
                    self.judge.fault(f"{subject.title}: {address} was given {got!r}, not {wanted!r}")

    def compare(self, what: str, foreseen: Any, report: Any, states: Sequence[str]) -> None:
        """What was foreseen came true, nobody else being at work.

        Looking does not try: what the engine itself refuses, or the account has no right to, shows when it is written,
        and so does a row that is told from another one only once a later change of it is taken back.
        """
        no = isinstance(foreseen, BaseException) or bool(foreseen.reason)
        if no or isinstance(report, BaseException):
            if no != isinstance(report, BaseException):
                self.judge.fault(f"{what} says {spoken(foreseen)}, but then: {spoken(report)}")
            return
        before = {name: foreseen.states.get(name, 0) for name in states}
        after = {name: report.states.get(name, 0) for name in states}
        refused = any(after[name] > before[name] for name in ("blocked", "undo_conflict") if name in after)
        again = before.get("undo_conflict", 0) > after.get("undo_conflict", 0) and len(report.groups) > 1
        if before != after and not refused and not again:
            self.judge.fault(f"{what} foresaw {before}, there came {after} ({report.state} {report.reason})")

    def verify(self, groups: Sequence[Any], name: str) -> None:
        """What verify says of each run is so."""
        for run in self.runs:
            acted = self.moment()
            seen = self.verb("verify", partial(trueup.verify, self.config, run))
            self.judge.look(groups)
            if isinstance(seen, BaseException):
                self.result.seen["verify refused"] += isinstance(seen, TrueupError)
                continue
            self.result.seen["verified"] += 1
            if len(self.runs) > 1:
                continue
            if seen.problems and not self.actors.done and not self.world.killed:
                self.judge.fault(f"{name} is not content where nothing happened: {seen.problems}")
            intact = sum(
                self.shows(cell, after)
                for cell, (_, after) in self.judge.written.items()
                if cell not in self.judge.restored
            )
            certain = self.quiet_since(acted) and seen.state in ("applied", "stopped") and not seen.problems
            if certain and seen.intact != intact:
                self.judge.fault(f"{name}: {seen.intact} rows show the run's work, {intact} do ({seen.problems})")
            for subject in self.world.subjects if self.quiet_since(acted) else ():
                rest = len(broken(self.world, subject, self.timeline.last))
                if subject.options["kind"] == "duplicate" or subject.title not in seen.remaining:
                    continue
                if seen.remaining[subject.title] != rest and not seen.problems:
                    self.judge.fault(
                        f"{name}: {seen.remaining[subject.title]} remain of {subject.title}, {rest} rows are broken"
                    )

    def shows(self, cell: Any, after: Any) -> bool:
        """Whether a cell still holds what apply wrote."""
        (place, key), column = cell
        subject = next(one for one in self.world.subjects if one.place == place)
        rows = [
            row
            for where, some in self.timeline.last.items()
            if root(self.world, where) == place
            for row in some
            if key_of(subject, row) == key
        ]
        return not rows if not column else bool(rows) and rows[0].get(column) == after

    def undo(self, groups: Sequence[Any]) -> None:
        """Take the runs back, the last one first."""
        for run in reversed(self.runs):
            acted, before = self.moment(), len(self.judge.restored)
            foreseen = self.verb("undo dry", partial(trueup.undo, self.config, run))
            if self.world.killed == "undo":
                self.verb("undo", partial(trueup.undo, self.config, run, confirm="yes"), killed=True)
            report = self.verb("undo", partial(trueup.undo, self.config, run, confirm="yes"))
            self.judge.look(groups)
            if self.quiet_since(acted) and len(self.runs) == 1 and not self.world.killed:
                self.compare("undo's dry run", foreseen, report, ("undone", "undo_conflict"))
            if isinstance(report, BaseException):
                self.refuse(report)
                if isinstance(report, TrueupError) and not self.actors.done and not self.world.killed:
                    self.judge.fault(f"undo of an untouched run is refused: {report}")
                continue
            restored = len(self.judge.restored) - before
            self.result.undone += restored
            self.result.seen["undo conflicts"] += report.states.get("undo_conflict", 0)
            for record in report.listed:
                if record.state == "undo_conflict":
                    self.result.refusals.append(sentence(f"undo: {record.reason}"))
            if len(self.runs) == 1 and report.states.get("undone", 0) != restored:
                self.judge.fault(f"undo says it gave {report.states.get('undone', 0)} rows back, it gave {restored}")
            nobody = self.untouched and len(self.actors.done) == self.since
            alone = nobody and not self.world.killed and len(self.runs) == 1
            if alone and (report.states.get("undo_conflict", 0) or report.state != "undone"):
                self.judge.fault(f"a run that nobody touched is not taken back: {dict(report.states)} {report.reason}")

    def dangling(self) -> None:
        """No declared key is broken that was not."""
        if self.world.engine == "sqlite" and not self.world.prelude:
            return  # the application itself does without
        for row in sorted(self.judge.dangling(self.timeline.last) - self.judge.orphans):
            self.judge.fault(f"a declared key is broken: {row}")


def side_by_side(works: Sequence[Callable[[], Any]], after: Callable[[], None]) -> list[Any]:
    """Several verbs at once; what each returned or raised."""
    answers: list[Any] = [None] * len(works)

    def one(number: int) -> None:
        try:
            answers[number] = works[number]()
        except BaseException as error:  # noqa: BLE001  # looked at by the judge
            answers[number] = error
        finally:
            after()

    threads = [threading.Thread(target=one, args=(number,), daemon=True) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANGING)
    return answers
