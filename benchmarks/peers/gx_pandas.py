"""Great Expectations on a data frame: its JSON schema expectation, which no database engine of its knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import great_expectations as gx
from great_expectations import expectations as gxe

from benchmarks.peers._frames import Table

VERSION = gx.__version__


def start(job: dict[str, Any]) -> Callable[[], dict[str, int]]:
    """A data frame asset; reading the table is part of the check."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("app").add_dataframe_asset("events")
    definition = asset.add_batch_definition_whole_dataframe("all")
    table = Table(job)
    expectation = gxe.ExpectColumnValuesToMatchJsonSchema(column="metadata", json_schema={"type": "object"})

    def check() -> dict[str, int]:
        batch = definition.get_batch(batch_parameters={"dataframe": table.read()})
        result = batch.validate(expectation)
        if "unexpected_count" not in result.result:
            raise RuntimeError(str(result.exception_info))
        return {"metadata": int(result.result["unexpected_count"])}

    return check
