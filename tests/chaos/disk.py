"""A disk that loses power, for SQLite: every write, sync, cut and deletion is recorded; what survives is played back.

The default VFS of the very library that Python's `sqlite3` uses goes on doing the work; its methods for writing are
replaced by ones that note first. Of what was not synced any part may survive, sector by sector; a file that was made or
deleted without a sync of its folder may be gone, or back.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

SECTOR = 512
_P, _I, _L = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_WRITE = ctypes.CFUNCTYPE(_I, _P, _P, _I, _L)
_TRUNCATE = ctypes.CFUNCTYPE(_I, _P, _L)
_SYNC = ctypes.CFUNCTYPE(_I, _P, _I)
# names as pointers: SQLite keeps the one it hands over
_OPEN = ctypes.CFUNCTYPE(_I, _P, _P, _P, _I, _P)
_DELETE = ctypes.CFUNCTYPE(_I, _P, _P, _I)


class _Methods(ctypes.Structure):
    """The beginning of sqlite3_io_methods, and room for the rest."""

    _fields_ = (
        ("version", _I),
        ("close", _P),
        ("read", _P),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        ("rest", _P * 13),
    )


class _File(ctypes.Structure):
    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


class _Vfs(ctypes.Structure):
    """The beginning of sqlite3_vfs."""

    _fields_ = (
        ("version", _I),
        ("file_size", _I),
        ("longest_name", _I),
        ("next", _P),
        ("name", ctypes.c_char_p),
        ("data", _P),
        ("open", _OPEN),
        ("delete", _DELETE),
    )


@dataclass(frozen=True, slots=True)
class Event:
    """`write` (at, data), `truncate` (at), `sync`, `delete` (at: whether the folder was synced), `mark` (a name)."""

    what: str
    name: str
    at: int = 0
    data: bytes = b""


@dataclass
class Recorder:
    """Notes, from its making on, what SQLite does to files in `folder` in this process."""

    folder: Path
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        path = ctypes.util.find_library("sqlite3") or "libsqlite3.so.0"
        library = ctypes.CDLL(path)
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._vfs = library.sqlite3_vfs_find(None).contents
        self._names: dict[int, str] = {}
        self._plain: dict[int, _Methods] = {}
        self._copies: dict[int, _Methods] = {}
        self._open, self._delete = _OPEN.from_buffer_copy(self._vfs.open), _DELETE.from_buffer_copy(self._vfs.delete)
        self._kept: list[Any] = [self._open, self._delete]
        self._vfs.open, self._vfs.delete = self._keep(_OPEN(self._opened)), self._keep(_DELETE(self._deleted))

    def _keep(self, callback: Any) -> Any:
        self._kept.append(callback)
        return callback

    def mark(self, text: str) -> None:
        """Note something that happened outside of the files."""
        self.events.append(Event("mark", text))

    def _mine(self, name: int | None) -> str:
        """The name of a file in the folder, or nothing."""
        path = Path(ctypes.string_at(name).decode()) if name else Path()
        return path.name if path.parent == self.folder else ""

    def _opened(self, vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
        told = int(self._open(vfs, name, file, flags, out))
        if told == 0 and self._mine(name):
            handle = ctypes.cast(file, ctypes.POINTER(_File)).contents
            place = ctypes.addressof(handle.methods.contents)
            self._names[file] = self._mine(name)
            if place not in self._copies:
                copy = _Methods.from_buffer_copy(handle.methods.contents)
                self._plain[place] = _Methods.from_buffer_copy(copy)
                copy.write = self._keep(_WRITE(self._noting("write", self._plain[place].write)))
                copy.truncate = self._keep(_TRUNCATE(self._noting("truncate", self._plain[place].truncate)))
                copy.sync = self._keep(_SYNC(self._noting("sync", self._plain[place].sync)))
                self._copies[place] = copy
            handle.methods = ctypes.pointer(self._copies[place])
        return told

    def _noting(self, what: str, plain: Callable[..., int]) -> Callable[..., int]:
        def write(file: int, data: int, count: int, at: int) -> int:
            self.events.append(Event(what, self._names[file], at, ctypes.string_at(data, count)))
            return plain(file, data, count, at)

        def other(file: int, number: int) -> int:
            told = plain(file, number)
            self.events.append(Event(what, self._names[file], number))
            return told

        return write if what == "write" else other

    def _deleted(self, vfs: int, name: int, sync: int) -> int:
        told = int(self._delete(vfs, name, sync))
        if told == 0 and self._mine(name):
            self.events.append(Event("delete", self._mine(name), sync))
        return told


@dataclass
class _Stored:
    """A file on the disk: what is safe, and the changes since that may be lost; whether its name is safe."""

    safe: bytearray | None
    loose: list[Event] = field(default_factory=list)
    named: bool = True


class Disk:
    """What is on the disk after the first events of a recording, when the power fails then."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = {name: _Stored(bytearray(data)) for name, data in files.items()}
        #: Files that were deleted while their folder was not synced: they may come back.
        self._ghosts: dict[str, _Stored] = {}

    def take(self, event: Event) -> None:
        """One more event."""
        if event.what == "mark":
            return
        if event.what == "delete":
            gone = self._files.pop(event.name, None)
            if event.at:
                self._ghosts.clear()  # the sync of the folder
                self._name_all()
            elif gone and gone.named:
                self._ghosts[event.name] = gone
            return
        file = self._files.get(event.name)
        if file is None:
            file = self._files[event.name] = _Stored(bytearray(), named=False)
        if event.what == "sync":
            for change in file.loose:
                _apply(file.safe, change)
            file.loose.clear()
            if not file.named:  # SQLite syncs the folder with the first sync of a file it made
                self._ghosts.clear()
                self._name_all()
        else:
            file.loose.append(event)

    def _name_all(self) -> None:
        for file in self._files.values():
            file.named = True

    def survive(self, rng: random.Random) -> dict[str, bytes]:
        """The files as they may be found when the power is back: chance decides what is safe beyond doubt."""
        found: dict[str, bytes] = {}
        share = rng.choice([0.0, 0.5, 1.0, rng.random()])
        for name, file in [*self._ghosts.items(), *self._files.items()]:
            if (name in self._ghosts and name not in self._files and rng.random() < 0.3) or (
                not file.named and rng.random() < 0.3
            ):
                continue
            data = bytearray(file.safe or b"")
            for change in file.loose:
                for part in _sectors(change):
                    if rng.random() < share:
                        _apply(data, part)
            found[name] = bytes(data)
        return found


def _apply(data: bytearray | None, change: Event) -> None:
    assert data is not None
    if change.what == "truncate":
        del data[change.at :]
        return
    end = change.at + len(change.data)
    if len(data) < end:
        data.extend(bytes(end - len(data)))
    data[change.at : end] = change.data


def _sectors(change: Event) -> list[Event]:
    """A change in the parts that can be lost one by one."""
    if change.what == "truncate":
        return [change]
    first = -change.at % SECTOR or SECTOR
    cuts = [0, *range(first, len(change.data), SECTOR), len(change.data)]
    return [Event("write", change.name, change.at + low, change.data[low:high]) for low, high in pairwise(cuts)]
