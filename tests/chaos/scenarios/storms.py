"""Lock and deadlock storms: writers that lock broken rows in the reverse order, and one that holds on for too long."""

from __future__ import annotations

import random
import threading
import time

from tests.chaos.app import TABLE, App, Profile, is_broken, load
from tests.chaos.arena import Arena, Tally
from tests.chaos.oracle import Oracle
from tests.chaos.plain import ERRORS, Session

SEEN = ("lock timeouts", "commits checked")
SEEN_ON = dict.fromkeys(("postgresql", "mysql", "mariadb"), ("deadlocks",))
PROFILE = Profile(rows=200, broken=150, heat=2)
#: Storms until each was seen.
STORMS = 6
#: Starts of one verb before it counts as endless.
STARTS = 30


def play(arena: Arena, seed: int, tally: Tally) -> None:
    """Storms until somebody waited in vain and, where that can be, somebody was the victim of a deadlock."""
    wanted = {"lock timeouts", *SEEN_ON.get(arena.engine, ())}
    for number in range(STORMS):
        if tally.violations or all(tally.seen[name] for name in wanted):
            return
        weather(arena, seed + number, tally)


def weather(arena: Arena, seed: int, tally: Tally) -> None:
    """Apply and undo through one storm."""
    rng = random.Random(seed)
    start = load(arena.session, rng, PROFILE.rows, PROFILE.broken)
    told = arena.do("plan")
    if told.word != "done":
        tally.violations.append(f"{arena.engine}, seed {seed}: {told}")
        return
    app = App(arena.engine, arena.url, seed, start, PROFILE)
    oracle = Oracle(arena.session, arena.plan, start, app)
    storm = Storm(arena, app, sorted(row for row, record in start.items() if is_broken(record.metadata)), tally)
    app.start()
    storm.start()
    try:
        for verb, state in (("apply", "applied"), ("undo", "undone")):
            for number in range(STARTS):
                with arena.tool(verb, chunks=(10, 40, 80), rest=0.001, tries=3) as hand:
                    ended = hand.outcome()
                    tally.seen += hand.refused
                if number == STARTS // 2:
                    storm.stop()
                with storm.paused(), app.paused():
                    found = [f"{arena.engine}, seed {seed}, {verb} in a storm: {fault}" for fault in oracle.check()]
                if found or ended.word == "crash":
                    tally.violations += [*found, *([f"{arena.engine}, {ended}"] if ended.word == "crash" else [])]
                    return
                if oracle.ledger.complete and oracle.ledger.state == state:
                    break
            else:
                tally.violations.append(f"{arena.engine}, seed {seed}: {verb} never ended: {ended}")
                return
    finally:
        storm.stop()
        app.stop()
        tally.seen["commits checked"] += app.commits


class Storm:
    """Two that count several broken rows at once, from the last to the first, and one that holds a row too long."""

    def __init__(self, arena: Arena, app: App, hot: list[int], tally: Tally) -> None:
        self.arena, self.app, self.hot, self.tally = arena, app, hot, tally
        self._ending = threading.Event()
        self._lock = [threading.Lock() for _ in range(3)]
        jobs = [self._reverse, self._reverse, self._hold]
        self._threads = [threading.Thread(target=self._run, args=(n, job)) for n, job in enumerate(jobs)]

    def start(self) -> None:
        """Let it loose."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End it; may be called twice."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def paused(self) -> Paused:
        """Nobody of the storm is in a transaction meanwhile."""
        return Paused(self._lock)

    def _run(self, number: int, job: object) -> None:
        rng = random.Random(number)
        session = Session(self.arena.engine, self.arena.url)
        if self.arena.engine == "postgresql":  # it looks for deadlocks after a second; by then trueup has given way
            session.run("SET deadlock_timeout = '20ms'")
        try:
            while not self._ending.is_set():
                with self._lock[number]:
                    job(session, rng)  # type: ignore[operator]  # one of the two below
                time.sleep(rng.uniform(0, 0.02))
        finally:
            session.close()

    def _reverse(self, session: Session, rng: random.Random) -> None:
        rows = sorted(rng.sample(self.hot, 8), reverse=True)
        try:
            session.begin()
            written = []
            for row in rows:
                written += [row] * session.run(f"UPDATE {TABLE} SET bal = bal + 1 WHERE id = ?", row)
                time.sleep(0.003)
            session.commit()
        except ERRORS as error:
            codes = {getattr(error, "sqlstate", None), *error.args[:1]}
            self.tally.seen["deadlocks"] += bool(codes & {"40P01", 1213})
            session.rollback()
            return
        self.app.logs[0].added.update(written)

    def _hold(self, session: Session, rng: random.Random) -> None:
        row = rng.choice(self.hot)
        try:
            session.begin()
            session.run(f"UPDATE {TABLE} SET bal = bal WHERE id = ?", row)
            time.sleep(rng.choice([0.2, 3.6] if self.arena.engine == "sqlite" else [0.1, 1.5, 2.5]))
        except ERRORS:
            self.tally.seen["lock timeouts of the application"] += 1
        session.rollback()
        self._ending.wait(rng.uniform(0, 0.5))


class Paused:
    """Holds locks."""

    def __init__(self, locks: list[threading.Lock]) -> None:
        self._locks = locks

    def __enter__(self) -> None:
        for lock in self._locks:
            lock.acquire()

    def __exit__(self, *_: object) -> None:
        for lock in self._locks:
            lock.release()
