"""What a run of the linter returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trueup.findings import Finding, Source


@dataclass(frozen=True, kw_only=True)
class Report:
    """The findings in the order of files and lines, with the source line of each.

    `unreadable` maps a file that was not looked at to why. `known` counts findings of the baseline, `ignored` those
    that a comment ignores; neither is among `findings`.
    """

    findings: tuple[Finding, ...] = ()
    lines: Mapping[Source, str] = field(default_factory=dict)
    files: int = 0
    rules: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    ignored: int = 0
    known: int = 0

    @property
    def exit_code(self) -> int:
        """0 clean, 1 findings, 3 when a file could not be read."""
        if self.unreadable:
            return 3
        return 1 if self.findings else 0
