"""The table in memory, for tools that check data frames."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import sqlalchemy as sa

from benchmarks.peers._urls import sqlalchemy_url


class Table:
    """Reads `id` and the JSON column, as text; SQL NULL is left out, for none of the tools tells it from JSON null."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._engine = sa.create_engine(sqlalchemy_url(job))
        text = "metadata::text" if job["engine"] == "postgresql" else "metadata"
        self._sql = f"SELECT id, {text} AS metadata FROM events WHERE metadata IS NOT NULL"

    def read(self) -> pd.DataFrame:
        """`id` and `metadata`."""
        with self._engine.connect() as connection:
            return pd.read_sql(sa.text(self._sql), connection)


def is_object(text: str) -> bool:
    """Whether a value is a JSON object, which is all that is asked."""
    return isinstance(json.loads(text), dict)
