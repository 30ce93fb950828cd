"""What the linter found, as findings in any of the formats that findings have."""

from __future__ import annotations

from typing import IO

from trueup.findings import Source
from trueup.lint import rule as rules
from trueup.lint.results import Report
from trueup.lint.suppress import marks
from trueup.reports.export import About, Export, Rule


def export(report: Report, file: IO[bytes], form: type[Export]) -> None:
    """Write a report to an open file. Raises `UsageError` where the format lacks its library."""
    kinds = {name: rules.load(name) for name in report.rules}
    pages = {name: Rule(name, kind.severity, rules.page(kind)) for name, kind in kinds.items()}
    writer = form(file, About("code", pages))
    for finding, mark in zip(report.findings, marks(report.findings, dict(report.lines)), strict=True):
        assert isinstance(finding.where, Source)
        writer.add(finding, report.lines.get(finding.where, ""), mark)
    writer.close(report.unreadable)
