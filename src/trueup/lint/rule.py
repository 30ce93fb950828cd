"""What a rule is: one file in `rules/`, its page is its docstring, its examples run as tests."""

from __future__ import annotations

import ast
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property
from textwrap import dedent
from typing import TYPE_CHECKING, ClassVar, Literal

from trueup import discovery
from trueup.errors import UsageError
from trueup.findings import Finding, Severity, Source
from trueup.lint.columns import Columns
from trueup.lint.declared import candidates
from trueup.lint.project import File, Project

if TYPE_CHECKING:
    from trueup.lint.flow.analysis import Lost
    from trueup.lint.local import Local

#: A file without any of these has no model, and nothing in it makes a name mean a column.
MODELS = re.compile(
    rb"Column\(|Mapped\[|mapped_column|JSONField|SQLModel|relationship\(|models\.[A-Z]|\.Model\)|__tablename__"
    rb"|associate_with|BaseModel|map_imperatively|mapper\(|[( ]Table\("
)
_TESTS = {"test", "tests", "testing", "conftest"}
_MIGRATIONS = {"migrations", "alembic"}
#: Without one of these there is no model of SQLAlchemy; a file alone may have its base class from elsewhere.
_SQLALCHEMY = (b"sqlalchemy", b"sqlmodel", b"mapped_column(", b"db.Column(", b"__tablename__")
_HEAD = re.compile(rb"^[ \t]*class \w+\(([^)]*)\)", re.MULTILINE)
_WORD = re.compile(rb"\w+")
_MADE = re.compile(rb"(?<!class )\b(_*[A-Z]\w*)\(")


class Index:
    """What the rules know of the whole project; each part is made when a rule first asks for it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        #: Files that the flow analysis could not follow, and why.
        self.failed: dict[str, str] = {}
        self.scopes: dict[str, list[Local]] = {}
        #: Function (path, line) to the model that it queries, as far as it was asked for.
        self.queries: dict[tuple[str, int], str | None] = {}

    @cached_property
    def columns(self) -> Columns:
        """The columns of all models."""
        for file in self.project.files.values():
            if MODELS.search(file.module.data):
                _ = file.facts
        return Columns(self.project)

    @cached_property
    def has_models(self) -> bool:
        """Whether a class of the project is mapped to a table."""
        columns = self.columns
        return any(columns.is_model(cls) for cls in self.project.all_classes())

    @cached_property
    def bases(self) -> frozenset[bytes]:
        """The last words of all that classes of the project inherit from."""
        return frozenset(
            word
            for file in self.project.files.values()
            for head in _HEAD.findall(file.module.data)
            for word in _WORD.findall(head)
        )

    @cached_property
    def made(self) -> frozenset[bytes]:
        """The names, beginning with a capital, that are called somewhere in the project."""
        return frozenset(name for file in self.project.files.values() for name in _MADE.findall(file.module.data))

    @cached_property
    def lost(self) -> dict[str, list[Lost]]:
        """Changes inside JSON values that are never written, by the path of the file."""
        found: dict[str, list[Lost]] = {}
        if self._json_is_declared():
            from trueup.lint.flow.analysis import Analysis  # most projects hold no JSON, and then it is not needed

            analysis = Analysis(self.project, self.columns)
            for lost in analysis.run():
                found.setdefault(lost.file.module.path, []).append(lost)
            self.failed = analysis.failed
        return found

    def _json_is_declared(self) -> bool:
        """Whether a model of SQLAlchemy has a JSON column, asked of the files that may declare one alone."""
        files = self.project.files
        if not any(word in file.module.data for file in files.values() for word in _SQLALCHEMY):
            return False
        columns = Columns(self.project)  # not `self.columns`, which knows all models
        return any(
            columns.declared_in(files[module.path]) for module in candidates(file.module for file in files.values())
        )


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
        return Finding(self.name, where, message, self.severity, evidence, hint)


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
