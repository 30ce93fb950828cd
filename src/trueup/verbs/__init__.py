"""The verbs of the production runbook, around those of `run`: explain, guard, back up, rehearse, tell."""

from __future__ import annotations

from trueup.check import Check
from trueup.config.config import Config
from trueup.run import chosen


def one_check(config: Config, title: str) -> Check:
    """The check of that name. Raises `UsageError` that names the nearest."""
    return chosen(config, [title])[0]
