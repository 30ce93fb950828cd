"""Files that a scan writes: found out to be impossible before the scan, and put in place only when whole."""

from __future__ import annotations

import errno
import os
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


def writable(path: str | None) -> None:
    """Raise `UsageError` now when `path` cannot become a file, so that no scan is made in vain."""
    if path is None or path == "-":
        return
    target = Path(path)
    with _told(path):
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not target.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not os.access(target.parent, os.W_OK) and not target.exists():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write {path!r}: {error.strerror or type(error).__name__}") from None


@contextmanager
def whole(path: str) -> Iterator[Path]:
    """A path to write to; what is there becomes `path` when the block ends well, and vanishes when it does not.

    A pipe or a device is written to directly.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        yield target
        return
    part = target.with_name(target.name + ".part")
    try:
        yield part
        with _told(path):
            part.replace(target)
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
    writable(path)
    with whole(path) as part:
        with _told(path):
            export = kind(part)

        def sink(finding: Finding) -> None:
            # only what the file says is about the file: a scan has errors of its own
            with _told(path):
                export.add(finding)

        try:
            yield sink
        finally:
            with _told(path):
                export.close()


def write_text(path: str, text: str) -> None:
    """Write a document to `path`; `-` is stdout."""
    if path == "-":
        sys.stdout.write(text)
        return
    with whole(path) as part, _told(path):
        part.write_text(text, encoding="utf-8")
