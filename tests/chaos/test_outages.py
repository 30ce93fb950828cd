"""The database server is killed in the middle of a run, and started again: commits whose outcome nobody was told."""

import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos.arena import Arena
from tests.chaos.rounds import Outage, Score
from tests.servers import Server

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]


@pytest.mark.parametrize("engine", ["postgresql", "mysql", "mariadb"], indirect=True)
def test_a_killed_server_costs_no_row_and_no_operation(
    engine: str, own_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = own_server(engine, durable=True)
    server.create_database("chaos")
    score = Score(engine)
    with closing(Arena(engine, server.url("chaos"), tmp_path)) as arena:
        Outage(arena, random.SystemRandom().randrange(10**6), score, server).play()
    assert score.violations == []
    assert score.kills == {"apply": 1, "undo": 1}
    assert score.crashes == []
