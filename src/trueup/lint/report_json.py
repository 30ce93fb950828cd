"""For programs."""

from __future__ import annotations

import json
from dataclasses import asdict

from trueup.findings import Source
from trueup.lint.results import Report
from trueup.lint.suppress import marks
from trueup.reports.plain import plain


def as_json(report: Report) -> str:
    """One object: `findings`, each with rule, place, message, hint, evidence, line of source and fingerprint."""
    findings = []
    for finding, mark in zip(report.findings, marks(report.findings, dict(report.lines)), strict=True):
        assert isinstance(finding.where, Source)
        findings.append(
            {
                "rule": finding.check,
                **asdict(finding.where),
                "severity": finding.severity,
                "message": finding.message,
                "hint": finding.hint,
                "evidence": dict(finding.evidence),
                "source": report.lines.get(finding.where, ""),
                "fingerprint": mark,
            }
        )
    data = {
        "version": 1,
        "files": report.files,
        "rules": list(report.rules),
        "findings": findings,
        "not_checked": dict(report.unreadable),
        "ignored": report.ignored,
        "baseline": report.known,
    }
    return json.dumps(plain(data), indent=2) + "\n"
