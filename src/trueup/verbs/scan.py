"""Runs the checks and returns their results."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from trueup.config.config import Config, chosen
from trueup.findings import Finding
from trueup.guard.register import missing_guards
from trueup.results import CheckResult, Progress, Scan, Silent
from trueup.scan.scanner import Scanner
from trueup.verbs._opened import by_store, opened


def scan(
    config: Config,
    *,
    only: Sequence[str] = (),
    samples: int = 100,
    values: bool = False,
    sink: Callable[[Finding], None] | None = None,
    progress: Progress | None = None,
) -> Scan:
    """Run the checks and return their results. `sink` receives every finding as it comes."""
    began = time.perf_counter()
    progress = progress or Silent()
    checks = chosen(config, only)
    versions: dict[str, str] = {}
    results: dict[str, CheckResult] = {}
    notices: list[str] = []
    for name, mine in by_store(config, checks).items():
        with opened(config, name) as store, store.connect() as connection:
            versions[name] = store.dialect.version(connection)
            notices += missing_guards(store, connection)
            connection.rollback()
            scanner = Scanner(store, config.strategy, samples=samples, values=values, sink=sink, progress=progress)
            results |= {result.title: result for result in scanner.run(mine, connection)}
    ordered = tuple(results[check.title] for check in checks)
    return Scan(
        environment=config.environment,
        stores=versions,
        results=ordered,
        seconds=time.perf_counter() - began,
        derived=config.derived,
        notices=tuple(notices),
    )
