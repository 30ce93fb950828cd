"""Runs checks over one store: fused passes for row checks, a query each for set checks, and the second look."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from trueup.check import Check, RowCheck
from trueup.config.strategy import letter
from trueup.errors import TrueupError
from trueup.findings import Finding, Key, Severity
from trueup.results import CheckResult, GroupCount, PartCount, Progress, RepairCount
from trueup.scan import keys as collecting
from trueup.scan.one_pass import UNMEASURED, Fusion
from trueup.scan.second_look import BrokenRow, SecondLook
from trueup.stores.sql import SqlDatabase, SqlStore

Sink = Callable[[Finding], None]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")


@dataclass(kw_only=True)
class Tally:
    """The running counts of one check."""

    check: Check
    look: SecondLook
    samples: int
    sink: Sink | None
    found: int = 0
    words: Counter[str] = field(default_factory=Counter)
    groups: Counter[tuple[str, str, Severity]] = field(default_factory=Counter)
    repairs: Counter[int] = field(default_factory=Counter)
    failed: Counter[int] = field(default_factory=Counter)
    first: dict[Severity, list[Finding]] = field(default_factory=lambda: {name: [] for name in SEVERITIES})

    def __post_init__(self) -> None:
        self.look.unaddressed = 0

    def take(self, rows: Sequence[BrokenRow]) -> None:
        """Count rows that the second look found broken."""
        self.found += len(rows)
        for seen in rows:
            self.words[seen.word] += 1
            self.repairs[seen.choice] += 1
            self.failed.update(self.look.measures.failed_parts(seen.evidence))
            if self.check.group_by:
                self.groups[(seen.group, seen.word, seen.severity)] += 1
            room = self.first[seen.severity]
            if self.sink or len(room) < self.samples:
                finding = self.look.finding(seen)
                if len(room) < self.samples:
                    room.append(finding)
                if self.sink:
                    self.sink(finding)

    def keyless(self, count: int) -> None:
        """Count broken rows that no key addresses; only a person can repair them."""
        if count:
            self.found += count
            self.repairs[-1] += count

    def parts(self, measured: Mapping[str, int]) -> tuple[PartCount, ...]:
        """Rows in which each key is right, of those validated; empty when broken rows could not be read by key."""
        if not self.look.row.table.key or self.look.unaddressed:
            return ()
        return tuple(
            PartCount(part.place, part.expected, part.within, max(0, rows - self.failed[i]), rows)
            for i, part in enumerate(self.look.measures.parts)
            if (rows := measured.get(part.within, 0))
        )

    def result(
        self, rows: int, healthy: Mapping[str, int], measured: Mapping[str, int], thresholds: Any, began: float
    ) -> CheckResult:
        """The check's result."""
        check = self.check
        unmeasured = self.look.measures.unmeasured
        groups = tuple(
            GroupCount(group, word, count, severity)
            for (group, word, severity), count in sorted(
                self.groups.items(), key=lambda item: (SEVERITIES.index(item[0][2]), -item[1], item[0])
            )
        )
        offered = self.look.repairs
        repairs = tuple(
            RepairCount(offered[i].name if i >= 0 else "", offered[i].effect if i >= 0 else "", count)
            for i, count in sorted(self.repairs.items(), key=lambda item: (item[0] < 0, item[0]))
        )
        samples = [finding for name in SEVERITIES for finding in self.first[name]][: self.samples]
        return CheckResult(
            title=check.title,
            kind=check.kind,
            store=self.look.database.store.name,
            table=check.table,
            columns=check.columns,
            status="findings" if self.found else "clean",
            rows=rows,
            skipped=measured.get(UNMEASURED, 0),
            skipped_because=unmeasured[1] if unmeasured and measured.get(UNMEASURED) else "",
            findings=self.found,
            distribution=self.distribution(rows, healthy),
            parts=self.parts(measured),
            groups=groups,
            group_by=check.group_by,
            samples=tuple(samples),
            in_message=self.look.evidence_in_message(),
            repairs=repairs,
            letter=letter(self.found, thresholds),
            seconds=time.perf_counter() - began,
        )

    def distribution(self, rows: int, healthy: Mapping[str, int]) -> tuple[tuple[str, bool, int], ...]:
        """(word, healthy, count): the healthy words first, then the broken ones, the most frequent first."""
        if not (healthy or any(self.words)):
            return ()
        rest = rows - self.found - sum(healthy.values())
        good = {self.look.measures.ordinary_word: rest, **healthy}
        lines = [(word, True, count) for word, count in good.items() if count > 0]
        broken = [(word, False, count) for word, count in self.words.items()]
        return tuple(sorted(lines, key=lambda line: -line[2]) + sorted(broken, key=lambda line: -line[2]))


