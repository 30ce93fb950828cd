"""Makes a plan without writing to the database.

Every broken row is read again, the first repair that fits is chosen, and the digests from before and after are
computed.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shlex
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import IO

from sqlalchemy import FromClause, func, select
from sqlalchemy.exc import DataError

from trueup.changes import Group, Left, Plan, PlanSummary
from trueup.check import Check
from trueup.config.config import Config, check_options
from trueup.config.strategy import letter
from trueup.errors import StoreError
from trueup.findings import Key
from trueup.journal.identity import identity_of
from trueup.plan.changed_rows import ChangedRows, overlap
from trueup.plan.drift import forbids, identity_digest, schema_digest
from trueup.plan.file import PlanWriter
from trueup.plan.signing import key_to_sign, signature
from trueup.repairs import sql_false, unheld
from trueup.results import Progress
from trueup.scan.scanner import keys_of
from trueup.scan.second_look import BrokenRow, PlannedRow, SecondLook
from trueup.sql.tables import Table
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.version import VERSION

HOURS = 24
#: Above this share of a table, the fault is assumed to be in the check or in the table it refers to.
ABSURD = 0.5
#: In a smaller table the share proves nothing.
FEW = 20


@dataclass
class Part:
    """What one repair of a check would change: the group, and its operations in a temporary file."""

    group: Group
    spool: IO[str]
    count: int = 0
    #: Why the table must not be written in this way; '' where it may be.
    forbidden: str = ""

    @property
    def planned(self) -> bool:
        """Whether the plan has operations of this group."""
        return bool(self.count) and not self.forbidden

    def add(self, row: PlannedRow) -> None:
        """Append one operation to the temporary file."""
        self.count += 1
        previews = list(row.previews) if any(row.previews) else []
        self.spool.write(json.dumps([row.key, row.before, row.after, previews]) + "\n")

    def operations(self) -> Iterator[tuple[Key, str, str, tuple[str, str]]]:
        """Yield the operations from the temporary file in order."""
        self.spool.seek(0)
        for line in self.spool:
            key, before, after, previews = json.loads(line)
            yield tuple(key), before, after, (previews[0], previews[1]) if previews else ("", "")


@dataclass(kw_only=True)
class Draft:
    """One check's share of a plan: a part for each of its repairs, and counts of the rows left for a person."""

    check: Check
    look: SecondLook
    rows: int = 0
    found: int = 0
    parts: list[Part] = field(default_factory=list)
    unfit: int = 0
    #: Changes left out, counted by the check that changes the same columns of the row first.
    deferred_to: Counter[str] = field(default_factory=Counter)
    refused: str = ""

    def planned(self) -> list[Part]:
        """Return the parts that have operations; none when the table or the check is refused."""
        return [] if self.refused else [part for part in self.parts if part.planned]

    def unfitting(self) -> str:
        """Return why rows are left for a person, and which other repairs could be chosen."""
        tried = ", ".join(part.group.repair for part in self.parts)
        if not tried:
            return f"no repair is chosen{self.offer()}"
        # quarantine fails only for a row that others refer to
        kept = "; other rows refer to them" if any(part.group.action == "delete" for part in self.parts) else ""
        return f"no repair fits (tried: {tried}){kept}{self.offer()}"

    def offer(self) -> str:
        """Return the repairs that could fit but were not tried, as a `--repair` option, or ''."""
        check, tried, row = self.check, {part.group.repair for part in self.parts}, self.look.row
        rest = [
            f"{one.name} ({one.effect})"
            for one in check.repairs()
            if one.name not in tried and not one.fits(row).compare(sql_false())
        ]
        return f"; there is also --repair {shlex.quote(check.title)}={' or '.join(rest)}" if rest else ""


