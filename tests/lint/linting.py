"""Lints texts: what the tests of the rules share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trueup.findings import Finding, Source
from trueup.lint import rule as rules
from trueup.lint.index import Index
from trueup.lint.project import Project
from trueup.lint.source import Module
from trueup.lint.suppress import sift


def lint(files: Mapping[str, str] | str, *names: str) -> list[Finding]:
    """The findings of the named rules in files, by path; a text alone is `app.py`."""
    given = {"app.py": files} if isinstance(files, str) else files
    modules = [
        Module(path, text.encode(), tuple(part for part in Path(path).with_suffix("").parts if part != "__init__"))
        for path, text in given.items()
    ]
    index = Index(Project(modules))
    found: list[Finding] = []
    for module in modules:
        file = index.project.files[module.path]
        for name in names:
            rule = rules.load(name)()
            if rule.wants(module.data):
                found.extend(sift(rule.check(file, index), module)[0])
    return found


def lines(findings: list[Finding]) -> list[int]:
    """The lines of findings."""
    return sorted(finding.where.line for finding in findings if isinstance(finding.where, Source))
