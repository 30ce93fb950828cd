"""The live application: writers that remember every commit that the database acknowledged."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.plain import COLUMNS, ERRORS, EXACT, Session

TABLE = "events"
BORN = 1_000_000
#: The n-th is put into every n-th broken row; what trueup should make of each is the oracle's to say.
BROKEN = (
    lambda n: json.dumps(json.dumps({"n": n, "quiz": 'a\u00e9\U0001f600"\\'})),
    str,
    lambda n: json.dumps([n, {"deep": [None]}]),
    lambda n: json.dumps(json.dumps({"n": n})),
    lambda n: "null",
    lambda n: f"{n}.25",
    lambda n: json.dumps(f"plain text {n}"),
    lambda n: "true" if n % 2 else "false",
    lambda n: json.dumps(json.dumps([n])),
)


@dataclass(frozen=True, slots=True)
class Profile:
    """How hard it is: rows, broken ones, rewrites of broken rows in a second, the share of counting that goes to
    broken rows, seconds between a writer's writes, writers (one only rewrites; of more, half count)."""

    rows: int = 2000
    broken: int = 400
    heat: float = 12
    counting: float = 0.5
    gap: float = 0.008
    writers: int = 4


@dataclass(frozen=True, slots=True)
class Record:
    """One row as read from the database: `rest` are the columns that nobody writes."""

    metadata: str | None
    bal: int
    rest: tuple[Any, ...]


@dataclass
class Cell:
    """The last acknowledged write of one cell, and those of which nobody knows since then."""

    known: str | None
    writes: int = 0
    unsure: list[str] = field(default_factory=list)


@dataclass
class Log:
    """What one writer was told: the application's own truth."""

    cells: dict[int, Cell] = field(default_factory=dict)
    added: Counter[int] = field(default_factory=Counter)
    maybe_added: Counter[int] = field(default_factory=Counter)
    born: dict[int, str] = field(default_factory=dict)
    maybe_born: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    maybe_gone: set[int] = field(default_factory=set)
    commits: int = 0
    refused: int = 0
    ambiguous: int = 0
    stall: float = 0.0


def load(session: Session, rng: random.Random, rows: int, broken: int) -> dict[int, Record]:
    """Fill the table afresh and return it as the database shows it."""
    session.run(f"DROP TABLE IF EXISTS {TABLE}")
    session.run(f"CREATE TABLE {TABLE} (id INTEGER PRIMARY KEY, {COLUMNS[session.engine]})")
    bad = set(rng.sample(range(1, rows + 1), broken))
    made = []
    for number in range(1, rows + 1):
        value = BROKEN[number % len(BROKEN)](number) if number in bad else json.dumps({"ok": number})
        metadata = None if number % 17 == 0 and number not in bad else value
        note = None if number % 11 == 0 else f"note {number} \u00fc\t'\"  "
        made.append((number, metadata, number % 5, note, rng.random() * 10 ** rng.randint(-9, 9), number / 8))
    session.begin()
    session.many(f"INSERT INTO {TABLE} (id, metadata, bal, note, ratio, price) VALUES (?, ?, ?, ?, ?, ?)", made)
    session.commit()
    return read(session)


def read(session: Session) -> dict[int, Record]:
    """The whole table, every value in a form that loses no bit."""
    found = session.rows(f"SELECT {EXACT[session.engine]} FROM {TABLE}")
    return {int(row[0]): Record(row[1], int(row[2]), tuple(repr(value) for value in row[3:])) for row in found}


