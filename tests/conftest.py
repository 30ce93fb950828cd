"""Fixtures that give every test real databases of its own, and the closing lines that say which engines ran."""

import gc
import os
import uuid
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.binaries import Unavailable
from tests.engines import ENGINES, KINDS, Database, EnginePool, chosen_engines
from tests.servers import SERVERS, VARIANTS, Pgbouncer, PostgreSQL, Server
from tests.surroundings import quicken
from trueup.redaction import forget
from trueup.write.pace import Pace

if TYPE_CHECKING:
    from playwright.sync_api import Browser

POOL = pytest.StashKey[EnginePool]()

# a database is shared by all examples of a test, on purpose: making one for each would take the time of hundreds
_FIXTURES = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.differing_executors]
settings.register_profile("ci", derandomize=True, max_examples=15, deadline=None, suppress_health_check=_FIXTURES)
settings.register_profile("dev", max_examples=15, deadline=None, suppress_health_check=_FIXTURES)
settings.register_profile("long", max_examples=2000, deadline=None, suppress_health_check=_FIXTURES)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engines", metavar="NAMES", help=f"only these engines, by comma: {','.join(ENGINES)}")
    parser.addoption("--every-engine", action="store_true", help="all engines also where others say the same")


def pytest_configure(config: pytest.Config) -> None:
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is None:
        config.add_cleanup(quicken())
    if not config.getoption("--hypothesis-profile", None):
        settings.load_profile("ci" if _required() or os.environ.get("CI") else "dev")
    try:
        chosen = chosen_engines(config.getoption("--engines"))
    except ValueError as error:
        raise pytest.UsageError(f"--engines: {error}") from None
    pool = EnginePool(chosen, Path(worker["trueup_folder"]) if worker else None)
    config.stash[POOL] = pool
    if pool.leads:
        config.pluginmanager.register(ClosingLines(pool), "trueup-closing-lines")
    if _required() and pool.leads and not config.option.collectonly:
        pool.start(KINDS)
        missing = [state for state in map(pool.state, KINDS) if state.reason]
        if missing:
            pool.stop()
            named = "; ".join(f"{state.engine} ({state.reason})" for state in missing)
            raise pytest.UsageError(f"TRUEUP_REQUIRE_ENGINES is set, and there is no {named}")


def pytest_unconfigure(config: pytest.Config) -> None:
    if POOL in config.stash:
        config.stash[POOL].stop()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    alike: dict[str, dict[str, pytest.Item]] = defaultdict(dict)
    for item in items:
        if (kind := _kind(item)) in config.stash[POOL].chosen:
            test, _, given = item.nodeid.partition("[")  # a file may be called by its engine
            alike[f"{test}[{given.replace(kind, '')}"][kind] = item
    if not config.getoption("--every-engine"):
        _thin_out(config, items, alike)
    _mark_slow(alike)  # before -m looks
    yield
    # what may take long comes first, so that no process is left alone with it at the end
    items.sort(key=lambda item: -max((mark.args[0] for mark in item.iter_markers("timeout")), default=0))


def _thin_out(config: pytest.Config, items: list[pytest.Item], alike: dict[str, dict[str, pytest.Item]]) -> None:
    """Leave out what says the same again: see CONTRIBUTING.md."""
    left: set[pytest.Item] = set()
    for name, asked in alike.items():
        one = next(iter(asked.values()))
        if asked.keys() >= set(ENGINES) and not one.get_closest_marker("each_engine"):
            servers = ENGINES[1:] if one.get_closest_marker("any_server") else ("mysql", "mariadb")
            left |= {asked.pop(kind) for kind in servers if kind != servers[_turn(name, len(servers))]}
        elif asked.keys() == {"postgresql", "postgresql18"} and one.get_closest_marker("any_server"):
            left.add(asked.pop(("postgresql", "postgresql18")[_turn(name, 2)]))
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=list(left))


def _mark_slow(alike: dict[str, dict[str, pytest.Item]]) -> None:
    """Mark what `make test` leaves out: see CONTRIBUTING.md."""
    for name, asked in alike.items():
        servers = sorted(kind for kind in asked if kind != "sqlite")
        turn = _turn(name, len(servers) * (6 if "sqlite" in asked else 1))
        for kind, item in asked.items():
            quick = item.get_closest_marker("quick_on")
            if kind not in (quick.args if quick else ("sqlite", *servers[turn : turn + 1])):
                item.add_marker(pytest.mark.slow)


def _turn(name: str, count: int) -> int:
    """Whose turn it is: the same on every machine and in every run."""
    return zlib.crc32(name.encode()) % max(count, 1)


