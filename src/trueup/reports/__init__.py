"""One file a format of report. Nothing here prints: text comes back as renderables, findings go to an `Export`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import IO, Any

from trueup.findings import Finding, Record, Source

#: Whole numbers that every reader of JSON keeps exactly; larger ones are written as text.
EXACT = 2**53


class Export(ABC):
    """Takes findings one by one and writes them to a file in one format; the file's ending names the format.

    Memory stays flat: a format that writes in batches keeps one batch.
    """

    @abstractmethod
    def __init__(self, file: IO[bytes]) -> None:
        """Begin the file, which whoever opened it closes. Raises `OSError`, or `UsageError` without a library."""

    @abstractmethod
    def add(self, finding: Finding) -> None:
        """Write one finding."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left."""


def plain(value: Any) -> Any:
    """`value` as JSON that every reader takes: text, whole numbers up to `EXACT`, booleans, None, lists, mappings.

    Floats, larger numbers, decimals, dates and bytes become text; a lone surrogate (a byte that was no UTF-8)
    becomes its escape.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= EXACT:
        return int(value)
    if isinstance(value, dict):
        return {str(plain(str(key))): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def as_row(finding: Finding) -> dict[str, Any]:
    """One finding with the same keys in every format: what is not known is None, `key` is a list of tokens."""
    where = finding.where
    record = where if isinstance(where, Record) else None
    source = where if isinstance(where, Source) else None
    return {
        "fingerprint": finding.fingerprint,
        "check": plain(finding.check),
        "severity": finding.severity,
        "store": plain(record.store) if record else None,
        "table": plain(record.table) if record else None,
        "key": plain(record.key) if record else None,
        "path": plain(source.path) if source else None,
        "line": source.line if source else None,
        "message": plain(finding.message),
        "hint": plain(finding.hint),
        "evidence": plain(dict(finding.evidence)),
    }
