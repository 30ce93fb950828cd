"""Files that a scan writes: found out to be impossible before the scan, and put in place only when whole."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trueup.errors import UsageError

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
def whole(path: str) -> Iterator[Path]:
    """A path to write to; what is there becomes `path` when the block ends well, and vanishes when it does not.

    A pipe or a device is written to directly. Raises `UsageError` when it cannot be written.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        yield target
        return
    part = target.with_name(target.name + ".part")
    try:
        yield part
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"cannot write {path!r}: {error.strerror or type(error).__name__}") from None
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def exporting(path: str | None) -> Iterator[Callable[[Finding], None] | None]:
    """A sink that writes each finding to `path`; None when there is none."""
    if path is None:
        yield None
        return
    kind = export_format(path)
    with whole(path) as part:
        export = kind(part)
        try:
            yield export.add
        finally:
            export.close()


def write_text(path: str, text: str) -> None:
    """Write a document to `path`; `-` is stdout."""
    if path == "-":
        sys.stdout.write(text)
        return
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")