class Planner:
    """Plans the repairs for checks of one store."""

    def __init__(
        self,
        config: Config,
        store: SqlStore,
        *,
        because: str,
        accept_rate: Sequence[str],
        values: bool,
        progress: Progress,
    ) -> None:
        self.config, self.store, self.because = config, store, because
        self.accept_rate, self.values, self.progress = accept_rate, values, progress

    def run(self, checks: Sequence[Check], path: str) -> tuple[Plan, PlanSummary]:
        """Write the plan file and return its header and totals."""
        with self.store.connect() as connection, self.store.connect() as second, contextlib.ExitStack() as files:
            database, looking = SqlDatabase(self.store, connection), SqlDatabase(self.store, second)
            drafts = []
            for check in checks:
                draft = Draft(check=check, look=SecondLook(looking, check, values=self.values))
                drafts.append(draft)
                try:
                    self.draft(database, draft, files)
                except DataError as error:  # from a value in the check's options, or one in the data
                    about = f"{check.title}, on {check.table}.{', '.join(check.columns)}"
                    raise StoreError(f"{self.store}: {about}: {self.store.dialect.describe(error)}") from None
            drop_overlapping(drafts, files)
            header = self.header(database, drafts)
            return header, self.write(header, drafts, path)

    def draft(self, database: SqlDatabase, draft: Draft, files: contextlib.ExitStack) -> None:
        """Read the broken rows of one check into the parts of its draft."""
        table = draft.look.row.table
        self.progress.task(f"planning {draft.check.title}", None)
        for repair in draft.look.repairs:
            columns = tuple(draft.look.touched(repair))
            group = Group(
                check=draft.check.title,
                repair=repair.name,
                store=self.store.name,
                table=table.name,
                action=repair.action,
                columns=columns,
                effect=repair.effect,
            )
            draft.parts.append(Part(group, new_spool(files)))
        draft.refused = self.obstacle(table, draft)
        if not table.key:
            draft.found = self.count(database, draft.check)
            return
        for seen, looked in draft.look.pages(keys_of(database, draft.check)):
            self.progress.advance(looked)
            self.spool(draft, seen)
        draft.found += draft.look.unaddressed
        database.connection.rollback()
        draft.rows = int(database.ask(select(func.count()).select_from(table.sql))[0][0])
        database.connection.rollback()
        if not draft.refused:
            draft.refused = self.doubt(database, draft)

    def count(self, database: SqlDatabase, check: Check) -> int:
        """Count the broken rows of a table without a key."""
        broken = check.broken(database)
        return int(database.ask(select(func.count()).select_from(broken.source).where(broken.where))[0][0])

    def spool(self, draft: Draft, rows: Sequence[BrokenRow]) -> None:
        """Append each row to the part of the repair that fits the row."""
        draft.found += len(rows)
        for choice, part in enumerate(draft.parts):
            if keys := [seen.key for seen in rows if seen.choice == choice]:
                for row in draft.look.images(keys, choice):
                    part.add(row)
        draft.unfit += sum(seen.choice < 0 for seen in rows)

    def obstacle(self, table: Table, draft: Draft) -> str:
        """Return why no row of this table can be repaired, or ''."""
        if not table.key:
            return f"{table.name} has no primary key and no unique key without NULL, so no row can be addressed"
        updates = (part.group.columns for part in draft.parts if part.group.action == "update")
        touched = set(chain.from_iterable(updates))
        if keys := touched & set(table.key):
            return f"{', '.join(sorted(keys))} is part of the key of {table.name}{draft.offer()}"
        generated = [name for name in touched if table.columns[name].generated]
        if generated:
            return f"{table.name}.{generated[0]} is generated by the database"
        for part in draft.parts:
            group = part.group
            part.forbidden = forbids(table, group.action, group.columns) or unheld(
                draft.check, draft.look.row, group.repair
            )
        if table.obstacles:
            return f"{table.name} cannot be repaired: {'; '.join(table.obstacles)}"
        if draft.parts and all(part.forbidden for part in draft.parts):
            return draft.parts[0].forbidden + draft.offer()
        return ""

    def doubt(self, database: SqlDatabase, draft: Draft) -> str:
        """Return why the check itself is doubtful, or '': an absurd rate of broken rows, or an empty parent table."""
        other = draft.check.parent() or draft.check.derives_from()
        if draft.found and other:
            target = parents(draft, database.table(other))
            if not database.ask(select(*list(target.c)[:1]).select_from(target).limit(1)):
                return f"{other} is empty, so every reference to it looks broken; the fault is there"
        rate = draft.found / draft.rows if draft.rows else 0
        if rate > ABSURD and draft.rows >= FEW and draft.check.title not in self.accept_rate:
            return (
                f"{draft.found:,} of {draft.rows:,} rows ({rate:.0%}) look broken: then the check is more likely "
                f"wrong than the rows; --accept-rate {draft.check.title} if they are"
            )
        return ""

    def header(self, database: SqlDatabase, drafts: Sequence[Draft]) -> Plan:
        """Build the header: the database, the tables, the checks and the groups."""
        dialect = self.store.dialect
        now = int(database.ask(select(dialect.now()))[0][0])
        used = [draft for draft in drafts if draft.planned()]
        tables = {draft.look.row.table.name: draft.look.row.table for draft in used}
        return Plan(
            plan_id=secrets.token_hex(6),
            tool=VERSION,
            environment=self.config.environment,
            store=self.store.name,
            identity=identity_of(self.store, database),
            created=now,
            expires=now + HOURS * 3600,
            schema={name: schema_digest(table) for name, table in tables.items()},
            tables={name: identity_digest(table) for name, table in tables.items()},
            standing={name: dialect.standing(database.connection, table) for name, table in tables.items()},
            naming=dialect.naming(database.connection),
            checks={draft.check.title: {"kind": draft.check.kind, **check_options(draft.check)} for draft in used},
            groups=tuple(part.group for draft in used for part in draft.planned()),
            because=self.because,
            strategy=dict(self.config.strategy),
        )

    def write(self, header: Plan, drafts: Sequence[Draft], path: str) -> PlanSummary:
        """Write the operations of all parts to the plan file, group after group."""
        secret = key_to_sign(self.config)
        writer = PlanWriter(path, header)
        try:
            left = []
            number = 0
            for draft in drafts:
                if draft.refused:
                    left.append(Left(draft.check.title, draft.found, draft.refused))
                    continue
                for part in draft.planned():
                    for key, before, after, previews in part.operations():
                        writer.add(number, key, before, after, previews)
                    number += 1
                for first, count in draft.deferred_to.items():
                    reason = f"{first} changes them first; plan again when this plan is applied"
                    left.append(Left(draft.check.title, count, reason))
                left += [Left(draft.check.title, part.count, part.forbidden) for part in draft.parts if part.forbidden]
                if draft.look.unaddressed:
                    reason = "their key holds NULL, so no row can be addressed"
                    left.append(Left(draft.check.title, draft.look.unaddressed, reason))
                if draft.unfit:
                    left.append(Left(draft.check.title, draft.unfit, draft.unfitting()))
            found = sum(draft.found for draft in drafts)
            sign = partial(signature, secret) if secret else None
            kept = tuple(item for item in left if item.count)
            return writer.close(kept, found, letter(found, self.config.strategy), sign)
        except BaseException:
            writer.discard()
            raise


