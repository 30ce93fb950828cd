"""Findings as Parquet, for DuckDB, Spark or pandas; needs the extra `parquet`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from trueup.errors import UsageError
from trueup.findings import Finding
from trueup.reports.export import About, Export, as_row

BATCH = 10_000


class Parquet(Export):
    """A column for each key of `as_row`: `key` is a list of text, `evidence` JSON, `line` an int64."""

    endings = (".parquet",)

    def __init__(self, file: IO[bytes], about: About) -> None:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise UsageError(
                "Parquet needs pyarrow: pip install 'trueup[parquet]'; .csv and .jsonl need nothing"
            ) from None
        self._pyarrow = pyarrow
        text = pyarrow.string()
        self._schema = pyarrow.schema(
            [
                ("fingerprint", text),
                ("check", text),
                ("severity", text),
                ("store", text),
                ("table", text),
                ("key", pyarrow.list_(text)),
                ("path", text),
                ("line", pyarrow.int64()),
                ("message", text),
                ("hint", text),
                ("evidence", text),
            ]
        )
        self._rows: list[dict[str, Any]] = []
        self._writer = parquet.ParquetWriter(file, self._schema)

    def add(self, finding: Finding, line: str = "", mark: str = "") -> None:
        """Write one row."""
        row = as_row(finding)
        row["evidence"] = json.dumps(row["evidence"], ensure_ascii=False, sort_keys=True)
        self._rows.append(row)
        if len(self._rows) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._pyarrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def close(self, unchecked: Mapping[str, str]) -> None:
        """Write what is left."""
        try:
            if self._rows:
                self._flush()
            self._writer.close()
        finally:
            self._writer.is_open = False  # else it tries once more when it is collected, and the file is closed
