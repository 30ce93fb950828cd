"""What the rules about changes inside JSON columns share: they hand out what following the project found."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trueup.findings import Finding
from trueup.lint.index import Index
from trueup.lint.project import File
from trueup.lint.rule import Rule
from trueup.lint.source import Unreadable

if TYPE_CHECKING:
    from trueup.lint.flow.analysis import Lost


class JsonChange(Rule):
    """Changes that are lost for certain, or those that may be."""

    scope: ClassVar[Literal["file", "project"]] = "project"
    reads: ClassVar[bool] = False
    #: Whether it is about changes that are certainly lost.
    sure: ClassVar[bool]

    def prepare(self, index: Index) -> None:
        """Follow the changes through the project."""
        _ = index.lost

    def check(self, file: File, index: Index) -> Iterable[Finding]:
        """The changes in a file that are lost. Raises `Unreadable` for a file that could not be followed."""
        for lost in index.lost.get(file.module.path, ()):
            if lost.sure == self.sure:
                message, hint = self.told(lost)
                yield self.finding(file, lost.node, message, hint, **self.evidence(lost))
        problem = file.problem or index.failed.get(file.module.path)
        if problem:
            raise Unreadable(problem)

    @abstractmethod
    def told(self, lost: Lost) -> tuple[str, str]:
        """What happens, named after the column, and what to do."""

    def evidence(self, lost: Lost) -> dict[str, Any]:
        """The column and the object."""
        change = lost.change
        return {"model": change.column.cls.facts.name, "field": change.field, "object": change.source}
