"""Makes a plan: every broken row read again, the first repair that fits, both digests; the database is only read."""

from __future__ import annotations

import contextlib
import json
import secrets
import shlex
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import IO, Any

from sqlalchemy import FromClause, func, select
from sqlalchemy.exc import DataError, DBAPIError

from trueup.changes import Group, Left, Plan, PlanSummary
from trueup.check import Check
from trueup.config.config import Config, check_options
from trueup.config.strategy import letter
from trueup.errors import StoreError
from trueup.findings import Key
from trueup.journal.journal import Journal
from trueup.plan.changed_rows import Claims, same_place
from trueup.plan.drift import forbids, identity_digest, schema_digest
from trueup.plan.file import Writer
from trueup.plan.signing import key_to_sign, signature
from trueup.repairs import sql_false, unheld
from trueup.results import Progress
from trueup.scan.scanner import keys_of
from trueup.scan.second_look import BrokenRow, SecondLook
from trueup.sql.tables import Table
from trueup.stores.sql import SqlDatabase, SqlStore
from trueup.version import VERSION

HOURS = 24
#: Above this share of a table, the fault is taken to be in the check or in what it refers to.
ABSURD = 0.5
#: A table this small says nothing by its share.
FEW = 20


@dataclass
class Draft:
    """One check's part of a plan: its groups, and its operations waiting in a file each."""

    check: Check
    look: SecondLook
    rows: int = 0
    found: int = 0
    groups: list[Group] = field(default_factory=list)
    spools: list[IO[str]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    unfit: int = 0
    #: Changes left out, by the check that changes the same place of the row first.
    later: Counter[str] = field(default_factory=Counter)
    refused: str = ""
    #: By repair, why the table must not be written so; empty where it may be.
    forbidden: list[str] = field(default_factory=list)

    def used(self) -> list[tuple[Group, IO[str]]]:
        """The groups that something is planned in; none when the table or the check is refused."""
        parts = zip(self.groups, self.spools, self.counts, self.forbidden, strict=True)
        return [] if self.refused else [(group, spool) for group, spool, count, why in parts if count and not why]

    def unfitting(self) -> str:
        """Why a row is left for a person, and what else may be chosen for it."""
        tried = ", ".join(group.repair for group in self.groups)
        if not tried:
            return f"no repair is chosen{self.offer()}"
        # a row that others refer to is the only one that cannot be moved out
        kept = "; other rows refer to them" if any(group.action == "delete" for group in self.groups) else ""
        return f"no repair fits (tried: {tried}){kept}{self.offer()}"

    def offer(self) -> str:
        """The repairs that this plan did not try and that can fit, as an option to add; empty when there are none."""
        check, tried, row = self.check, {group.repair for group in self.groups}, self.look.row
        rest = [
            f"{one.name} ({one.effect})"
            for one in check.repairs()
            if one.name not in tried and not one.fits(row).compare(sql_false())
        ]
        return f"; there is also --repair {shlex.quote(check.title)}={' or '.join(rest)}" if rest else ""


class Planner:
    """Plans the repairs of checks of one store."""

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
                draft = Draft(check, SecondLook(looking, check, values=self.values))
                drafts.append(draft)
                try:
                    self.draft(database, draft, files)
                except DataError as error:  # a value that the check names, or one that it met
                    about = f"{check.title}, on {check.table}.{', '.join(check.columns)}"
                    raise StoreError(f"{self.store}: {about}: {self.store.dialect.describe(error)}") from None
            keep_apart(drafts, files)
            header = self.header(database, drafts)
            return header, self.write(header, drafts, path)

    # -- reading --------------------------------------------------------------------------------------------------
    def draft(self, database: SqlDatabase, draft: Draft, files: contextlib.ExitStack) -> None:
        """Read the broken rows of one check into its spools."""
        table = draft.look.row.table
        self.progress.task(f"planning {draft.check.title}", None)
        for repair in draft.look.repairs:
            columns = tuple(draft.look.touched(repair))
            draft.groups.append(
                Group(
                    draft.check.title, repair.name, self.store.name, table.name, repair.action, columns, repair.effect
                )
            )
            draft.spools.append(new_spool(files))
            draft.counts.append(0)
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
        """Broken rows of a table without a key."""
        broken = check.broken(database)
        return int(database.ask(select(func.count()).select_from(broken.source).where(broken.where))[0][0])

    def spool(self, draft: Draft, rows: Sequence[BrokenRow]) -> None:
        """Put rows aside by the repair that fits them."""
        draft.found += len(rows)
        for choice, spool in enumerate(draft.spools):
            if keys := [seen.key for seen in rows if seen.choice == choice]:
                for row in draft.look.images(keys, choice):
                    draft.counts[choice] += 1
                    previews = list(row.previews) if any(row.previews) else []
                    spool.write(json.dumps([row.key, row.before, row.after, previews]) + "\n")
        draft.unfit += sum(seen.choice < 0 for seen in rows)

    def obstacle(self, table: Table, draft: Draft) -> str:
        """Why nothing of this table can be repaired, or an empty string."""
        if not table.key:
            return f"{table.name} has no primary key and no unique key without NULL, so no row can be addressed"
        touched = {
            name for repair in draft.look.repairs if repair.action == "update" for name in draft.look.touched(repair)
        }
        if keys := touched & set(table.key):
            return f"{', '.join(sorted(keys))} is part of the key of {table.name}{draft.offer()}"
        generated = [name for name in touched if table.columns[name].generated]
        if generated:
            return f"{table.name}.{generated[0]} is generated by the database"
        repairs = draft.look.repairs
        draft.forbidden = [
            forbids(table, repair.action, draft.look.touched(repair))
            or unheld(draft.check, draft.look.row, repair.name)
            for repair in repairs
        ]
        if table.obstacles or not repairs or not all(draft.forbidden):
            return f"{table.name} cannot be repaired: {'; '.join(table.obstacles)}" if table.obstacles else ""
        return draft.forbidden[0] + draft.offer()

    def doubt(self, database: SqlDatabase, draft: Draft) -> str:
        """Why the check itself is in doubt: an absurd rate, or an empty table that it refers to."""
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

    # -- writing --------------------------------------------------------------------------------------------------
    def header(self, database: SqlDatabase, drafts: Sequence[Draft]) -> Plan:
        """The header: for which database, which tables, which checks."""
        dialect = self.store.dialect
        now = int(database.ask(select(dialect.now()))[0][0])
        used = [draft for draft in drafts if draft.used()]
        tables = {draft.look.row.table.name: draft.look.row.table for draft in used}
        return Plan(
            plan_id=secrets.token_hex(6),
            tool=VERSION,
            environment=self.config.environment,
            store=self.store.name,
            identity=identity(self.store, database),
            created=now,
            expires=now + HOURS * 3600,
            schema={name: schema_digest(table) for name, table in tables.items()},
            tables={name: identity_digest(table) for name, table in tables.items()},
            standing={name: dialect.standing(database.connection, table) for name, table in tables.items()},
            naming=dialect.naming(database.connection),
            checks={draft.check.title: {"kind": draft.check.kind, **check_options(draft.check)} for draft in used},
            groups=tuple(group for draft in used for group, _ in draft.used()),
            because=self.because,
            strategy=dict(self.config.strategy),
        )

    def write(self, header: Plan, drafts: Sequence[Draft], path: str) -> PlanSummary:
        """Join the spools into the file, group after group."""
        secret = key_to_sign(self.config)
        writer = Writer(path, header)
        try:
            left = []
            number = 0
            for draft in drafts:
                if draft.refused:
                    left.append(Left(draft.check.title, draft.found, draft.refused))
                    continue
                for _, spool in draft.used():
                    for key, before, after, previews in spooled(spool):
                        writer.add(number, key, before, after, previews)
                    number += 1
                for first, count in draft.later.items():
                    reason = f"{first} changes them first; plan again when this plan is applied"
                    left.append(Left(draft.check.title, count, reason))
                for count, why in zip(draft.counts, draft.forbidden, strict=True):
                    if why:
                        left.append(Left(draft.check.title, count, why))
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


def keep_apart(drafts: Sequence[Draft], files: contextlib.ExitStack) -> None:
    """Of two changes to one place of a row keep the first: the other was made for what is there now."""
    used = [
        (draft, choice, draft.groups[choice])
        for draft in drafts
        if not draft.refused
        for choice, count in enumerate(draft.counts)
        if count and not draft.forbidden[choice]
    ]
    rivals = {
        number: [other for other in range(number) if same_place(group, used[other][2])]
        for number, (_, _, group) in enumerate(used)
    }
    first = set(chain.from_iterable(rivals.values()))
    with Claims() as claims:
        for number, (draft, choice, _) in enumerate(used):
            if number not in first and not rivals[number]:
                continue
            kept = new_spool(files)
            draft.spools[choice].seek(0)
            for line in draft.spools[choice]:
                key = json.dumps(json.loads(line)[0])
                if (before := claims.first(rivals[number], key)) is not None:
                    draft.later[used[before][2].check] += 1
                    draft.counts[choice] -= 1
                    continue
                kept.write(line)
                if number in first:
                    claims.add(number, key)
            draft.spools[choice] = kept


def parents(draft: Draft, table: Table) -> FromClause:
    """The rows of `table` that the check of a draft looks references up in."""
    premises = draft.check.rests_on(draft.look.row, "")
    return next((one.row.relation for one in premises if one.absent and one.row.table.name == table.name), table.sql)


def new_spool(files: contextlib.ExitStack) -> IO[str]:
    """A file for operations, one a line, which `files` closes."""
    return files.enter_context(tempfile.TemporaryFile("w+", encoding="ascii"))


def spooled(spool: IO[str]) -> Iterator[tuple[Key, str, str, tuple[str, str]]]:
    """Operations put aside, in order."""
    spool.seek(0)
    for line in spool:
        key, before, after, previews = json.loads(line)
        yield tuple(key), before, after, (previews[0], previews[1]) if previews else ("", "")


def identity(store: SqlStore, database: SqlDatabase) -> Mapping[str, str]:
    """What a plan is bound to: the engine's identity, the place, and the journal's own name where there is one."""
    connection = database.connection
    dialect = store.dialect
    found: dict[str, Any] = {"engine": dialect.name, "place": dialect.place(connection), **dialect.identity(connection)}
    journal = Journal(store)
    with contextlib.suppress(DBAPIError, StoreError):
        # a role that may not read the journal, or does not trust it, still has the engine's identity
        if journal.exists(connection):
            found["db_uuid"] = journal.db_uuid(connection)
    connection.rollback()
    return found
