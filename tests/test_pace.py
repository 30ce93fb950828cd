"""A run leaves the application room, and waits while its server cannot say how it is."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines import Database
from tests.proof import config_of, run_script
from tests.servers import Server
from trueup.checks.orphan import Orphan
from trueup.engines.sqlite.dialect import Sqlite
from trueup.journal.journal import Journal
from trueup.results import Silent
from trueup.run import apply, make_plan
from trueup.stores.sql import SqlStore
from trueup.write.pace import Pace, Throttle


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


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each rest; nobody waits for them."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


@pytest.mark.rests
def test_the_next_chunk_waits_for_as_long_as_the_application_was_kept_waiting(rests: list[float]) -> None:
    pace = Pace(0.1, nice=3.0)

    pace.rest()
    assert rests == []

    pace.rest_after(20.0)
    pace.rest()
    assert rests == [pytest.approx(60.0, abs=1.0)]


@pytest.mark.rests
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_run_rests_between_its_chunks_and_not_after_the_last(
    database: Database, tmp_path: Path, rests: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sqlite, "nice", 1e6)  # however slow the machine, something is left of each rest
    run_script(
        database,
        [
            "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
            "CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER)",
            "INSERT INTO parent VALUES (100)",
            "INSERT INTO child VALUES " + ", ".join(f"({key}, {key if key < 12 else 100})" for key in range(500)),
        ],
    )
    config = config_of(database, Orphan(table="child", column="parent_id", references="parent.id"))
    plan = str(tmp_path / "plan.jsonl")
    make_plan(config, plan, repairs={"orphan-child-parent_id": "nullify"})
    assert rests == []

    done = apply(config, plan, confirm="yes", because="orphans", root_cause="planted")
    assert done.states == {"applied": 12}
    assert len(rests) == 2, "after chunks of 1 and 10 rows, and not after the one that is left"
