"""Findings as CSV, to be opened in a spreadsheet: no cell can become a formula, no cell breaks its line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from typing import IO, Any

from trueup.findings import Finding
from trueup.reports._words import safe
from trueup.reports.export import About, Export, as_row

#: The columns, in order. `key` is the token of a key of one part, else a JSON list; `evidence` is JSON.
COLUMNS = ("check", "severity", "store", "table", "key", "path", "line", "message", "hint", "evidence", "fingerprint")

_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cell(value: Any) -> str:
    """`value` as a cell: control characters escaped, and `'` before what a spreadsheet would calculate.

    A plain number keeps its sign. JSON Lines and Parquet hold the values without these escapes.
    """
    text = "" if value is None else safe(str(value))
    if text.lstrip().startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


class _Encoded:
    """What csv writes to: text, on a file of bytes that somebody else closes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write text as UTF-8."""
        return self._file.write(text.encode())


class Csv(Export):
    """Comma-separated values in UTF-8 with a header and `\\n` at the end of a line."""

    endings = (".csv",)

    def __init__(self, file: IO[bytes], about: About) -> None:
        self._writer = csv.writer(_Encoded(file), lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def add(self, finding: Finding, line: str = "", mark: str = "") -> None:
        """Write one row."""
        row = as_row(finding)
        key = row["key"]
        if key is not None:
            row["key"] = key[0] if len(key) == 1 else json.dumps(key, ensure_ascii=False)
        row["evidence"] = json.dumps(row["evidence"], ensure_ascii=False, sort_keys=True)
        self._writer.writerow([cell(row[name]) for name in COLUMNS])

    def close(self, unchecked: Mapping[str, str]) -> None:
        """Write what is left."""
