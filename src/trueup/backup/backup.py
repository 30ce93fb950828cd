"""Makes backups with the engine's own tools, and proves that one can be restored.

A backup is a file and a record beside it (`<file>.json`): what was backed up, when, its SHA-256, and checksums of every
column that is not computed, taken on the same snapshot where the engine can share one. It is *verified* when the file
is restored into a scratch database and every table has the shape, the rows and the sums of the record. A backup with
any difference is never called verified. Nothing is ever restored over the application's own database.
"""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from trueup import discovery, output
from trueup.backup.checksums import TableSum, differences, sums
from trueup.backup.programs import scratch_store
from trueup.errors import PlanError, StoreError, UsageError
from trueup.results import Progress
from trueup.stores.sql import SqlDatabase, SqlStore

FORMAT = 1
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The record of a backup. Times are seconds since 1970 on the database's clock.

    `tables` is empty for the whole database; `sums` and `after` are of the tables before and after the dump, and equal
    where the dump shares their snapshot. `limits` names what cannot be guaranteed. For a backup that is not verified
    `verified` is 0 and `problems` says why.
    """

    file: str
    sha256: str
    size: int
    engine: str
    version: str
    tool: str
    environment: str
    identity: Mapping[str, str]
    tables: tuple[str, ...]
    taken: int
    sums: Mapping[str, TableSum]
    after: Mapping[str, TableSum]
    limits: tuple[str, ...] = ()
    verified: int = 0
    problems: tuple[str, ...] = ()
    #: The length in bytes of the first part, which holds tables and rows only; 0 where the file has no such part.
    quiet: int = 0

    @property
    def rows(self) -> int:
        """Return the number of rows in all tables."""
        return sum(one.rows for one in self.sums.values())


@dataclass(frozen=True, slots=True)
class Dumped:
    """The result of a dump: the program, the length of the part that only holds rows, what may be missing."""

    tool: str
    quiet: int = 0
    limits: tuple[str, ...] = ()


class Tool(ABC):
    """Dumps and restores one engine's databases."""

    name: str
    #: The ending of a backup's file.
    ending: str
    #: Whether the sums can be computed on the same snapshot that is dumped.
    shares_snapshot: bool = True
    #: What no backup by this tool can guarantee.
    limits: tuple[str, ...] = ()

    @abstractmethod
    def snapshot(self, store: SqlStore) -> AbstractContextManager[Connection]:
        """Open a session on one snapshot of the database, for the sums and for `dump`."""

    @abstractmethod
    def dump(self, store: SqlStore, connection: Connection, tables: Sequence[str], path: Path) -> Dumped:
        """Write the backup to `path`, which exists, empty and private."""

    @abstractmethod
    def scratch(self, store: SqlStore, path: Path, url: str, quiet: int) -> AbstractContextManager[str]:
        """Yield the URL of a scratch database with the restored backup, dropped afterwards.

        `url` is an empty database to use instead of a new one. Nothing in it acts: no trigger, event, rule, publication
        or subscription of the application's is restored. Raises `StoreError` when the backup cannot be restored.
        """

    def restorable(self, connection: Connection, tables: Sequence[str]) -> None:  # noqa: B027 - most always are
        """Raise `Refused` where restoring these tables beside the live ones would write elsewhere."""


def tool_of(store: SqlStore) -> Tool:
    """Return the tools of a store's engine."""
    with store.connect():
        pass  # the server says what it really is
    return discovery.load("engines", store.dialect.name, Tool, "backup")()


def take(
    store: SqlStore,
    folder: Path,
    tables: Sequence[str],
    environment: str,
    identity: Mapping[str, str],
    progress: Progress,
) -> Record:
    """Write a backup and its record into `folder`, with a timestamp in the name, readable by the owner only."""
    tool = tool_of(store)
    with output.told(folder):
        output.folder(folder)
    with tool.snapshot(store) as connection:
        database = SqlDatabase(store, connection)
        taken = int(database.ask(select(store.dialect.now()))[0][0])
        names = _with_parents(database, tables)
        tool.restorable(connection, names)
        stamp = datetime.fromtimestamp(taken, UTC).strftime("%Y%m%dT%H%M%SZ")
        path = folder / f"{store.name}-{stamp}{tool.ending}"
        progress.task("summing up every column", len(names))
        before = sums(database, names, progress)
        progress.task(f"writing {path.name}", None)
        with _private(path):
            dumped = tool.dump(store, connection, names if tables else (), path)
            _sync(path)
        about = store.dialect.version(connection)
        connection.rollback()
    after = before
    if not tool.shares_snapshot:
        progress.task("summing up every column again", len(names))
        with store.connect() as connection:
            after = sums(SqlDatabase(store, connection), names, progress)
    inexact = [
        f"{table}.{column} is a FLOAT: exact to the six digits that the dump writes"
        for table, one in before.items()
        for column in one.coarse
    ]
    record = Record(
        file=str(path),
        sha256=sha256(path),
        size=path.stat().st_size,
        engine=store.dialect.name,
        version=about,
        tool=dumped.tool,
        environment=environment,
        identity=dict(identity),
        tables=tuple(names) if tables else (),
        taken=taken,
        sums=before,
        after=after,
        limits=(*tool.limits, *dumped.limits, *inexact),
        quiet=dumped.quiet,
    )
    write_record(record)
    return record