def _kind(item: pytest.Item) -> str:
    """The engine of a test, or an empty string."""
    given = item.callspec.params if hasattr(item, "callspec") else {}
    return str(given.get("engine", given.get("server", "")))


@pytest.fixture(autouse=True)
def _no_secret_of_another_test() -> None:
    # a process remembers the secrets of its URLs; `secret` in one test is an innocent word in the next
    forget()


@pytest.fixture(autouse=True)
def _no_rests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    # they give an application room, and there is none here
    if not request.node.get_closest_marker("rests"):
        monkeypatch.setattr(Pace, "rest", lambda self: None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: object) -> None:
    # the leader does not collect, so it cannot know which engines are wanted
    config.stash[POOL].start(KINDS)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["trueup_folder"] = str(node.config.stash[POOL].folder)


def pytest_collection_finish(session: pytest.Session) -> None:
    if not session.config.option.collectonly:
        parameters = [item.callspec.params for item in session.items if hasattr(item, "callspec")]
        wanted = {given.get(name) for given in parameters for name in ("engine", "server")}
        session.config.stash[POOL].start(engine for engine in KINDS if engine in wanted)
        # a fifth of the time of a test went into looking for cycles, among the tests themselves too
        gc.freeze()
        gc.set_threshold(50_000, 50, 50)


class ClosingLines:
    """Says at the end of a run which engines its tests really used, and which they did not."""

    def __init__(self, pool: EnginePool) -> None:
        self._pool = pool
        self._used: set[str] = set()
        self._said: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and not report.skipped:
            self._used |= {str(value) for name, value in report.user_properties if name == "engine"}
            self._said += [str(value) for name, value in report.user_properties if name == "closing line"]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._said:
            terminalreporter.write_line(line)
        kinds = [kind for kind in KINDS if kind in ENGINES or kind in self._pool.chosen]
        states = {engine: self._pool.known(engine) for engine in kinds}
        used = [f"{engine} {state.version}" for engine, state in states.items() if state and engine in self._used]
        if used:
            terminalreporter.write_line(f"engines tested: {', '.join(used)}")
        for engine, state in states.items():
            if state and state.reason:
                terminalreporter.write_line(f"not tested: {engine} ({state.reason})")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The name of an engine that is there; `parametrize("engine", ["sqlite"], indirect=True)` narrows a test to it.

    Another version of an engine ("postgresql18") goes by the engine's name.
    """
    kind = _available(request, request.param)
    return VARIANTS[kind].engine if kind in VARIANTS else kind


@pytest.fixture
def database(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A fresh, empty database on each engine, gone afterwards with the connections left open to it."""
    if engine == "sqlite":
        file = tmp_path / "app.db"
        file.touch()
        yield Database(engine, f"sqlite:///{file}")
        return
    shared = request.config.stash[POOL].server(request.node.callspec.params["engine"])
    name = f"t_{uuid.uuid4().hex[:16]}"
    shared.create_database(name)
    yield Database(engine, shared.url(name))
    shared.drop_database(name)


@pytest.fixture
def pooler(database: Database, request: pytest.FixtureRequest) -> Iterator[Database]:
    """`database` of a PostgreSQL once more, through a pgbouncer in transaction mode."""
    behind = request.config.stash[POOL].server(request.node.callspec.params["engine"])
    assert isinstance(behind, PostgreSQL)
    try:
        started = Pgbouncer(behind).start()
    except Unavailable as error:
        if _required():
            raise
        pytest.skip(f"pgbouncer: {error}")
    yield Database(database.engine, started.url(database.url.rpartition("/")[2]))
    started.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A real browser; a test without Chromium is skipped."""
    from tests.browser import chromium  # most tests need none, and it takes long to import

    yield from chromium()


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    """The shared server of each engine that has one. Other tests run on it: not to be killed or reconfigured."""
    return request.config.stash[POOL].server(_available(request, request.param))


@pytest.fixture
def own_server(request: pytest.FixtureRequest) -> Iterator[Callable[..., Server]]:
    """`own_server("mysql", durable=True, options=[...])` starts a server for this test alone, to kill and restart."""
    started: list[Server] = []

    def start(name: str, **settings: Any) -> Server:
        _available(request, name)
        started.append((SERVERS | VARIANTS)[name](**settings))
        return started[-1].start()

    yield start
    for each in started:
        each.stop()


def _available(request: pytest.FixtureRequest, engine: str) -> str:
    state = request.config.stash[POOL].state(engine)
    if state.reason:
        pytest.skip(f"{engine}: {state.reason}")
    request.node.user_properties.append(("engine", engine))
    return engine


def _required() -> bool:
    return os.environ.get("TRUEUP_REQUIRE_ENGINES", "") not in ("", "0")
