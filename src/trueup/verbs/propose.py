"""Proposes checks where there is no configuration yet."""

from __future__ import annotations

from dataclasses import replace

from trueup import discovery
from trueup.check import Check
from trueup.config.config import Config
from trueup.stores.sql import SqlDatabase
from trueup.verbs._opened import opened


def propose(config: Config) -> list[Check]:
    """Propose checks from the catalogue and the data of every store."""
    found: list[Check] = []
    for name in config.stores:
        with opened(config, name) as store, store.connect() as connection:
            database = SqlDatabase(store, connection)
            for kind in discovery.names("checks"):
                found += [
                    replace(check, store=name if len(config.stores) > 1 else check.store)
                    for check in discovery.load("checks", kind, Check).propose(database)
                ]
    return found
