"""Returns the SQL of the checks."""

from __future__ import annotations

from collections.abc import Sequence

from trueup import discovery
from trueup.config.config import Config, chosen
from trueup.results import Statement
from trueup.scan.console import console
from trueup.sql.dialect import Dialect
from trueup.stores.sql import SqlDatabase
from trueup.verbs._opened import by_store, opened


def statements(config: Config, *, only: Sequence[str] = (), dialect: str = "") -> list[Statement]:
    """Return the SQL of the checks for a console; `dialect` selects another engine than the store's."""
    found: list[Statement] = []
    for name, mine in by_store(config, chosen(config, only)).items():
        with opened(config, name) as store, store.connect() as connection:
            database = SqlDatabase(store, connection)
            if dialect:
                database.speak(discovery.load("engines", dialect, Dialect, "dialect")())
            for check in mine:
                found += console(database, check)
    return found
