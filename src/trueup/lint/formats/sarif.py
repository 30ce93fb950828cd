"""SARIF 2.1.0, which code hosts and editors read."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from trueup.findings import Finding, Source
from trueup.lint import rule as rules
from trueup.lint.formats import Format
from trueup.lint.results import Report
from trueup.lint.suppress import marks
from trueup.reports import plain
from trueup.version import VERSION

_LEVEL = {"high": "error", "medium": "warning", "low": "note"}
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


class Sarif(Format):
    """One run: the rules with their pages, the results with fingerprints, and files that were not checked."""

    def render(self, report: Report) -> str:
        """The report as SARIF."""
        ids = {name: number for number, name in enumerate(report.rules)}
        results = [
            _result(finding, mark, ids, report)
            for finding, mark in zip(report.findings, marks(report.findings, dict(report.lines)), strict=True)
        ]
        run: dict[str, Any] = {
            "tool": {
                "driver": {
                    "name": "trueup",
                    "version": VERSION,
                    "semanticVersion": VERSION,
                    "rules": [_rule(name) for name in report.rules],
                }
            },
            "columnKind": "unicodeCodePoints",
            "results": results,
            "invocations": [
                {
                    "executionSuccessful": not report.unreadable,
                    "exitCode": report.exit_code,
                    "toolExecutionNotifications": [
                        {
                            "level": "error",
                            "message": {"text": f"not checked: {problem}"},
                            "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(path)}}}],
                        }
                        for path, problem in report.unreadable.items()
                    ],
                }
            ],
        }
        return json.dumps(plain({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}), indent=2) + "\n"


def _rule(name: str) -> dict[str, Any]:
    kind = rules.load(name)
    text = rules.page(kind)
    first = (kind.__doc__ or name).strip().splitlines()[0]
    return {
        "id": name,
        "name": kind.__name__,
        "shortDescription": {"text": first},
        "fullDescription": {"text": first},
        "help": {"text": text, "markdown": text},
        "defaultConfiguration": {"level": _LEVEL[kind.severity]},
    }


def _result(finding: Finding, mark: str, ids: dict[str, int], report: Report) -> dict[str, Any]:
    where = finding.where
    assert isinstance(where, Source)
    line = report.lines.get(where, "")
    column = len(line.encode()[: where.column - 1].decode("utf-8", "ignore")) + 1
    text = f"{finding.message}. {finding.hint}" if finding.hint else finding.message
    return {
        "ruleId": finding.check,
        "ruleIndex": ids[finding.check],
        "level": _LEVEL[finding.severity],
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(where.path)},
                    "region": {"startLine": where.line, "startColumn": column, "snippet": {"text": line}},
                }
            }
        ],
        "partialFingerprints": {"trueup/v1": mark},
    }


def _uri(path: str) -> str:
    # by its bytes, which need not be UTF-8
    return Path(path).as_uri() if PurePath(path).is_absolute() else quote(os.fsencode(PurePath(path).as_posix()))
