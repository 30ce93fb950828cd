"""The connection that a run writes through, and the fence that proves the run belongs to this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from trueup.errors import StoreError
from trueup.journal.journal import Journal
from trueup.results import Progress
from trueup.stores.sql import SqlDatabase, close_quietly
from trueup.write.pace import TRIES, backoff

T = TypeVar("T")


class Session:
    """Owns the connection and the run. After each takeover `bind` recreates what depends on the connection."""

    def __init__(self, journal: Journal, run_id: str, bind: Callable[[SqlDatabase], None], progress: Progress) -> None:
        self.journal, self.run_id = journal, run_id
        self.store = journal.store
        self.connection: Connection = self.store.open(write=True)
        self.fence = 0
        self.state = ""
        self._bind, self._progress = bind, progress
        self._owned = False  # by this connection: a new one has to take ownership first
        self._enforced = True

    def close(self) -> None:
        """Close the connection."""
        close_quietly(self.connection)

    def take(self, state: str) -> None:
        """Take ownership of the run and set its state.

        Raises `Fenced` if another process took the run over since this one did.
        """
        self.state, self._owned = state, False
        self.run_owned(lambda: None)

    def run_owned(self, question: Callable[[], T]) -> T:
        """Run `question`; if the connection was lost, reconnect and take the run over again; up to `TRIES` times."""

        def owned() -> T:
            if not self._owned or self.connection.invalidated:
                self._take_over()
            return question()

        return self._patiently(owned)

    def settle(self, state: str, reason: str) -> None:
        """Record the final state of the run, on a new connection if the old one was lost.

        The fence proves the ownership.
        """

        def settled() -> None:
            self._reconnect_if_lost()
            self.journal.settle(self.connection, self.run_id, self.fence, state, reason)

        self._patiently(settled)

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do `work`, and repeat it after a lost connection or a lock timeout. Neither is a reason to end a run.

        After Ctrl-C the server may still execute a statement and hold the lock on the run.
        """
        for number in range(1, TRIES + 1):
            try:
                return work()
            except DBAPIError as error:
                if number == TRIES or not (self.lost(error) or self.store.dialect.retryable(error)):
                    raise
                if not self.connection.invalidated:
                    self.connection.rollback()
                time.sleep(backoff(number))
        raise AssertionError("the last try returns or raises")

    def lost(self, error: DBAPIError) -> bool:
        """Whether the connection is gone. If so, invalidate it: only the journal knows what was committed."""
        if not (self.connection.invalidated or self.store.dialect.disconnected(error)):
            return False
        self.connection.invalidate()
        self._owned = False
        return True

    def enforce_references(self, yes: bool) -> None:
        """Switch the enforcement of declared foreign keys on or off for what this connection writes from now on."""
        if yes != self._enforced:
            self.store.dialect.enforce_references(self.connection, yes)
            self._enforced = yes

    def _take_over(self) -> None:
        self._reconnect_if_lost()
        self.fence = self.journal.take(self.connection, self.run_id, self.state, since=self.fence)
        self._bind(SqlDatabase(self.store, self.connection))
        self.connection.rollback()
        self._owned = True

    def _reconnect_if_lost(self) -> None:
        if self.connection.invalidated or self.connection.closed:
            close_quietly(self.connection)
            self.connection = self._reconnect()
            self._enforced = True

    def _reconnect(self) -> Connection:
        for attempt in range(1, TRIES + 1):
            try:
                return self.store.open(write=True)
            except StoreError as error:
                self._progress.waiting(str(error))
                time.sleep(backoff(attempt + 4))
        return self.store.open(write=True)