class Scanner:
    """Scans one store. Each check's failure is its own: the others go on."""

    def __init__(
        self, store: SqlStore, thresholds: Any, *, samples: int, values: bool, sink: Sink | None, progress: Progress
    ) -> None:
        self.store, self.thresholds = store, thresholds
        self.samples, self.values, self.sink, self.progress = samples, values, sink, progress

    def run(self, checks: Sequence[Check], session: Connection | None = None) -> list[CheckResult]:
        """Results in the order of `checks`. A caller with an open session passes it as `session`."""
        results: dict[str, CheckResult] = {}
        first = self.store.connect() if session is None else nullcontext(session)
        with first as connection, self.store.connect() as second:
            database = SqlDatabase(self.store, connection)
            looking = SqlDatabase(self.store, second, beside=database)
            ready: dict[str, list[Tally]] = {}
            for check in checks:
                try:
                    tally = Tally(
                        check=check,
                        look=SecondLook(looking, check, values=self.values),
                        samples=self.samples,
                        sink=self.sink,
                    )
                except (TrueupError, DBAPIError) as error:
                    connection.rollback()
                    second.rollback()
                    results[check.title] = self.not_checked(check, error)
                    continue
                group = check.table if isinstance(check, RowCheck) else f"\0{check.title}"
                ready.setdefault(group, []).append(tally)
            for tallies in ready.values():
                for result in self.together(database, tallies):
                    results[result.title] = result
        return [results[check.title] for check in checks]

    def together(self, database: SqlDatabase, tallies: list[Tally]) -> list[CheckResult]:
        """Run checks in one pass. If the pass fails, run each alone, so that only the faulty one is not checked."""
        table = tallies[0].look.row.table
        self.progress.task(f"{table.name}: {len(tallies)} check{'s' * (len(tallies) > 1)}", table.rows or None)
        began = time.perf_counter()
        try:
            if isinstance(tallies[0].check, RowCheck):
                return self.fused(database, tallies, began)
            return [self.alone(database, tallies[0], began)]
        except (TrueupError, DBAPIError) as error:
            database.connection.rollback()
            tallies[0].look.database.connection.rollback()
            if len(tallies) == 1:
                return [self.not_checked(tallies[0].check, error)]
        fresh = [
            Tally(check=t.check, look=t.look, samples=t.samples, sink=t.sink if not t.found else None) for t in tallies
        ]
        return [result for tally in fresh for result in self.together(database, [tally])]

    def fused(self, database: SqlDatabase, tallies: list[Tally], began: float) -> list[CheckResult]:
        """One pass for the row checks of a table."""
        fusion = Fusion(database, [tally.check for tally in tallies])  # type: ignore[misc]  # the caller looked
        waiting: list[list[Key]] = [[] for _ in tallies]
        for batch, rows in fusion.run():
            for key, mask in batch:
                for i, keys in enumerate(waiting):
                    if mask >> i & 1:
                        keys.append(key)
            for tally, keys in zip(tallies, waiting, strict=True):
                while len(keys) >= tally.look.size:
                    page = keys[: tally.look.size]
                    del keys[: len(page)]  # not look.size again: a slow page doubles it
                    tally.take(tally.look.at(page))
            self.progress.advance(rows)
        database.connection.rollback()
        results = []
        for i, (tally, keys) in enumerate(zip(tallies, waiting, strict=True)):
            for seen, _ in tally.look.pages(iter(keys)):
                tally.take(seen)
            tally.keyless(tally.look.unaddressed if fusion.row.table.key else fusion.totals.broken[i])
            healthy, measured = fusion.totals.healthy_words[i], fusion.totals.measured[i]
            results.append(tally.result(fusion.totals.rows, healthy, measured, self.thresholds, began))
        return results

    def alone(self, database: SqlDatabase, tally: Tally, began: float) -> CheckResult:
        """A set check: its own query for the keys, then the second look."""
        broken = tally.check.broken(database)
        table = broken.row.table
        rows = int(database.ask(select(func.count()).select_from(broken.row.relation))[0][0])
        if not table.key:
            count = select(func.count()).select_from(broken.source).where(broken.where)
            tally.keyless(int(database.ask(count)[0][0]))
        else:
            for seen, _ in tally.look.pages(keys_of(database, tally.check)):
                tally.take(seen)
            tally.keyless(tally.look.unaddressed)
        self.progress.advance(rows)
        database.connection.rollback()
        return tally.result(rows, {}, {}, self.thresholds, began)

    def not_checked(self, check: Check, error: Exception) -> CheckResult:
        """The result of a check that could not run."""
        reason = self.store.dialect.describe(error) if isinstance(error, DBAPIError) else str(error)
        return CheckResult(
            title=check.title,
            kind=check.kind,
            store=self.store.name,
            table=check.table,
            columns=check.columns,
            status="not checked",
            reason=reason,
        )


def keys_of(database: SqlDatabase, check: Check) -> Iterator[Key]:
    """Keys of the broken rows of any check, streamed."""
    if isinstance(check, RowCheck):
        for batch, _ in Fusion(database, [check]).run():
            yield from (key for key, _ in batch)
        return
    yield from collecting.keys_of(database, check.broken(database))
