"""What a rule is: one file in `rules/`, its page is its docstring, its examples run as tests."""

from __future__ import annotations

import ast
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from textwrap import dedent
from typing import ClassVar, Literal

from trueup import discovery
from trueup.errors import UsageError
from trueup.findings import Finding, Severity, Source
from trueup.lint.index import Index
from trueup.lint.project import File

_TESTS = {"test", "tests", "testing", "conftest"}
_MIGRATIONS = {"migrations", "alembic"}


def is_test(file: File) -> bool:
    """Whether a file is a test or a fixture: what is written there on purpose would be a mistake elsewhere."""
    parts = file.module.parts
    return (
        not _TESTS.isdisjoint(parts)
        or parts[-1].startswith(("test_", "pytest_"))
        or parts[-1].endswith(("_test", "_tests"))
    )


def is_migration(file: File) -> bool:
    """Whether a file is a migration: it runs once."""
    return not _MIGRATIONS.isdisjoint(file.module.parts)


class Rule(ABC):
    """Finds one kind of mistake. The subclass's docstring is its page: what, why, a Bad and a Good example."""

    name: ClassVar[str]
    severity: ClassVar[Severity] = "medium"
    #: Whether it runs unless it is asked for by name.
    default: ClassVar[bool] = True
    #: A file that holds none of these is not read; empty reads every file.
    needles: ClassVar[tuple[bytes, ...]] = ()
    #: Whether `check` looks at the tree of the file; when not, it only hands out what `prepare` made.
    reads: ClassVar[bool] = True
    #: `file`: a finding depends on nothing but its own file.
    scope: ClassVar[Literal["file", "project"]] = "file"

    def wants(self, data: bytes) -> bool:
        """Whether a file may hold what the rule looks for."""
        return not self.needles or any(needle in data for needle in self.needles)

    def prepare(self, index: Index) -> None:
        """Make what the rule needs of the index, before processes part: they would each make it again."""
        if self.scope == "project":
            _ = index.columns

    @abstractmethod
    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """The findings in one file. Raises `Unreadable`."""

    def finding(self, file: File, node: ast.AST, message: str, hint: str = "", **evidence: object) -> Finding:
        """A finding at a node."""
        where = Source(file.module.path, getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1)
        return Finding(
            check=self.name, where=where, message=message, severity=self.severity, evidence=evidence, hint=hint
        )


def page(rule: type[Rule]) -> str:
    """The page of a rule, as Markdown."""
    text = (rule.__doc__ or "").strip()
    head, _, rest = text.partition("\n")
    off = "" if rule.default else "\n\nOff unless it is selected by name."
    return f"# {rule.name}\n\n{head}{off}\n{dedent(rest).rstrip()}\n"


def examples(rule: type[Rule], word: str) -> Iterator[str]:
    """The Python of the blocks that follow `**Bad**` or `**Good**` in the page of a rule."""
    for match in re.finditer(rf"\*\*{word}[^\n]*\n+```python\n(.*?)```", page(rule), re.DOTALL):
        yield match[1]


def load(name: str) -> type[Rule]:
    """A rule by its name. Raises `UsageError` that lists the rules."""
    known = discovery.names("lint.rules")
    if name not in known:
        from difflib import get_close_matches

        near = get_close_matches(name, known, 1)
        raise UsageError(
            f"there is no rule {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known)}")
        )
    return discovery.load("lint.rules", name, Rule)


def every() -> list[type[Rule]]:
    """All rules, by name."""
    return [load(name) for name in discovery.names("lint.rules")]
