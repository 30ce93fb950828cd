"""What the rules know of the whole project."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trueup.lint.columns import Columns
from trueup.lint.declared import candidates
from trueup.lint.project import Project

if TYPE_CHECKING:
    from trueup.lint.flow.analysis import Lost

#: A file without any of these has no model, and nothing in it makes a name mean a column.
MODELS = re.compile(
    rb"Column\(|Mapped\[|mapped_column|JSONField|SQLModel|relationship\(|models\.[A-Z]|\.Model\)|__tablename__"
    rb"|associate_with|BaseModel|map_imperatively|mapper\(|[( ]Table\("
)
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
        #: The functions of the file that was looked at last, by its path, as `local.scopes` made them.
        self.scopes: dict[str, list[Any]] = {}
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
