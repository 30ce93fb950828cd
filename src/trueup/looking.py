"""The second look: broken rows read again by key, with all that a report or a plan says about them.

A scan's candidate is only reported when it is still broken here, so a write in flight is not damage. A plan takes its
digests from the same statement.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, literal, null, select

from trueup.check import Check, Repair, Row, RowCheck
from trueup.findings import Finding, Key, Record, Severity
from trueup.stores.sql import SqlDatabase

PAGE = 1000
LARGEST_PAGE = 16_000
SLOW = 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """A broken row, seen twice: `choice` is the repair that fits (-1: none), `before` and `after` are digests."""

    key: Key
    evidence: Mapping[str, Any]
    word: str
    group: str
    severity: Severity
    choice: int
    before: str = ""
    after: str = ""
    previews: tuple[str, str] = ("", "")


class Look:
    """Reads the broken rows of one check by key. With `images` it also tells what each repair would write."""

    def __init__(self, database: SqlDatabase, check: Check, *, values: bool = False, images: bool = False) -> None:
        self.database, self.check, self.values, self.images = database, check, values, images
        self.broken = check.broken(database)
        self.row: Row = self.broken.row
        self.repairs = check.chosen()
        self.size = PAGE
        self._parts = self._named()

    def _named(self) -> dict[str, ColumnElement[Any]]:
        row, check = self.row, self.check
        parts: dict[str, ColumnElement[Any]] = {"choice": self._choice()}
        if isinstance(check, RowCheck) and (word := check.profile(row)) is not None:
            parts["word"] = word
        for name in filter(None, [check.group_by]):
            parts["group"] = row.dialect.preview(row.column(name), row[name])
        for name, expression in {**check.evidence(row), **self.broken.facts}.items():
            if self.values or not name.startswith("value"):
                parts[f"e.{name}"] = expression
        for name in check.context:
            parts[f"c.{name}"] = row.dialect.preview(row.column(name), row[name])
        if self.images and self.repairs:
            parts |= self._images()
        return parts

    def _choice(self) -> ColumnElement[int]:
        if not self.repairs:
            return literal(-1)
        return case(*((repair.fits(self.row), i) for i, repair in enumerate(self.repairs)), else_=-1)

    def touched(self, repair: Repair) -> list[str]:
        """The columns whose images a repair keeps."""
        if repair.action == "delete":
            return [column.name for column in self.row.table.stored()]
        return list(repair.sets(self.row))

    def _images(self) -> dict[str, ColumnElement[Any]]:
        row, dialect = self.row, self.row.dialect
        before: list[Any] = []
        after: list[Any] = []
        shown: list[Any] = []
        then: list[Any] = []
        for i, repair in enumerate(self.repairs):
            names = self.touched(repair)
            mine = repair.fits(row) if i == 0 else self._choice() == i
            before.append((mine, row.digest(names)))
            if repair.action == "delete":
                continue
            new = {name: dialect.cast(value, row.column(name)) for name, value in repair.sets(row).items()}
            after.append((mine, dialect.digest([(row.column(name), value) for name, value in new.items()])))
            first = names[0]
            shown.append((mine, dialect.preview(row.column(first), row[first])))
            then.append((mine, dialect.preview(row.column(first), new[first])))
        return {
            "before": case(*before, else_=""),
            "after": case(*after, else_="") if after else literal(""),
            "shown": case(*shown, else_=null()) if shown else null(),
            "then": case(*then, else_=null()) if then else null(),
        }

    def pages(self, keys: Iterator[Key]) -> Iterator[tuple[list[Seen], int]]:
        """For batches of keys: the rows that are still broken, and how many keys were looked at."""
        batch: list[Key] = []
        for key in keys:
            batch.append(key)
            if len(batch) >= self.size:
                yield self.at(batch), len(batch)
                batch = []
        if batch:
            yield self.at(batch), len(batch)

    def at(self, keys: Sequence[Key]) -> list[Seen]:
        """The rows at `keys` that are broken now, in the order of `keys`."""
        began = time.perf_counter()
        table = self.row.table
        stage = self.database.dialect.stage(
            self.database.connection, table, [(i, "", "", key) for i, key in enumerate(keys)]
        )
        s, columns = stage.relation.c, self.row.relation.c
        same = and_(*(columns[name] == s[f"k{i}"] for i, name in enumerate(table.key)))
        statement: Select[Any] = select(s.seq, *self._parts.values())
        if self.broken.source is self.row.relation or self.broken.facts:
            statement = statement.select_from(stage.relation.join(self.broken.source, same)).where(self.broken.where)
        else:
            statement = statement.select_from(stage.relation.join(self.row.relation, same)).where(
                self.check.holds(self.row)
            )
        rows = self.database.connection.execute(statement, dict(stage.parameters)).all()
        self.database.connection.rollback()
        if time.perf_counter() - began > SLOW:
            # a page that costs a scan of its own should cost it less often
            self.size = min(LARGEST_PAGE, self.size * 2)
        names = ["seq", *self._parts]
        found = [(int(row[0]), dict(zip(names, row, strict=True))) for row in rows]
        return [self._seen(keys[seq], facts) for seq, facts in sorted(found, key=lambda item: item[0])]

    def _seen(self, key: Key, facts: Mapping[str, Any]) -> Seen:
        evidence = {name[2:]: plain(value) for name, value in facts.items() if name.startswith("e.")}
        for name, value in facts.items():
            if name.startswith("c."):
                evidence[name[2:]] = plain(value) if self.values else masked(value)
        group = plain(facts.get("group"))
        shown, then = facts.get("shown"), facts.get("then")
        hide = plain if self.values else masked
        return Seen(
            key,
            evidence,
            str(plain(facts.get("word")) or ""),
            "" if group is None else str(group),
            self.check.group_of(group),
            int(facts["choice"]),
            facts.get("before") or "",
            facts.get("after") or "",
            (str(hide(shown)), str(hide(then))) if self.images else ("", ""),
        )

    def finding(self, seen: Seen) -> Finding:
        """The row as a finding."""
        where = Record(self.database.store.name, self.row.table.name, seen.key)
        return Finding(self.check.title, where, self.check.message(seen.evidence), seen.severity, seen.evidence)


def plain(value: Any) -> Any:
    """A value as text or number, for a report."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def masked(value: Any) -> str:
    """A value as its length only: what it says stays in the database."""
    if value is None:
        return "NULL"
    length = len(str(plain(value)))
    return f"{'200 or more' if length >= 200 else length} character{'' if length == 1 else 's'}"
