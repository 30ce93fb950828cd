"""Findings as JSON Lines: one object a line, the keys of `as_row`, exact but for what `plain` says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO

from trueup.findings import Finding
from trueup.reports.export import About, Export, as_row


class JsonLines(Export):
    """One JSON object a line, ASCII only."""

    endings = (".jsonl",)

    def __init__(self, file: IO[bytes], about: About) -> None:
        self._file = file

    def add(self, finding: Finding, line: str = "", mark: str = "") -> None:
        """Write one row."""
        self._file.write(json.dumps(as_row(finding), allow_nan=False).encode("ascii") + b"\n")

    def close(self, unchecked: Mapping[str, str]) -> None:
        """Write what is left."""
