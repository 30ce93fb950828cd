"""JUnit's XML, which every CI server shows."""

from __future__ import annotations

import re
from collections import defaultdict
from xml.sax.saxutils import escape, quoteattr

from trueup.findings import Finding, Source
from trueup.lint.formats import Format
from trueup.lint.results import Report

# XML 1.0 cannot hold these, escaped or not
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Junit(Format):
    """A suite a file, a failed case a finding, an error a file that was not checked; one passed case if all is well."""

    def render(self, report: Report) -> str:
        """The report as XML."""
        by_file: dict[str, list[Finding]] = defaultdict(list)
        for finding in report.findings:
            assert isinstance(finding.where, Source)
            by_file[finding.where.path].append(finding)
        suites = [_suite(path, findings, report) for path, findings in by_file.items()]
        suites += [
            f'  <testsuite name={_attribute(path)} tests="1" failures="0" errors="1">\n'
            f'    <testcase name="trueup lint" classname={_attribute(path)}>'
            f"<error message={_attribute(problem)}/></testcase>\n  </testsuite>\n"
            for path, problem in report.unreadable.items()
        ]
        if not suites:
            suites = [
                (
                    '  <testsuite name="trueup lint" tests="1" failures="0" errors="0">\n'
                    '    <testcase name="no findings" classname="trueup"/>\n  </testsuite>\n'
                )
            ]
        failures, errors = len(report.findings), len(report.unreadable)
        counts = f'tests="{max(failures + errors, 1)}" failures="{failures}" errors="{errors}"'
        head = f'<testsuites name="trueup lint" {counts}>'
        return f'<?xml version="1.0" encoding="utf-8"?>\n{head}\n{"".join(suites)}</testsuites>\n'


def _suite(path: str, findings: list[Finding], report: Report) -> str:
    cases = []
    for finding in findings:
        where = finding.where
        assert isinstance(where, Source)
        text = f"{where}\n{report.lines.get(where, '').strip()}\n{finding.hint}"
        cases.append(
            f"    <testcase name={_attribute(f'{finding.check} line {where.line}')} classname={_attribute(path)}>"
            f"<failure type={_attribute(finding.check)} message={_attribute(finding.message)}>"
            f"{escape(_allowed(text))}</failure></testcase>\n"
        )
    count = len(findings)
    return (
        f'  <testsuite name={_attribute(path)} tests="{count}" failures="{count}" errors="0">\n'
        f"{''.join(cases)}  </testsuite>\n"
    )


def _attribute(text: str) -> str:
    return quoteattr(_allowed(text), {"\n": "&#10;"})


def _allowed(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
