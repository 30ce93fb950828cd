"""A run waits while its server cannot say how it is."""

import threading
from collections.abc import Callable

import pytest

from tests.servers import Server
from trueup.journal.journal import Journal
from trueup.results import Silent
from trueup.stores.sql import SqlStore
from trueup.write.pace import Throttle


class Waits(Silent):
    """What a run said while it waited; the first word of it brings the server back."""

    def __init__(self, server: Server) -> None:
        self.reasons: list[str] = []
        self._starting = threading.Thread(target=server.start)

    def waiting(self, reason: str) -> None:
        if not self.reasons:
            self._starting.start()
        self.reasons.append(reason)

    def join(self) -> None:
        self._starting.join()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_run_waits_for_a_server_that_comes_back(engine: str, own_server: Callable[..., Server]) -> None:
    server = own_server(engine, durable=True)
    server.create_database("app")
    store = SqlStore("app", server.url("app"))
    journal = Journal(store)
    with store.connect(write=True) as connection:
        journal.prepare(connection)
        run = journal.start(connection, {"plan_digest": "0" * 64, "planned": 0, "environment": "test", "header": "{}"})
    server.kill()
    waits = Waits(server)

    Throttle(store, journal, run, "", waits).wait()

    waits.join()
    store.close()
    assert waits.reasons[0].startswith("the server's load cannot be read: store 'app' (postgresql://127.0.0.1")
    assert waits.reasons[-1] == ""
