"""A scan as one JSON document, for scripts and for comparing two environments.

Keys are never renamed; new ones may come. There are no floats: durations are whole milliseconds.

    format              1
    environment         text, as the configuration says
    stores              {name: what it is}; never a password
    derived             whether the checks were proposed by trueup
    exit_code           0 clean, 1 findings, 3 some check did not run
    findings            broken rows over all checks
    notices             [text]: a guard that has gone
    milliseconds
    checks              a list, one object a check:
      title kind store table columns
      status            "clean", "findings" or "not checked"
      reason            why it was not checked, else ""
      rows skipped skipped_because
      findings          broken rows
      letter            strategy, "A" to "D"
      distribution      [{word, healthy, count}], over all rows
      parts             [{place, expected, within, right, rows}]: keys of documents, and in how many they are right
      group_by groups   [{group, word, count, severity}]
      repairs           [{repair, effect, count}]; repair "" is: a person has to look
      samples           the first findings: fingerprint check severity store table key path line message hint evidence
      code              null when no code was looked at or it has no model of the table, else
                        {effective, writers: [{path, line, fate, text}]}: `effective` is the share of rows that are
                        right times the share of lines that persist, 1000000 for all, or null; `fate` is "persists",
                        "lost" or "may be lost"
      milliseconds
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from trueup.reports.export import as_row
from trueup.reports.plain import plain
from trueup.results import CheckResult, Scan

FORMAT = 1


def scan_json(scan: Scan) -> str:
    """The document, indented, with a newline at its end; ASCII only."""
    document = {
        "format": FORMAT,
        "environment": plain(scan.environment),
        "stores": plain(dict(scan.stores)),
        "derived": scan.derived,
        "exit_code": scan.exit_code,
        "findings": scan.findings,
        "notices": plain(list(scan.notices)),
        "milliseconds": round(scan.seconds * 1000),
        "checks": [_check(result) for result in scan.results],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _check(result: CheckResult) -> dict[str, Any]:
    return {
        "title": plain(result.title),
        "kind": result.kind,
        "store": plain(result.store),
        "table": plain(result.table),
        "columns": plain(result.columns),
        "status": result.status,
        "reason": plain(result.reason),
        "rows": result.rows,
        "skipped": result.skipped,
        "skipped_because": plain(result.skipped_because),
        "findings": result.findings,
        "letter": result.letter,
        "distribution": [
            {"word": plain(word), "healthy": healthy, "count": count} for word, healthy, count in result.distribution
        ],
        "parts": [plain(asdict(part)) for part in result.parts],
        "group_by": plain(result.group_by),
        "groups": [plain(asdict(group)) for group in result.groups],
        "repairs": [plain(asdict(repair)) for repair in result.repairs],
        "samples": [as_row(finding) for finding in result.samples],
        "code": _code(result),
        "milliseconds": round(result.seconds * 1000),
    }


def _code(result: CheckResult) -> dict[str, Any] | None:
    if result.writers is None:
        return None
    lines = [
        {"path": plain(one.where.path), "line": one.where.line, "fate": one.fate, "text": plain(one.text)}
        for one in result.writers
    ]
    return {"effective": result.effective, "writers": lines}