def drop_overlapping(drafts: Sequence[Draft], files: contextlib.ExitStack) -> None:
    """Where two groups change the same columns of a row, keep only the first change.

    The later change was computed for values that the first one replaces.
    """
    planned = [(draft, part) for draft in drafts for part in draft.planned()]
    rivals = {
        number: [other for other in range(number) if overlap(part.group, planned[other][1].group)]
        for number, (_, part) in enumerate(planned)
    }
    first = set(chain.from_iterable(rivals.values()))
    with ChangedRows() as changed:
        for number, (draft, part) in enumerate(planned):
            if number not in first and not rivals[number]:
                continue
            kept = new_spool(files)
            part.spool.seek(0)
            for line in part.spool:
                key = json.dumps(json.loads(line)[0])
                if (before := changed.first(rivals[number], key)) is not None:
                    draft.deferred_to[planned[before][1].group.check] += 1
                    part.count -= 1
                    continue
                kept.write(line)
                if number in first:
                    changed.add(number, key)
            part.spool = kept


def parents(draft: Draft, table: Table) -> FromClause:
    """Return the rows of `table` in which the check of the draft looks up its references."""
    premises = draft.check.rests_on(draft.look.row, "")
    return next((one.row.relation for one in premises if one.absent and one.row.table.name == table.name), table.sql)


def new_spool(files: contextlib.ExitStack) -> IO[str]:
    """Open a temporary file for operations, one a line. `files` closes it."""
    return files.enter_context(tempfile.TemporaryFile("w+", encoding="ascii"))
