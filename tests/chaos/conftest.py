"""One durable server an engine for all scenarios of a process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.binaries import Unavailable
from tests.chaos.__main__ import arena
from tests.chaos.arena import Arena


@pytest.fixture(scope="session")
def arenas() -> Iterator[Callable[[str], Arena]]:
    """The arena of an engine, made when it is first asked for."""
    known: dict[str, Arena] = {}
    with ExitStack() as stack:

        def get(engine: str) -> Arena:
            if engine not in known:
                try:
                    known[engine] = stack.enter_context(arena(engine))
                except Unavailable as error:
                    pytest.skip(f"{engine}: {error}")
            return known[engine]

        yield get
