"""JUnit's XML, which every CI server shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from tempfile import SpooledTemporaryFile
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from trueup.findings import Finding, Source
from trueup.reports.export import About, Export

# XML 1.0 cannot hold these, escaped or not
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
#: Bytes of one suite that stay in memory.
_IN_MEMORY = 1 << 20


class _Suite:
    """The cases of one suite: a suite says how many they are before it lists them."""

    def __init__(self) -> None:
        self.cases = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - lives as long as the report
        self.count = 0

    def add(self, case: str) -> None:
        """One case."""
        self.cases.write(case.encode())
        self.count += 1


class Junit(Export):
    """A failed case a finding, in a suite of its file or its check; an error where something was not checked.

    A check that ran and found nothing is a passed case.
    """

    endings = (".xml",)

    def __init__(self, file: IO[bytes], about: About) -> None:
        self._file = file
        self._about = about
        self._tool = "trueup lint" if about.of == "code" else "trueup scan"
        self._suites: dict[str, _Suite] = {}

    def add(self, finding: Finding, line: str = "", mark: str = "") -> None:
        """Write one failed case."""
        where = finding.where
        if isinstance(where, Source):
            suite, name = where.path, f"{finding.check} line {where.line}"
            text = f"{where}\n{line.strip()}\n{finding.hint}"
        else:
            suite, name = finding.check, str(where)
            text = "\n".join(part for part in (f"{where.store}: {where}", finding.hint) if part)
        if suite not in self._suites:
            self._suites[suite] = _Suite()
        self._suites[suite].add(
            f"    <testcase name={_attribute(name)} classname={_attribute(suite)}>"
            f"<failure type={_attribute(finding.check)} message={_attribute(finding.message)}>"
            f"{escape(_allowed(text))}</failure></testcase>\n"
        )

    def close(self, unchecked: Mapping[str, str]) -> None:
        """Write the suites, with their counts."""
        clean = [name for name in self._about.rules if name not in self._suites and name not in unchecked]
        if self._about.of == "code":
            clean = [] if self._suites or unchecked else ["no findings"]
        failures = sum(suite.count for suite in self._suites.values())
        tests = failures + len(unchecked) + len(clean)
        self._write('<?xml version="1.0" encoding="utf-8"?>\n')
        self._write(
            f'<testsuites name="{self._tool}" tests="{tests}" failures="{failures}" errors="{len(unchecked)}">\n'
        )
        for name, suite in self._suites.items():
            self._write(
                f'  <testsuite name={_attribute(name)} tests="{suite.count}" failures="{suite.count}" errors="0">\n'
            )
            suite.cases.seek(0)
            while piece := suite.cases.read(_IN_MEMORY):
                self._file.write(piece)
            suite.cases.close()
            self._write("  </testsuite>\n")
        for name, reason in unchecked.items():
            self._one(name, name, f"<error message={_attribute(reason)}/>")
        for name in clean:
            self._one(self._tool if self._about.of == "code" else name, "trueup", "", case=name)
        self._write("</testsuites>\n")

    def _one(self, suite: str, classname: str, inner: str, case: str = "") -> None:
        """A suite of one case, which has passed where nothing is inside it."""
        head = f"    <testcase name={_attribute(case or self._tool)} classname={_attribute(classname)}"
        self._write(
            f'  <testsuite name={_attribute(suite)} tests="1" failures="0" errors="{1 if inner else 0}">\n'
            + (f"{head}>{inner}</testcase>\n" if inner else f"{head}/>\n")
            + "  </testsuite>\n"
        )

    def _write(self, text: str) -> None:
        self._file.write(text.encode())


def _attribute(text: str) -> str:
    return quoteattr(_allowed(text), {"\n": "&#10;"})


def _allowed(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
