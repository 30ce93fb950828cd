"""Annotations of GitHub Actions."""

from __future__ import annotations

from trueup.findings import Source
from trueup.lint.formats import Format
from trueup.lint.results import Report
from trueup.reports._words import safe

_ESCAPED = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_LEVEL = {"high": "error", "medium": "warning", "low": "notice"}


class Github(Format):
    """A workflow command a finding."""

    def render(self, report: Report) -> str:
        """The report as workflow commands."""
        lines = []
        for finding in report.findings:
            where = finding.where
            assert isinstance(where, Source)
            text = f"{finding.message}\n{finding.hint}" if finding.hint else finding.message
            lines.append(
                f"::{_LEVEL[finding.severity]} file={_property(where.path)},line={where.line},col={where.column},"
                f"title={_property(finding.check)}::{_data(text)}"
            )
        for path, problem in report.unreadable.items():
            lines.append(f"::error file={_property(path)},title=not checked::{_data(problem)}")
        return "".join(f"{line}\n" for line in lines)


def _data(text: str) -> str:
    return "".join(_ESCAPED.get(sign) or safe(sign) for sign in text)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
