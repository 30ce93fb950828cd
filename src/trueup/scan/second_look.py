"""The second look: broken rows read again by key, with all that a report or a plan says about them.

A scan's candidate is only reported when it is still broken here, so a write in flight is not damage. A plan takes its
digests from the same statement.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Select, case, literal, select

from trueup.check import ALL, Check, Measures, Repair, Row, RowCheck
from trueup.findings import Finding, Key, Record, Severity
from trueup.stores.sql import SqlDatabase

PAGE = 1000
LARGEST_PAGE = 16_000
SLOW = 0.5
#: Columns of a row that a preview shows; engines limit how many one statement may return.
PREVIEWED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRow:
    """A row that is still broken when read again. `choice`: index of the first repair that fits, or -1."""

    key: Key
    evidence: Mapping[str, Any]
    context: Mapping[str, Any]
    word: str
    group: str
    severity: Severity
    choice: int


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A row of a plan: digests and previews of the touched columns, before and after.

    One column is previewed by its value alone, several by their names too: `starts 2026-05-09, ends 2026-05-02`.
    """

    key: Key
    before: str
    after: str
    previews: tuple[str, str]


class SecondLook:
    """Reads broken rows of one check again, by key. Each statement is built once."""

    def __init__(self, database: SqlDatabase, check: Check, *, values: bool = False) -> None:
        self.database, self.check, self.values = database, check, values
        self.broken = check.broken(database)
        self.row: Row = self.broken.row
        self.measures = check.measures(self.row) if isinstance(check, RowCheck) else Measures()
        self.repairs = check.chosen()
        self.size = PAGE
        #: Broken rows seen so far that no key addresses: they can be counted, and neither read again nor repaired.
        self.unaddressed = 0
        self._parts = self._named()
        self._statements: dict[int, Select[*tuple[Any, ...]]] = {}

    def _named(self) -> dict[str, ColumnElement[Any]]:
        row, check = self.row, self.check
        parts: dict[str, ColumnElement[Any]] = {"choice": self._choice()}
        if self.measures.word is not None:
            parts["word"] = self.measures.word
        if check.group_by:
            parts["group"] = row.dialect.preview(row.column(check.group_by), row[check.group_by])
        facts = check.evidence(row) | self.broken.facts
        for name, expression in facts.shown(values=self.values).items():
            parts[f"e.{name}"] = expression
        for name in check.context:
            parts[f"c.{name}"] = row.dialect.preview(row.column(name), row[name])
        return parts

    def evidence_in_message(self) -> frozenset[str]:
        """The names of the facts that `message` already says."""
        named = {name[2:] for name in self._parts if name.startswith("e.")}
        named = named if self.check.message_covers == ALL else named & set(self.check.message_covers)
        return frozenset(named - set(self.check.context))

    def _choice(self) -> ColumnElement[int]:
        if not self.repairs:
            return literal(-1)
        return case(*((repair.fits(self.row), i) for i, repair in enumerate(self.repairs)), else_=-1)

    def touched(self, repair: Repair) -> list[str]:
        """The columns whose old values a repair journals."""
        if repair.action == "delete":
            return [column.name for column in self.row.table.stored()]
        return list(repair.sets(self.row))

    def pages(self, keys: Iterator[Key]) -> Iterator[tuple[list[BrokenRow], int]]:
        """For each batch of keys: the rows that are still broken, and the number of keys in the batch."""
        batch: list[Key] = []
        for key in keys:
            batch.append(key)
            if len(batch) >= self.size:
                yield self.at(batch), len(batch)
                batch = []
        if batch:
            yield self.at(batch), len(batch)

    def at(self, keys: Sequence[Key]) -> list[BrokenRow]:
        """The rows with these keys that are still broken, in the order of `keys`."""
        given, keys = keys, [key for key in keys if self.row.dialect.addresses(key)]
        self.unaddressed += len(given) - len(keys)
        began = time.perf_counter()
        rows = self._read(-1, keys, self._parts)
        if time.perf_counter() - began > SLOW:
            # a page that costs a scan of its own should cost it less often
            self.size = min(LARGEST_PAGE, self.size * 2)
        return [self._seen(keys[seq], facts) for seq, facts in rows]

    def images(self, keys: Sequence[Key], choice: int) -> list[PlannedRow]:
        """What repair number `choice` would write to the rows with these keys, all of which it must fit."""
        repair, row, dialect = self.repairs[choice], self.row, self.row.dialect
        names = self.touched(repair)
        parts: dict[str, ColumnElement[Any]] = {"before": row.digest(names), "after": literal("")}
        if repair.action == "update":
            new = {name: dialect.cast(value, row.column(name)) for name, value in repair.sets(row).items()}
            parts["after"] = dialect.digest([(row.column(name), value) for name, value in new.items()])
            for i, name in enumerate(names[:PREVIEWED]):
                parts[f"before {i}"] = dialect.preview(row.column(name), row[name])
                parts[f"after {i}"] = dialect.preview(row.column(name), new[name])
        shown = names if repair.action == "update" else []
        return [
            PlannedRow(
                keys[seq],
                facts["before"],
                facts["after"],
                (self._preview("before", shown, facts), self._preview("after", shown, facts)),
            )
            for seq, facts in self._read(choice, keys, parts)
        ]

    def _preview(self, when: str, names: Sequence[str], facts: Mapping[str, Any]) -> str:
        """The columns `names` as text, masked unless values are shown."""
        values = [facts[f"{when} {i}"] for i in range(min(len(names), PREVIEWED))]
        texts = [str(plain(value)) if self.values and value is not None else masked(value) for value in values]
        if len(names) == 1:
            return texts[0]
        more = [f"and {len(names) - PREVIEWED} more"] if len(names) > PREVIEWED else []
        return ", ".join([f"{name} {shown}" for name, shown in zip(names, texts, strict=False)] + more)

    def _read(
        self, which: int, keys: Sequence[Key], parts: Mapping[str, ColumnElement[Any]]
    ) -> list[tuple[int, dict[str, Any]]]:
        table, connection = self.row.table, self.database.connection
        stage = self.database.dialect.stage(connection, table, [(i, "", "", key) for i, key in enumerate(keys)])
        if which not in self._statements:
            same = stage.same_key(self.row.relation, table.key)
            # facts that only the whole query knows want the whole query
            whole = bool(self.broken.facts)
            source = self.broken.source if whole else self.row.relation
            self._statements[which] = (
                select(stage.relation.c.seq, *parts.values())
                .select_from(stage.relation.join(source, same))
                .where(self.broken.where if whole else self.check.holds(self.row))
            )
        rows = connection.execute(self._statements[which], dict(stage.parameters)).all()
        connection.rollback()
        return sorted(((int(row[0]), dict(zip(parts, row[1:], strict=True))) for row in rows), key=itemgetter(0))

    def _seen(self, key: Key, facts: Mapping[str, Any]) -> BrokenRow:
        evidence = {name[2:]: plain(value) for name, value in facts.items() if name.startswith("e.")}
        shown = plain if self.values else masked
        context = {name[2:]: shown(value) for name, value in facts.items() if name.startswith("c.")}
        group = plain(facts.get("group"))
        return BrokenRow(
            key=key,
            evidence=evidence,
            context=context,
            word=str(plain(facts.get("word")) or ""),
            group="" if group is None else str(group),
            severity=self.check.group_of(group),
            choice=int(facts["choice"]),
        )

    def finding(self, seen: BrokenRow) -> Finding:
        """The row as a finding."""
        where = Record(self.database.store.name, self.row.table.name, seen.key)
        # a column shown as context may have the name of a fact that the message is made of
        evidence = {**seen.evidence, **seen.context}
        return Finding(
            check=self.check.title,
            where=where,
            message=self.check.message(seen.evidence),
            severity=seen.severity,
            evidence=evidence,
        )


def plain(value: Any) -> Any:
    """A value as text or number, for a report."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def masked(value: Any) -> str:
    """The length of a value, in place of the value."""
    if value is None:
        return "NULL"
    length = len(str(plain(value)))
    return f"{'200 or more' if length >= 200 else length} character{'' if length == 1 else 's'}"
