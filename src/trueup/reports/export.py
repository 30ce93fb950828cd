"""The contract of a format of findings: what it is told, and the row that every format of rows writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any, ClassVar, Literal

from trueup.findings import Finding, Record, Severity, Source
from trueup.reports.plain import plain


@dataclass(frozen=True, slots=True)
class Rule:
    """A check or a rule of lint: its kind, how bad its findings are, its page as Markdown."""

    kind: str
    severity: Severity
    page: str

    @property
    def title(self) -> str:
        """The first line of the page that is no heading."""
        return next((line for line in self.page.strip().splitlines() if line and not line.startswith("#")), self.kind)


@dataclass(frozen=True, slots=True)
class About:
    """What the findings are of: `data` (places are records) or `code` (places are lines of source).

    `rules` has everything that was asked, by the name that `Finding.check` gives it. `source` is the file that
    states the checks; empty when they were not read from one.
    """

    of: Literal["data", "code"] = "data"
    rules: Mapping[str, Rule] = field(default_factory=dict)
    source: str = ""


class Export(ABC):
    """Takes findings one by one and writes them to a file in one format.

    Memory stays flat: a format that writes in batches keeps one batch.
    """

    #: Endings of file names that stand for this format, such as `.csv`.
    endings: ClassVar[tuple[str, ...]]

    @abstractmethod
    def __init__(self, file: IO[bytes], about: About) -> None:
        """Begin the file, which whoever opened it closes. Raises `OSError`, or `UsageError` without a library."""

    @abstractmethod
    def add(self, finding: Finding, line: str = "", mark: str = "") -> None:
        """Write one finding.

        Of a finding in code, `line` is its line of source, and `mark` a fingerprint that outlives lines that move.
        """

    @abstractmethod
    def close(self, unchecked: Mapping[str, str]) -> None:
        """Write what is left. `unchecked` says why a check did not run, or a file was not read, by its name."""


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
