"""One file a format of the linter's report."""

from __future__ import annotations

from abc import ABC, abstractmethod

from trueup.lint.results import Report


class Format(ABC):
    """Writes a report."""

    @abstractmethod
    def render(self, report: Report) -> str:
        """The report as text that ends with a line end, or empty."""
