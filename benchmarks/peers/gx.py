"""Great Expectations in the database: its own expectations where it has one, else the hand-written condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import great_expectations as gx
from great_expectations import expectations as gxe

from benchmarks.peers._urls import sqlalchemy_url

VERSION = gx.__version__
MISSING = ("user_id", "created")
RANGES = {"amount": 1_000_000, "score": 1, "duration": 86_400}


def start(job: dict[str, Any]) -> Callable[[], dict[str, int]]:
    """A batch of the whole table, and a suite of the checks."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    sources = context.data_sources
    add = {"postgresql": sources.add_postgres, "sqlite": sources.add_sqlite}.get(job["engine"], sources.add_sql)
    asset = add("app", connection_string=sqlalchemy_url(job)).add_table_asset("events", table_name="events")
    batch = asset.add_batch_definition_whole_table("all").get_batch()
    suite = gx.ExpectationSuite(name="checks")
    for name, condition in job["checks"].items():
        suite.add_expectation(expectation(name, condition))

    def check() -> dict[str, int]:
        found = {}
        for result in batch.validate(suite).results:  # in an order of their own
            name = result.expectation_config.meta["name"]
            if result.exception_info.get("raised_exception") or not result.result:
                raise RuntimeError(f"{name}: {result.exception_info}")
            count = result.result.get("unexpected_count", result.result.get("observed_value"))
            found[name] = int(count)
        return found

    return check


def expectation(name: str, condition: str) -> gxe.Expectation:
    """Its own where it has one (all of these share one statement), else the condition in a statement of its own."""
    about: dict[str, Any] = {"meta": {"name": name}}
    if name in MISSING:
        return gxe.ExpectColumnValuesToNotBeNull(column=name, **about)
    if name in RANGES:
        return gxe.ExpectColumnValuesToBeBetween(column=name, min_value=0, max_value=RANGES[name], **about)
    # {} is how it writes the place of a parameter
    safe = condition.replace("{", "{{").replace("}", "}}")
    query = safe if safe.startswith("SELECT") else f"SELECT id FROM events WHERE {safe}"
    return gxe.UnexpectedRowsExpectation(unexpected_rows_query=query, **about)
