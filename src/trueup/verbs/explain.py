"""Finds where the broken rows of a check come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.exc import DBAPIError

from trueup.config.config import Config
from trueup.errors import StoreError
from trueup.explain.explainer import Explainer, Explanation
from trueup.journal.identity import database_digest_of
from trueup.plan.gate import attest
from trueup.results import Progress, Silent
from trueup.stores.sql import SqlDatabase
from trueup.verbs._opened import one_check, opened


def explain(
    config: Config, title: str, *, by: Sequence[str] = (), values: bool = False, progress: Progress | None = None
) -> Explanation:
    """Find where the broken rows of a check come from, without writing.

    `by` names more columns (or paths) to look at.
    """
    check = one_check(config, title)
    with opened(config, check.store) as store, store.connect() as connection:
        database = SqlDatabase(store, connection)
        try:
            found = Explainer(database=database, check=check, progress=progress or Silent(), by=by, values=values).run()
        except DBAPIError as error:
            raise StoreError(f"{check.title} cannot be explained: {store.dialect.describe(error)}") from None
        connection.rollback()
        attest(config, "investigation", database_digest_of(store), checks=(check.title,), count=found.broken)
    return replace(found, environment=config.environment)
