"""The one way to write a file: fresh, private, whole, and never through a link.

Everything that trueup writes may hold values of the data. So each file is made under a name that nobody can foresee or
have made before (`O_EXCL`), readable by its owner only, in the folder where it is wanted; written out and synced; and
only then moved over its name, which replaces what stands there and never follows it. What fails leaves nothing behind.
A test keeps every other way to write out of the package.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from trueup.errors import TrueupError, UsageError

#: Of everything that may hold values of the data, and of every folder made for it.
PRIVATE, PRIVATE_FOLDER = 0o600, 0o700
#: Of what holds none: less the umask, as every other program does it.
COMMON = 0o666

_FRESH = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# names for a descriptor that is open already: links by nature, and not made by anybody
_DESCRIPTOR = re.compile(r"/dev/(stdin|stdout|stderr)|(?:/dev/fd|/proc/self/fd)/(\d{1,9})")
_STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2}
#: What some file systems answer to a sync of a folder: they have no such thing.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
#: A disk at fault, and not the name that was given.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)


class Output:
    """A file in the making: write to `file`, then `keep` or `discard` it. A pipe or a device is written to directly.

    Raises `UsageError` when `path` cannot become a file. `like` is the file that is to keep its mode and its owner.
    """

    file: IO[bytes]

    def __init__(
        self, path: str | Path, *, private: bool = True, durable: bool = True, like: Path | None = None
    ) -> None:
        self.path = Path(path)
        self._durable = durable
        self._folder = -1
        self._name = f".trueup-{secrets.token_hex(8)}"
        with told(path):
            descriptor = _stream(path)
            if descriptor is None:
                self._folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    descriptor = os.open(self._name, _FRESH, PRIVATE if private else COMMON, dir_fd=self._folder)
                    if like is not None:
                        _as(descriptor, like.stat())
                except BaseException:
                    os.close(self._folder)
                    raise
            self.file = os.fdopen(descriptor, "wb")

    def keep(self) -> None:
        """Make it durable and put it in its place. Raises `UsageError`, and then nothing is left behind."""
        try:
            with told(self.path):
                self.file.flush()
                if self._folder >= 0 and self._durable:
                    os.fsync(self.file.fileno())
                self.file.close()
                if self._folder >= 0:
                    os.replace(self._name, self.path.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
                    if self._durable:
                        _sync(self._folder)
        except BaseException:
            self.discard()
            raise
        self._close()

    def discard(self) -> None:
        """Leave nothing behind."""
        if not self.file.closed:
            # what is still buffered may not fit on the disk: it is not wanted any more
            with suppress(OSError):
                self.file.close()
        if self._folder >= 0:
            with suppress(FileNotFoundError):
                os.unlink(self._name, dir_fd=self._folder)
        self._close()

    def _close(self) -> None:
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1


def _stream(path: str | Path) -> int | None:
    """A descriptor of what is written to directly; None for a file. Raises `OSError` for what is neither."""
    if (found := _DESCRIPTOR.fullmatch(str(path))) is not None:
        return os.dup(_STREAMS[found[1]] if found[1] else int(found[2]))
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISREG(mode):
        return None
    _may_be_written(path, mode)
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)  # changed under our hands: a file is never written in place
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def _may_be_written(path: str | Path, mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise UsageError(f"cannot write {str(path)!r}: it is a symbolic link; name the file itself")
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        raise UsageError(f"cannot write {str(path)!r}: it is no file, pipe or character device")


def _as(descriptor: int, known: os.stat_result) -> None:
    os.fchmod(descriptor, stat.S_IMODE(known.st_mode))
    with suppress(PermissionError):  # only root gives a file away
        os.fchown(descriptor, known.st_uid, known.st_gid)


def _sync(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


@contextmanager
def told(path: str | Path) -> Iterator[None]:
    """Turn an `OSError` about `path` into one line: a `UsageError`, or a `TrueupError` when the disk is at fault.

    A reader that has gone stays what it is.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        kind = TrueupError if error.errno in FULL else UsageError
        raise kind(f"cannot write {str(path)!r}: {error.strerror or type(error).__name__}") from None
    except ValueError:  # what no file system takes for a name: NUL, a lone surrogate
        raise UsageError(f"cannot write {str(path)!r}: that is no name of a file") from None


def writable(path: str | Path | None) -> None:
    """Raise `UsageError` now when `path` cannot become a file, so that no work is done in vain; `-` is stdout."""
    if path is None or str(path) == "-" or _DESCRIPTOR.fullmatch(str(path)):
        return
    target = Path(path)
    with told(path):
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            if not target.parent.is_dir():
                raise
        else:
            _may_be_written(path, mode)
            if not stat.S_ISREG(mode):
                return
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def whole(
    path: str | Path, *, private: bool = True, durable: bool = True, like: Path | None = None
) -> Iterator[IO[bytes]]:
    """A file to write to; it takes its place when the block ends well, and vanishes when it does not."""
    made = Output(path, private=private, durable=durable, like=like)
    try:
        yield made.file
    except BaseException:
        made.discard()
        raise
    made.keep()


def write(
    path: str | Path, content: str | bytes, *, private: bool = True, durable: bool = True, like: Path | None = None
) -> None:
    """Write a whole document to `path`; `-` is stdout. Text becomes UTF-8, what cannot be encoded is escaped."""
    if str(path) == "-" and isinstance(content, str):
        sys.stdout.write(content)
        return
    data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    with whole(path, private=private, durable=durable, like=like) as file, told(path):
        file.write(data)


def append(path: str | Path, line: str) -> None:
    """Add a line to a private file of records, in one write. Raises `OSError`, also where a link or no file stands."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(descriptor, "ab") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        file.write((line + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def fresh(path: str | Path) -> IO[bytes]:
    """A new file at a place where nothing stands. Raises `OSError`."""
    return os.fdopen(os.open(path, _FRESH, PRIVATE), "wb")


def again(path: str | Path, *, append: bool = False) -> IO[bytes]:
    """A file that `fresh` made, opened once more: for a program to fill, or to be synced. Raises `OSError`."""
    more = os.O_APPEND if append else 0
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | more), "wb")


def mark(path: str | Path) -> None:
    """Let an empty file stand at `path`, for others to see that it is there. Raises `OSError`."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, COMMON))


def folder(path: str | Path) -> Path:
    """A folder, made for its owner only when it is not there, with the folders above it. Raises `OSError`."""
    found = Path(path)
    missing = [one for one in (found, *found.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    if not found.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return found
