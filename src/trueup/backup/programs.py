"""Runs an engine's programs for backup and restore, and makes the scratch databases to restore into."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from trueup import output
from trueup.errors import StoreError, UsageError
from trueup.stores.sql import SqlDatabase, SqlStore

_CHUNK = 1 << 20


def program(*names: str, package: str) -> str:
    """Return the first of `names` on the PATH. Raises `UsageError` that says what to install."""
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise UsageError(f"there is no {names[0]} on the PATH; install {package}")


def told_version(tool: str) -> str:
    """Return the version that a program reports."""
    done = subprocess.run([tool, "--version"], stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603
    return done.stdout.decode("utf-8", "replace")


def run_program(
    command: Sequence[str],
    *,
    environment: Mapping[str, str | None] | None = None,
    source: Path | None = None,
    length: int = 0,
    target: Path | None = None,
    append: bool = False,
) -> None:
    """Run a program to its end; secrets are never in `command`. Raises `StoreError` with the program's error.

    It reads `source`, or its first `length` bytes, and writes `target`. In `environment`, None removes a variable.
    """
    changed = {**os.environ, **(environment or {})}
    stdout = output.again(target, append=append) if target else subprocess.DEVNULL
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own words, and names from the configuration
                list(command),
                stdin=subprocess.PIPE if source else subprocess.DEVNULL,
                stdout=stdout,
                stderr=errors,
                env={name: value for name, value in changed.items() if value is not None},
            )
        finally:
            if not isinstance(stdout, int):
                stdout.close()
        try:
            if source is not None:
                _feed(process, source, length or source.stat().st_size)
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace").strip().splitlines()
    if code:
        first = next((line for line in said if "error" in line.lower()), said[0] if said else "it said nothing")
        # the quoted text may be a value of the row at fault
        told = re.sub(r"'[^']*'?|\"[^\"]*\"?", "...", first)[:200]
        raise StoreError(f"{Path(command[0]).name} failed ({code}): {told}")


def _feed(process: subprocess.Popen[bytes], source: Path, length: int) -> None:
    assert process.stdin is not None
    try:
        with source.open("rb") as file:
            while length > 0 and (piece := file.read(min(length, _CHUNK))):
                length -= len(piece)
                process.stdin.write(piece)
        process.stdin.close()
    except BrokenPipeError:
        return  # it ended early, and its exit says why


@contextmanager
def secret_file(text: str) -> Iterator[str]:
    """Yield a private file for text that must not be on a command line; it is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="trueup-") as folder:
        path = Path(folder) / "secret"
        with output.fresh(path) as file:
            file.write(text.encode())
        yield str(path)


@contextmanager
def scratch_store(url: str) -> Iterator[SqlStore]:
    """Return a scratch database as a store."""
    store = SqlStore("scratch", url)
    try:
        yield store
    finally:
        store.close()


def check_empty(url: str, source: SqlStore) -> None:
    """Raise `UsageError` when a scratch database holds anything, or is the application's own."""
    with scratch_store(url) as copy, copy.connect() as connection:
        if copy.dialect.name != source.dialect.name:
            raise UsageError(f"the scratch database is {copy.dialect.name}, the store is {source.dialect.name}")
        if SqlDatabase(copy, connection).names():
            raise UsageError("the scratch database is not empty; nothing is ever restored over tables")


@contextmanager
def made_database(session: Connection, store: SqlStore, sql: str, ending: str = "") -> Iterator[str]:
    """Yield the URL of a database created with `CREATE DATABASE NAME {sql}`, dropped afterwards.

    `ending` is appended to the DROP DATABASE.
    """
    name = f"trueup_scratch_{secrets.token_hex(6)}"
    try:
        session.exec_driver_sql(f"CREATE DATABASE {name} {sql}")
    except DBAPIError as error:
        raise StoreError(
            f"cannot make a scratch database: {store.dialect.describe(error)}; "
            "name an empty one of your own with --scratch URL"
        ) from None
    try:
        yield with_database(store.url, name)
    finally:
        session.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}{ending}")


def with_database(url: URL, name: str) -> str:
    """Return the URL of another database on the same server, password included."""
    return url.set(database=name).render_as_string(hide_password=False)
