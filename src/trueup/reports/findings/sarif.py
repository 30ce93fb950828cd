"""SARIF 2.1.0, which code hosts and editors read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import IO, Any
from urllib.parse import quote

from trueup.findings import Finding, Source
from trueup.reports.export import About, Export, Rule
from trueup.reports.plain import plain
from trueup.version import VERSION

_LEVEL = {"high": "error", "medium": "warning", "low": "note"}
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


class Sarif(Export):
    """One run: the rules with their pages, the results with fingerprints, and what was not checked.

    A record is a logical location (`app.orders 7`), with the file that states the check as its physical one.
    """

    endings = (".sarif",)

    def __init__(self, file: IO[bytes], about: About) -> None:
        self._file = file
        self._about = about
        self._ids = {name: number for number, name in enumerate(about.rules)}
        self._count = 0
        driver = {
            "name": "trueup",
            "version": VERSION,
            "semanticVersion": VERSION,
            "rules": [_rule(name, rule) for name, rule in about.rules.items()],
        }
        head = f'{{"$schema": {_json(SCHEMA)}, "version": "2.1.0", "runs": [{{"tool": {_json({"driver": driver})}'
        self._write(f'{head}, "columnKind": "unicodeCodePoints", "results": [')

    def add(self, finding: Finding, line: str = "", mark: str = "") -> None:
        """Write one result."""
        where = finding.where
        result: dict[str, Any] = {
            "ruleId": finding.check,
            "ruleIndex": self._ids.get(finding.check, -1),
            "level": _LEVEL[finding.severity],
            "message": {"text": f"{finding.message}. {finding.hint}" if finding.hint else finding.message},
        }
        if isinstance(where, Source):
            column = len(line.encode()[: where.column - 1].decode("utf-8", "ignore")) + 1
            region = {"startLine": where.line, "startColumn": column, "snippet": {"text": line}}
            place = {"physicalLocation": {"artifactLocation": {"uri": _uri(where.path)}, "region": region}}
        else:
            name = f"{where.store}.{where}" if where.store else str(where)
            place = {"logicalLocations": [{"name": str(where), "fullyQualifiedName": name, "kind": "row"}]}  # type: ignore[dict-item]
            if self._about.source:
                place["physicalLocation"] = {"artifactLocation": {"uri": _uri(self._about.source)}}
        result |= {"locations": [place], "partialFingerprints": {"trueup/v1": mark or finding.fingerprint}}
        self._write(("," if self._count else "") + "\n" + _json(result))
        self._count += 1

    def close(self, unchecked: Mapping[str, str]) -> None:
        """Write what was not checked, and the end."""
        notices = []
        for name, reason in unchecked.items():
            if self._about.of == "code":
                place = {"physicalLocation": {"artifactLocation": {"uri": _uri(name)}}}
                notices.append(
                    {"level": "error", "message": {"text": f"not checked: {reason}"}, "locations": [place]},
                )
            else:
                notices.append({"level": "error", "message": {"text": f"{name} was not checked: {reason}"}})
        invocation = {
            "executionSuccessful": not unchecked,
            "exitCode": 3 if unchecked else 1 if self._count else 0,
            "toolExecutionNotifications": notices,
        }
        self._write(f'\n], "invocations": {_json([invocation])}}}]}}\n')

    def _write(self, text: str) -> None:
        self._file.write(text.encode("ascii"))


def _json(value: Any) -> str:
    return json.dumps(plain(value), allow_nan=False)


def _rule(name: str, rule: Rule) -> dict[str, Any]:
    return {
        "id": name,
        "name": "".join(part.capitalize() for part in rule.kind.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.title},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": _LEVEL[rule.severity]},
    }


def _uri(path: str) -> str:
    # by its bytes, which need not be UTF-8
    return Path(path).as_uri() if PurePath(path).is_absolute() else quote(os.fsencode(PurePath(path).as_posix()))
