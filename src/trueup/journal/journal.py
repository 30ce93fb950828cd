"""The journal records what was done to a database, in that database, so that it commits together with the change.

`run` has one row for each plan, `op` one for each operation, `chunk` is a hash chain over what each transaction
recorded, and `img_<k>` holds typed copies of keys and touched columns, before and after. All changes of a run's state
follow `TRANSITIONS`; every transaction of a run begins with `hold`, which proves that this process still owns the run.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    Text,
    func,
    insert,
    select,
    update,
)

from trueup.codec import GENESIS, canonical, link
from trueup.errors import Fenced, Refused, StoreError, UsageError
from trueup.journal.chain import ChainCheck, next_link, spans
from trueup.journal.failpoints import failpoint
from trueup.journal.tables import FORMAT, JournalTables
from trueup.version import VERSION

#: Facts of a run that never change.
BOUND = ("run_id", "plan_digest", "planned", "environment", "tool", "format", "header")

#: For each state of a run, the states that may follow and why.
TRANSITIONS: Mapping[str, frozenset[str]] = {
    "applying": frozenset(
        {
            "applying",  # taken over, or resumed after a crash
            "applied",  # every operation has its one final state
            "stopped",  # Ctrl-C, the breaker, or rows that stayed locked
            "failed",  # a verification failed: sticky, only undo leads out
            "undoing",
        }
    ),
    "stopped": frozenset({"applying", "undoing", "failed"}),
    "applied": frozenset({"undoing", "failed"}),
    "undoing": frozenset({"undoing", "undone"}),
    "failed": frozenset({"undoing"}),
    "undone": frozenset({"undoing"}),  # rows that were locked, or conflicts that a person has cleared since
}
STATES = tuple(TRANSITIONS)

#: States of operations that an undo starts from: a conflict may have been cleared since.
UNDOABLE = ("applied", "undo_conflict")
#: States of operations that a person has to look at.
LEFT_ALONE = ("conflict", "missing", "premise_gone", "blocked", "undo_conflict")


class Journal(JournalTables):
    """Runs, their operations and their chains."""

    def db_uuid(self, connection: Connection) -> str:
        """Return the random name that this database was given with its journal."""
        return str(connection.execute(select(self.meta.c.db_uuid)).scalar_one())

    def find(self, connection: Connection, run_id: str) -> Mapping[str, Any]:
        """Return the run with this id, unique prefix of an id, or `last`. Raises `UsageError` that lists the runs."""
        if connection.in_transaction():
            return self._find(connection, run_id)
        return self.patiently(connection, lambda: self._find(connection, run_id))

    def _find(self, connection: Connection, run_id: str) -> Mapping[str, Any]:
        if not self.exists(connection):
            raise UsageError(f"{self.store} has no runs: there {self.looked}, and no journal is looked for elsewhere")
        rows = connection.execute(select(self.run.c.run_id).order_by(self.run.c.no.desc())).scalars().all()
        hits = rows[:1] if run_id == "last" else [one for one in rows if one.startswith(run_id)]
        if len(hits) != 1 or not run_id:
            known = ", ".join(rows[:5]) or "none"
            raise UsageError(f"{len(hits) or 'no'} runs match {run_id!r}; the newest are {known}")
        return dict(connection.execute(select(self.run).where(self.run.c.run_id == hits[0])).mappings().one())

    def all_runs(self, connection: Connection) -> list[Mapping[str, Any]]:
        """Return every run, the newest first."""
        newest = self.run.c.no.desc()
        return [dict(row) for row in connection.execute(select(self.run).order_by(newest)).mappings()]

    def take(self, connection: Connection, run_id: str, state: str, since: int = 0) -> int:
        """Become the only owner of a run and set its state. Returns the fence that every later transaction must show.

        `since` is the fence that this process held before it lost its session. Raises `Fenced` if another process has
        taken the run over meanwhile.
        """
        row = self._lock(connection, run_id)
        if since and row["fence"] != since and row["owner"] != owner():
            raise taken_over(row)
        self._allowed(row, state)
        fence = int(row["fence"]) + 1
        connection.execute(
            update(self.run)
            .where(self.run.c.run_id == run_id)
            .values(fence=fence, state=state, owner=owner(), reason="", paused=0)
        )
        failpoint("taking")
        connection.commit()
        failpoint("taken")
        return fence

    def start(self, connection: Connection, values: Mapping[str, Any]) -> str:
        """Insert a plan as a new run, or return the run of that plan: a plan is used once per database."""
        self._fits(connection, values)
        # one session at a time, so that two plans never get one number
        return self.alone(connection, "the list of runs", lambda: self._enter(connection, values))

    def _enter(self, connection: Connection, values: Mapping[str, Any]) -> str:
        where = self.run.c.plan_digest == values["plan_digest"]
        found = connection.execute(select(self.run.c.run_id).where(where)).scalar()
        if found is None:
            found = secrets.token_hex(6)
            now = connection.execute(select(self.store.dialect.now())).scalar_one()
            number = (connection.execute(select(func.max(self.run.c.no))).scalar() or 0) + 1
            row = {
                "run_id": found,
                "no": number,
                "fence": 0,
                "state": "applying",
                "tool": VERSION,
                "format": FORMAT,
                "started": now,
                "ended": 0,
                "verified": "",
                "paused": 0,
                "reason": "",
                "chunks": 0,
                "owner": "",
                **values,
            }
            row["tip"] = self.genesis(connection, row)
            connection.execute(insert(self.run).values(**row))
            failpoint("entering")
        connection.commit()
        failpoint("entered")
        return str(found)

    def _fits(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Raise `StoreError` if the server does not accept a statement as large as the insert of the run."""
        limit = self.store.dialect.largest(connection)
        # drivers double quotes and backslashes
        size = 4096 + sum(len(text.encode()) + sum(map(text.count, "\"\\'\n")) for text in map(str, values.values()))
        if limit is not None and size > limit:
            raise StoreError(
                f"{self.store}: what the journal keeps of this plan takes {size:,} bytes, and the server's "
                f"max_allowed_packet is {limit:,}; raise it, or plan fewer tables at once"
            )

    def hold(self, connection: Connection, run_id: str, fence: int) -> Mapping[str, Any]:
        """Lock the run's row for this transaction and prove that this process owns it. Raises `Fenced` otherwise."""
        row = self._lock(connection, run_id)
        if row["fence"] != fence:
            raise taken_over(row)
        return row

    def _lock(self, connection: Connection, run_id: str) -> Mapping[str, Any]:
        self.writable(connection)
        few = [column for column in self.run.c if not isinstance(column.type, Text) or column is self.run.c.reason]
        statement = select(*few).where(self.run.c.run_id == run_id).with_for_update()
        return dict(connection.execute(statement).mappings().one())

    def _allowed(self, row: Mapping[str, Any], state: str) -> None:
        if state not in TRANSITIONS[row["state"]]:
            raise Refused(
                f"run {row['run_id']} is {row['state']}; it cannot become {state}"
                + (f" ({row['reason']})" if row["reason"] else "")
            )

    def settle(self, connection: Connection, run_id: str, fence: int, state: str, reason: str = "") -> None:
        """Set the run's final state and commit. Calling it again with the same state is allowed."""
        row = self.hold(connection, run_id, fence)
        if row["state"] != state:
            self._allowed(row, state)
        now = connection.execute(select(self.store.dialect.now())).scalar_one()
        connection.execute(
            update(self.run).where(self.run.c.run_id == run_id).values(state=state, reason=reason, ended=now)
        )
        failpoint("settling")
        connection.commit()
        failpoint("settled")

    def mark(self, connection: Connection, run_id: str, **values: Any) -> None:
        """Set plain columns of a run (`paused`, `verified`) in a transaction of its own."""

        def work() -> None:
            self._lock(connection, run_id)
            connection.execute(update(self.run).where(self.run.c.run_id == run_id).values(**values))
            connection.commit()

        self.patiently(connection, work)

    def seal(self, connection: Connection, run: Mapping[str, Any], phase: str, ops: Mapping[int, str]) -> None:
        """Append one link to the run's chain: the states that this transaction gave to its operations."""
        states = spans(ops)
        number = run["chunks"] + 1
        tip = next_link(run["tip"], number, phase, states)
        connection.execute(
            insert(self.chunk).values(
                run_id=run["run_id"],
                no=number,
                phase=phase,
                first=min(ops),
                last=max(ops),
                states=json.dumps(states, separators=(",", ":")),
                ts=self.store.dialect.now(),
                link=tip,
            )
        )
        where = self.run.c.run_id == run["run_id"]
        connection.execute(update(self.run).where(where).values(tip=tip, chunks=number))

    def intervals(self, connection: Connection, run_id: str, *states: str) -> list[tuple[int, int, int]]:
        """Return the operations that have a final state, or one of `states`, as intervals.

        Each interval is closed: (first seq, last seq, group).
        """
        found: list[tuple[int, int, int]] = []
        statement = select(self.op.c.seq, self.op.c.grp).where(self.op.c.run_id == run_id).order_by(self.op.c.seq)
        if states:
            statement = statement.where(self.op.c.state.in_(states))
        result = connection.execute(statement, execution_options={"stream_results": True})
        for batch in result.partitions(10_000):
            for seq, group in batch:
                if found and found[-1][1] == seq - 1 and found[-1][2] == group:
                    found[-1] = (found[-1][0], seq, group)
                else:
                    found.append((seq, seq, group))
        connection.rollback()
        return found

    def counts(self, connection: Connection, run_id: str) -> dict[str, int]:
        """Return the number of operations by state."""
        statement = select(self.op.c.state, func.count()).where(self.op.c.run_id == run_id).group_by(self.op.c.state)
        return {row[0]: row[1] for row in connection.execute(statement)}

    def listed(self, connection: Connection, run_id: str, states: Sequence[str], limit: int) -> Sequence[Any]:
        """Return the operations in one of `states`, in order, at most `limit`."""
        statement: Select[Any] = (
            select(self.op)
            .where(self.op.c.run_id == run_id, self.op.c.state.in_(list(states)))
            .order_by(self.op.c.seq)
            .limit(limit)
        )
        return connection.execute(statement).all()

    def genesis(self, connection: Connection, run: Mapping[str, Any]) -> str:
        """Return the start of a run's chain: a hash of the run's constant facts and the database's name."""
        return link(GENESIS, canonical([self.db_uuid(connection), *(run[name] for name in BOUND)]))

    def broken_link(self, connection: Connection, run: Mapping[str, Any]) -> str:
        """Return where the chain of a run is broken, or ''."""
        if connection.execute(select(self.meta.c.format)).scalar() != FORMAT or run["state"] not in STATES:
            return "the journal has a format or a state that this version of trueup does not know"
        check = ChainCheck(self.genesis(connection, run), run["planned"], json.loads(run["header"])["by_group"])
        chunks = select(self.chunk).where(self.chunk.c.run_id == run["run_id"]).order_by(self.chunk.c.no)
        if why := check.follow(connection.execute(chunks)):
            return why
        if check.tip != run["tip"] or check.chunks != run["chunks"]:
            return "chunks at the end of the journal are missing"
        op = self.op.c
        result = connection.execute(
            select(op.seq, op.state, op.chunk, op.grp).where(op.run_id == run["run_id"]),
            execution_options={"stream_results": True},
        )
        for batch in result.partitions(10_000):
            for seq, state, chunk, group in batch:
                if not check.agrees(seq, state, chunk, group):
                    return f"operation {seq} of the journal is not as it was written"
        return "operations of the journal are missing" if check.unseen else ""


def taken_over(run: Mapping[str, Any]) -> Fenced:
    """Return the error for a process whose run another process has taken over."""
    return Fenced(f"run {run['run_id']}: {run['owner']} took it over; this process stops")


def owner() -> str:
    """Return a description of this process for messages to other operators."""
    return f"{os.environ.get('USER', 'someone')}@{socket.gethostname()} pid {os.getpid()}"