class App:
    """Writers, each a thread with a session of its own: one half counts, the other rewrites, inserts and deletes.

    Each row's metadata, and its life, belong to one of these: so its last acknowledged write is known.
    """

    def __init__(self, engine: str, url: str, seed: int, start: dict[int, Record], profile: Profile) -> None:
        self._engine, self._url, self._seed = engine, url, seed
        self._profile = profile
        rows = sorted(start)
        hot = [row for row in rows if is_broken(start[row].metadata)]
        writers, self._counting = profile.writers, profile.writers // 2
        owners = self._owners = writers - self._counting
        #: To pick from, by writer: all rows and the broken ones; those that rewrite have each their share.
        self._rows = [(rows, hot)] * self._counting + [
            ([row for row in rows if row % owners == own], [row for row in hot if row % owners == own])
            for own in range(owners)
        ]
        self.logs = [Log() for _ in range(writers)]
        self._next_strike = [0.0] * writers
        self._locks = [threading.Lock() for _ in range(writers)]
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self.failures: list[str] = []

    def start(self) -> None:
        """Start the writers."""
        for number in range(self._profile.writers):
            job = self._count if number < self._counting else self._write
            self._threads.append(threading.Thread(target=self._run, args=(number, job), name=f"writer {number}"))
            self._threads[-1].start()

    def stop(self) -> None:
        """End the writers, each after the transaction it is in."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No writer is inside a transaction meanwhile."""
        for lock in self._locks:
            lock.acquire()
        try:
            yield
        finally:
            for lock in self._locks:
                lock.release()

    @property
    def commits(self) -> int:
        """Acknowledged commits so far."""
        return sum(log.commits for log in self.logs)

    # -- writers --------------------------------------------------------------------------------------------------
    def _run(self, number: int, job: Callable[[int, Session, random.Random], None]) -> None:
        rng = random.Random(f"{self._seed}/{number}")
        session = Session(self._engine, self._url)
        try:
            while not self._ending.is_set():
                with self._locks[number]:
                    began = time.perf_counter()
                    job(number, session, rng)
                    self.logs[number].stall = max(self.logs[number].stall, time.perf_counter() - began)
                time.sleep(rng.uniform(0, 2 * self._profile.gap))
        except Exception as error:  # noqa: BLE001  # a writer that died in silence would leave a blind run
            self.failures.append(f"writer {number}: {error!r}")
        finally:
            session.close()

    def _commit(self, number: int, session: Session, sql: str, *parameters: Any) -> tuple[str, int]:
        """One statement in a transaction: `acked`, `refused` (surely not done) or `unsure`, and rows written."""
        log = self.logs[number]
        try:
            session.begin()
            rows = session.run(sql, *parameters)
        except ERRORS:
            session.rollback()
            log.refused += 1
            return "refused", 0
        try:
            session.commit()
        except ERRORS:
            session.rollback()
            if self._engine == "sqlite":  # BUSY: SQLite says so before it commits
                log.refused += 1
                return "refused", 0
            log.ambiguous += 1
            return "unsure", rows
        log.commits += 1
        return "acked", rows

    def _pick(self, number: int, rng: random.Random) -> int:
        rows, hot = self._rows[number]
        return rng.choice(hot if self._strikes(number, rng) else rows)

    def _strikes(self, number: int, rng: random.Random) -> bool:
        """Whether the next write goes to a broken row: a share of the counting, and some rewrites a second."""
        if number < self._counting:
            return rng.random() < self._profile.counting
        # by the clock, as a share of writes would leave a fast engine no row to mend
        if time.monotonic() < self._next_strike[number]:
            return False
        self._next_strike[number] = time.monotonic() + rng.uniform(0, 2 * self._owners / self._profile.heat)
        return True

    def _count(self, number: int, session: Session, rng: random.Random) -> None:
        row, log = self._pick(number, rng), self.logs[number]
        told, rows = self._commit(number, session, f"UPDATE {TABLE} SET bal = bal + 1 WHERE id = ?", row)
        if rows and told != "refused":
            (log.added if told == "acked" else log.maybe_added)[row] += 1

    def _write(self, number: int, session: Session, rng: random.Random) -> None:
        log = self.logs[number]
        dice = rng.random()
        if dice < 0.03:
            self._insert(number, session, rng)
            return
        row = self._pick(number, rng)
        if row in log.gone or row in log.maybe_gone:
            return
        if dice < 0.06:
            told, rows = self._commit(number, session, f"DELETE FROM {TABLE} WHERE id = ?", row)
            if rows and told != "refused":
                (log.gone if told == "acked" else log.maybe_gone).add(row)
            return
        value = self._value(number, log, rng)
        told, rows = self._commit(number, session, f"UPDATE {TABLE} SET metadata = ? WHERE id = ?", value, row)
        if not rows or told == "refused":
            return
        cell = log.cells.setdefault(row, Cell(None))
        if told == "acked":
            cell.known, cell.writes, cell.unsure = value, cell.writes + 1, []
        else:
            cell.unsure.append(value)

    def _value(self, number: int, log: Log, rng: random.Random) -> str:
        """A value that this row never held, spelled as every engine spells it back; at times a broken one."""
        value = json.dumps({"n": log.commits * self._profile.writers + number, "by": f"w{number}"})
        return json.dumps(value) if rng.random() < 0.1 else value

    def _insert(self, number: int, session: Session, rng: random.Random) -> None:
        log = self.logs[number]
        row = BORN + self._profile.writers * (len(log.born) + len(log.maybe_born)) + number
        value = self._value(number, log, rng)
        told, _ = self._commit(number, session, f"INSERT INTO {TABLE} (id, metadata, bal) VALUES (?, ?, 0)", row, value)
        if told == "acked":
            log.born[row] = value
        elif told == "unsure":
            log.maybe_born.add(row)


def is_broken(metadata: str | None) -> bool:
    """Whether a value is neither SQL NULL nor a JSON object."""
    if metadata is None:
        return False
    try:
        return not isinstance(json.loads(metadata), dict)
    except ValueError:
        return True
