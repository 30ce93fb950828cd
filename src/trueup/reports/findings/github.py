"""Annotations of GitHub Actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO

from trueup.findings import Finding, Source
from trueup.reports._words import safe
from trueup.reports.export import About, Export

_ESCAPED = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_LEVEL = {"high": "error", "medium": "warning", "low": "notice"}


class Github(Export):
    """A workflow command a finding; one in data is put at the file that states the check."""

    endings = (".github",)

    def __init__(self, file: IO[bytes], about: About) -> None:
        self._file = file
        self._about = about

    def add(self, finding: Finding, line: str = "", mark: str = "") -> None:
        """Write one workflow command."""
        where = finding.where
        text = f"{finding.message}\n{finding.hint}" if finding.hint else finding.message
        if isinstance(where, Source):
            self._write(
                _LEVEL[finding.severity], where.path, f"line={where.line},col={where.column}", finding.check, text
            )
        else:
            self._write(_LEVEL[finding.severity], self._about.source, "", finding.check, f"{where}: {text}")

    def close(self, unchecked: Mapping[str, str]) -> None:
        """An error for each file that was not read, and each check that did not run."""
        for name, reason in unchecked.items():
            if self._about.of == "code":
                self._write("error", name, "", "not checked", reason)
            else:
                self._write("error", self._about.source, "", name, f"not checked: {reason}")

    def _write(self, level: str, path: str, place: str, title: str, text: str) -> None:
        parts = [f"file={_property(path)}" if path else "", place, f"title={_property(title)}"]
        self._file.write(f"::{level} {','.join(part for part in parts if part)}::{_data(text)}\n".encode())


def _data(text: str) -> str:
    return "".join(_ESCAPED.get(sign) or safe(sign) for sign in text)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
