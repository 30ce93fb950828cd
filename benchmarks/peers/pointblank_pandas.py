"""Pointblank on a data frame: an expression over the column, each value looked at in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pointblank as pb

from benchmarks.peers._frames import Table, is_object

VERSION = pb.__version__


def start(job: dict[str, Any]) -> Callable[[], dict[str, int]]:
    """Nothing to prepare but the connection; reading the table is part of the check."""
    table = Table(job)

    def check() -> dict[str, int]:
        validation = pb.Validate(table.read()).col_vals_expr(expr=lambda frame: frame["metadata"].map(is_object))
        count = validation.interrogate().n_failed(i=1, scalar=True)
        return {"metadata": int(count)}

    return check
