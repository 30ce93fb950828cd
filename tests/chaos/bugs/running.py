"""Bugs of a run: who owns it, what is retried, how far it is, when it may go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from tests.chaos.bugs.planting import Bug, replace_in, swap
from trueup.journal import journal
from trueup.journal.journal import Journal
from trueup.plan.file import Op, PlanFile
from trueup.write import pace
from trueup.write.runner import Runner

INNODB = ("mysql", "mariadb")
SERVERS = ("postgresql", *INNODB)


class Anything:
    """Equal to everything."""

    def __eq__(self, _: object) -> bool:
        return True

    def __ne__(self, _: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


def no_fence() -> None:
    """Nobody asks whose run it is."""

    def hold(self: Journal, connection: Connection, run_id: str, _: int) -> Mapping[str, Any]:
        return {**self._lock(connection, run_id), "state": Anything()}

    swap(Journal, "hold", hold)
    swap(Journal, "_allowed", lambda *_: None)


def commits_half() -> None:
    """After a lock timeout InnoDB has rolled back one statement only, and the rest is committed."""
    plain = Runner._transaction

    def transaction(self: Runner, *rest: Any) -> dict[int, str]:
        connection = self.session.connection
        rollback = connection.rollback
        try:
            vars(connection)["rollback"] = connection.commit
            return plain(self, *rest)
        except DBAPIError as error:
            if not self.store.dialect.retryable(error):
                rollback()
            raise
        finally:
            vars(connection).pop("rollback", None)

    swap(Runner, "_transaction", transaction)


def resend() -> None:
    """After a COMMIT without an answer everything is sent again; the journal is not asked."""
    swap(Runner, "_still_open", lambda self, ops, _: self.session.run_owned(lambda: list(ops)))


def cursor_by_index() -> None:
    """Progress is a number of chunks times their size, not a set of operations."""

    def open_ops(self: Runner, plan: PlanFile) -> Iterator[Op]:
        chunk, connection = self.journal.chunk, self.session.connection
        done = connection.execute(select(func.count()).where(chunk.c.run_id == self.run_id)).scalar_one()
        connection.rollback()
        for place, op in enumerate(plan.ops()):
            if place >= done * pace.LARGEST:
                yield op

    swap(Runner, "_open_ops", open_ops)


def resume_after_failure() -> None:
    """A run whose verification failed is carried on."""
    replace_in(journal, "TRANSITIONS", {**journal.TRANSITIONS, "failed": journal.TRANSITIONS["stopped"]})


def no_schema_check() -> None:
    """Nobody looks whether the table is still the one of the plan."""

    def same(_: Runner, *__: Sequence[Any]) -> None:
        return

    swap(Runner, "_same_schema", same)


BUGS = {
    "no_fence": Bug(no_fence, "operators"),
    "commits_half": Bug(commits_half, "locked", INNODB, rounds=4),
    "resend": Bug(resend, "cuts", SERVERS),
    "cursor_by_index": Bug(cursor_by_index, "kills", verb="apply", killed=True),
    "resume_after_failure": Bug(resume_after_failure, "sticky", rounds=1),
    "no_schema_check": Bug(no_schema_check, "schema", rounds=1),
}
