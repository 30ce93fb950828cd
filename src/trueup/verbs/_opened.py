"""Opens the stores and finds the checks of a configuration that a verb works on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from trueup import discovery
from trueup.check import Check
from trueup.config.config import Config, chosen
from trueup.errors import UsageError
from trueup.stores.sql import SqlStore


@contextmanager
def opened(config: Config, name: str = "") -> Iterator[SqlStore]:
    """Open a store of the configuration: the named one, or the only one."""
    if not name:
        if len(config.stores) != 1:
            raise UsageError(f"there are {len(config.stores)} stores ({', '.join(config.stores)}); name one")
        name = next(iter(config.stores))
    if name not in config.stores:
        raise UsageError(f"there is no store {name!r}; there is {', '.join(config.stores)}")
    store = store_of(name, str(config.stores[name]))
    try:
        yield store
    finally:
        store.close()


def store_of(name: str, url: str) -> SqlStore:
    """Return the store for a URL: the one named like its scheme, else a database that SQLAlchemy knows."""
    scheme = url.partition("://")[0]
    kind = scheme if scheme in discovery.names("stores") else "sql"
    return discovery.load("stores", kind, SqlStore)(name, url)


def one_check(config: Config, title: str) -> Check:
    """Return the check with that name. Raises `UsageError` that names the nearest."""
    return chosen(config, [title])[0]


def by_store(config: Config, checks: Sequence[Check]) -> dict[str, list[Check]]:
    """Group checks by the store they belong to."""
    found: dict[str, list[Check]] = {}
    for check in checks:
        found.setdefault(check.store or next(iter(config.stores)), []).append(check)
    return found
