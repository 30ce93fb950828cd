"""The findings that a scan exports, in the format that the file's ending names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trueup.errors import UsageError
from trueup.output import told, whole, writable

if TYPE_CHECKING:
    from trueup.findings import Finding
    from trueup.reports import Export


def export_format(path: str) -> type[Export]:
    """The format that the ending of `path` names. Raises `UsageError` that lists the endings there are."""
    from trueup import discovery
    from trueup.reports import Export

    known: dict[str, type[Export]] = {}
    for name in discovery.names("reports"):
        try:
            known[f".{name}"] = discovery.load("reports", name, Export)
        except UsageError:
            continue  # a report that is no format for findings
    ending = Path(path).suffix.lower()
    if ending not in known:
        raise UsageError(f"cannot export to {path!r}: the ending must be one of {', '.join(known)}")
    return known[ending]


@contextmanager
def exporting(path: str | None) -> Iterator[Callable[[Finding], None] | None]:
    """A sink that writes each finding to `path`; None when there is none."""
    if path is None:
        yield None
        return
    kind = export_format(path)
    writable(path)
    with whole(path) as file:
        with told(path):
            export = kind(file)

        def sink(finding: Finding) -> None:
            # only what the file says is about the file: a scan has errors of its own
            with told(path):
                export.add(finding)

        try:
            yield sink
        finally:
            with told(path):
                export.close()
