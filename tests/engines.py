"""The servers of one test run: started once, in the background, and shared by all its processes.

The process that leads the run starts them; the workers of pytest-xdist learn through files in the run's folder.
"""

import json
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.binaries import Unavailable
from tests.servers import SERVERS, VARIANTS, Server

ENGINES = ("sqlite", "postgresql", "mysql", "mariadb")
#: All that tests may ask for: the engines, and other versions of them.
KINDS = (*ENGINES, *VARIANTS)
WAIT_SECONDS = 1000  # the first run on a machine may have to fetch MySQL


@dataclass(frozen=True, slots=True)
class Database:
    """A fresh, empty database of one test: `url` is what a user would write, `path` the file of SQLite."""

    engine: str
    url: str

    @property
    def path(self) -> str:
        """SQLite's file. Raises ValueError for the other engines."""
        if self.engine != "sqlite":
            raise ValueError(f"{self.engine} has no file")
        return self.url.removeprefix("sqlite:///")


@dataclass(frozen=True, slots=True)
class EngineState:
    """How starting an engine went: its port and version, or why there is none."""

    engine: str
    port: int = 0
    version: str = ""
    reason: str = ""


class EnginePool:
    """The engines of a run, seen from its leader or (with the leader's folder) from a worker."""

    def __init__(self, chosen: Iterable[str], folder: Path | None = None) -> None:
        """`chosen`: the engines that `--engines` left in; `folder`: the leader's, when this is a worker."""
        engines = tuple(chosen)
        self.chosen = (*engines, *(name for name, server in VARIANTS.items() if server.engine in engines))
        self.leads = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="trueup-run-"))
        self._threads: dict[str, threading.Thread] = {}
        self._servers: list[Server] = []

    def start(self, engines: Iterable[str]) -> None:
        """Begin to start these engines, side by side, and return at once; a second call for one does nothing."""
        for engine in engines:
            if self.leads and engine in self.chosen and engine not in self._threads:
                self._threads[engine] = threading.Thread(target=self._run, args=[engine], name=f"start {engine}")
                self._threads[engine].start()

    def state(self, engine: str) -> EngineState:
        """How starting this engine went, as soon as it is known."""
        self.start([engine])
        deadline = time.monotonic() + WAIT_SECONDS
        while (known := self.known(engine)) is None:
            if time.monotonic() > deadline or not self.folder.exists():
                return EngineState(engine, reason="the leading process of the test run never said how its start went")
            time.sleep(0.02)
        return known

    def known(self, engine: str) -> EngineState | None:
        """How starting this engine went; None while it is not known, or nobody asked for it."""
        if engine not in self.chosen:
            return EngineState(engine, reason="left out of this run")
        file = self.folder / engine
        return EngineState(**json.loads(file.read_text())) if file.exists() else None

    def server(self, engine: str) -> Server:
        """The shared server of an engine. Raises Unavailable."""
        state = self.state(engine)
        if state.reason:
            raise Unavailable(state.reason)
        return (SERVERS | VARIANTS)[engine].attach(state.port)

    def stop(self) -> None:
        """End what this process started."""
        for thread in self._threads.values():
            thread.join()
        for server in self._servers:
            server.stop()
        if self.leads:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, engine: str) -> None:
        try:
            state = EngineState(engine, version=sqlite3.sqlite_version) if engine == "sqlite" else self._serve(engine)
        except Exception as error:  # noqa: BLE001  # whatever it was, the tests that wait must hear of it
            state = EngineState(engine, reason=str(error) or type(error).__name__)
        # written aside and renamed: a worker must not read half a file
        aside = self.folder / f"{engine}.new"
        aside.write_text(json.dumps(asdict(state)))
        aside.replace(self.folder / engine)

    def _serve(self, engine: str) -> EngineState:
        server = (SERVERS | VARIANTS)[engine]().start()
        self._servers.append(server)
        return EngineState(engine, server.port, server.version())


def chosen_engines(option: str | None) -> tuple[str, ...]:
    """The engines of `--engines` or TRUEUP_TEST_ENGINES, all of them unless told. Raises ValueError for others."""
    words = (option or os.environ.get("TRUEUP_TEST_ENGINES") or ",".join(ENGINES)).split(",")
    wanted = [word.strip() for word in words if word.strip()]
    for word in wanted:
        if word not in ENGINES:
            raise ValueError(f"there is no engine {word!r}; there are {', '.join(ENGINES)}")
    return tuple(engine for engine in ENGINES if engine in wanted)
