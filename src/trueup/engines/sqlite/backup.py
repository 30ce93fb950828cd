"""Backs up SQLite with its online backup, which copies the file page by page."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from trueup.backup.backup import Dumped, Tool
from trueup.errors import StoreError
from trueup.stores.sql import SqlStore


class SqliteTool(Tool):
    """Copies the whole file, whatever tables are asked for."""

    name = "sqlite"
    ending = ".db"

    @contextmanager
    def snapshot(self, store: SqlStore) -> Iterator[Connection]:
        """Open a read transaction. The snapshot begins with its first statement."""
        with store.connect() as connection:
            yield connection

    def dump(self, store: SqlStore, connection: Connection, tables: Sequence[str], path: Path) -> Dumped:
        """Run sqlite3_backup on the session that holds the snapshot."""
        raw: Any = connection.connection.driver_connection
        try:
            with closing(sqlite3.connect(path)) as target:
                raw.backup(target)
        except sqlite3.Error as error:  # of a full disk, or of the database itself
            raise StoreError(f"the backup could not be written: {store.dialect.describe(error)}") from None
        return Dumped(f"SQLite {sqlite3.sqlite_version} backup")

    @contextmanager
    def scratch(self, store: SqlStore, path: Path, url: str, quiet: int) -> Iterator[str]:
        """Copy the file and run SQLite's own check on the copy."""
        with tempfile.TemporaryDirectory(prefix="trueup-scratch-") as folder:
            if shutil.disk_usage(folder).free < 1.1 * path.stat().st_size:
                raise StoreError(f"there is no room for a copy of the backup in {tempfile.gettempdir()}")
            copy = Path(folder) / "scratch.db"
            shutil.copyfile(path, copy)
            try:
                with closing(sqlite3.connect(copy)) as connection:
                    told = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
            except sqlite3.Error as error:
                raise StoreError(f"the backup is no database that SQLite can read: {error}") from None
            if told != ["ok"]:
                raise StoreError(f"the backup does not pass integrity_check: {told[0].splitlines()[0]}")
            yield f"sqlite:///{copy}"
