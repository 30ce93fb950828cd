"""Limits for idle sessions: what a database prescribes holds before a session of ours can say otherwise."""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import closing, suppress

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from tests.dialects.test_postgresql import script
from tests.engines import Database
from trueup.stores.sql import SqlStore

pytestmark = pytest.mark.parametrize("engine", ["postgresql", "postgresql18"], indirect=True)


class Slow:
    """A line to a server on which the first session's first answer comes so late that its limit has passed."""

    def __init__(self, port: int) -> None:
        self._target, self.sessions = port, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.sessions += 1
                threading.Thread(target=self._serve, args=[client, self.sessions == 1], daemon=True).start()

    def _serve(self, client: socket.socket, slow: bool) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as server:
            while True:
                for end in select.select([client, server], [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    if slow and end is client and b"SET LOCAL" in data:
                        time.sleep(0.5)
                    (server if end is client else client).sendall(data)


def test_a_session_that_the_servers_limit_ends_at_once_is_opened_again(database: Database) -> None:
    """BEGIN goes before what lifts the limits: on a busy machine they may pass in between."""
    url = make_url(database.url)
    script(
        database,
        f"ALTER DATABASE {url.database} SET idle_in_transaction_session_timeout = '100ms'",
        f"ALTER DATABASE {url.database} SET idle_session_timeout = '100ms'",
    )
    line = Slow(int(url.port or 0))
    slow = url.set(port=line.port).render_as_string(hide_password=False)
    with closing(line), closing(SqlStore("app", slow)) as store, store.connect() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar() == 1
        connection.rollback()
        time.sleep(0.5)
        assert connection.execute(sa.text("SELECT 1")).scalar() == 1
    assert line.sessions >= 2
