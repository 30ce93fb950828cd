"""Findings in a file, in the format that is named or that the file's ending stands for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from trueup.errors import UsageError
from trueup.output import told, whole, writable

if TYPE_CHECKING:
    from trueup.check import Check
    from trueup.findings import Finding
    from trueup.reports.export import About, Export

#: Where findings go that are to be seen at once.
STDOUT = "-"


class Sink:
    """Writes each finding to a file; whoever ran the checks enters in `unchecked` which of them did not run."""

    def __init__(self, path: str, export: Export) -> None:
        self._path = path
        self._export = export
        self.unchecked: dict[str, str] = {}

    def __call__(self, finding: Finding) -> None:
        """Write one finding."""
        # only what the file says is about the file: a scan has errors of its own
        with told(self._path):
            self._export.add(finding)

    def close(self) -> None:
        """Write what is left."""
        with told(self._path):
            self._export.close(self.unchecked)


def export_format(path: str, form: str = "") -> type[Export]:
    """The format called `form`, else the one that the ending of `path` stands for.

    Raises `UsageError` that lists what there is.
    """
    from trueup import discovery
    from trueup.reports.export import Export

    if form:
        return discovery.load("reports.findings", form, Export)
    formats = [discovery.load("reports.findings", name, Export) for name in discovery.names("reports.findings")]
    known = {ending: kind for kind in formats for ending in kind.endings}
    for ending, kind in known.items():
        if path.lower().endswith(ending):
            return kind
    raise UsageError(
        f"cannot export to {path!r}: the ending must be one of {', '.join(sorted(known))}, or --format must say it"
    )


@contextmanager
def exporting(path: str | None, about: About, form: str = "") -> Iterator[Sink | None]:
    """A sink that writes each finding to `path`, `-` being stdout; None when there is no path."""
    if path is None:
        yield None
        return
    kind = export_format(path, form)
    path = "/dev/stdout" if path == STDOUT else path
    writable(path)
    with whole(path) as file:
        with told(path):
            sink = Sink(path, kind(file, about))
        try:
            yield sink
        finally:
            sink.close()


def of_checks(checks: Iterable[Check], source: str) -> About:
    """What formats say of checks: the page of the kind of each, and the file that states them."""
    from inspect import cleandoc

    from trueup.reports.export import About, Rule

    rules = {
        check.title: Rule(check.kind, check.severity, f"# {check.kind}\n\n{cleandoc(check.__doc__ or '')}\n")
        for check in checks
    }
    return About("data", rules, source)