def verify(store: SqlStore, record: Record, scratch: str, progress: Progress) -> Record:
    """Restore the backup into a scratch database, compare, and write the outcome into the record."""
    problems: list[str] = []
    path = Path(record.file)
    if not path.is_file():
        raise UsageError(f"the backup {record.file!r} is not there")
    if sha256(path) != record.sha256:
        problems.append("the file is not as it was written: its SHA-256 differs")
    else:
        try:
            problems += _restored(store, record, scratch, progress)
        except StoreError as error:
            problems.append(str(error))
    with store.connect() as connection:
        now = int(SqlDatabase(store, connection).ask(select(store.dialect.now()))[0][0])
    told = replace(record, verified=0 if problems else now, problems=tuple(problems))
    write_record(told)
    return told


def _restored(store: SqlStore, record: Record, scratch: str, progress: Progress) -> list[str]:
    progress.task("restoring into a scratch database", None)
    with (
        restored(store, record, scratch) as copy,
        copy.connect() as connection,
    ):
        database = SqlDatabase(copy, connection)
        names = database.names()
        progress.task("comparing every column", len(names))
        # a dump of chosen tables holds no others, except a SQLite one, which holds all
        wanted = [name for name in names if not record.tables or name in record.tables]
        found = sums(database, wanted, progress)
    return differences(record.sums, record.after, found)


@contextmanager
def restored(store: SqlStore, record: Record, scratch: str) -> Iterator[SqlStore]:
    """Yield a scratch database with the restored backup as a store.

    It is dropped afterwards, unless `scratch` names one.
    """
    tool = tool_of(store)
    with tool.scratch(store, Path(record.file), scratch, record.quiet) as url, scratch_store(url) as copy:
        yield copy


def _with_parents(database: SqlDatabase, tables: Sequence[str]) -> list[str]:
    """Return the tables with all tables they refer to, without which they cannot be restored.

    An empty result stands for the whole database.
    """
    if not tables:
        return database.names()
    found: list[str] = []
    waiting = list(tables)
    while waiting:
        table = database.table(waiting.pop())
        if table.name not in found:
            found.append(table.name)
            waiting += [reference.parent for reference in table.references]
    return sorted(found)


@contextmanager
def _private(path: Path) -> Iterator[None]:
    """Create an empty file that only the owner may read. It is deleted when writing it fails."""
    try:
        output.fresh(path).close()
    except OSError as error:
        raise UsageError(f"cannot write the backup {str(path)!r}: {error.strerror}") from None
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    path.chmod(0o600)


def _sync(path: Path) -> None:
    with output.again(path) as file:
        os.fsync(file.fileno())


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            found.update(piece)
    return found.hexdigest()


def record_path(file: str) -> Path:
    """Return the path of a backup's record."""
    return Path(file if file.endswith(".json") else f"{file}.json")


def write_record(record: Record) -> None:
    """Write the record beside the backup, atomically."""
    output.write(record_path(record.file), json.dumps({"format": FORMAT, **asdict(record)}, indent=2))


def read_record(file: str) -> Record:
    """Read the record of a backup. Raises `UsageError` when there is none that can be read."""
    path = record_path(file)
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("format") != FORMAT:
            raise PlanError(f"{str(path)!r} is a record of another version of trueup")
        for side in ("sums", "after"):
            document[side] = {
                name: TableSum(**{**one, "coarse": tuple(one["coarse"])}) for name, one in document[side].items()
            }
        for name in ("tables", "limits", "problems"):
            document[name] = tuple(document[name])
        return Record(**document)
    except OSError as error:
        raise UsageError(f"there is no record of a backup at {str(path)!r}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{str(path)!r} is no record of a backup") from None
