"""Findings as JSON Lines: one object a line, the keys of `reports.as_row`, exact but for what `plain` says."""

from __future__ import annotations

import json
from typing import IO

from trueup.findings import Finding
from trueup.reports import Export, as_row


class JsonLines(Export):
    """One JSON object a line, ASCII only."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def add(self, finding: Finding) -> None:
        """See `Export`."""
        self._file.write(json.dumps(as_row(finding), allow_nan=False).encode("ascii") + b"\n")

    def close(self) -> None:
        """See `Export`."""
