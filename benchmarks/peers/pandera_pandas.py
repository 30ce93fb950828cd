"""Pandera on a data frame: a check of each value in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandera
import pandera.pandas as pa

from benchmarks.peers._frames import Table, is_object

VERSION = pandera.__version__


def start(job: dict[str, Any]) -> Callable[[], dict[str, int]]:
    """A schema; reading the table is part of the check."""
    schema = pa.DataFrameSchema({"metadata": pa.Column(str, pa.Check(is_object, element_wise=True))})
    table = Table(job)

    def check() -> dict[str, int]:
        try:
            schema.validate(table.read(), lazy=True)
        except pa.errors.SchemaErrors as error:
            return {"metadata": len(error.failure_cases)}
        return {"metadata": 0}

    return check
