"""MySQL and MariaDB: the dump of each, and their command-line clients to restore it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url

from trueup.backup import Tool, check_empty, made_database, program, run_program, secret_file
from trueup.errors import StoreError
from trueup.stores.sql import SqlStore

_TRAILER = b"-- Dump completed"


class InnodbTool(Tool):
    """A logical dump in one transaction; a table must be as before it, or as after it, to be verified."""

    ending = ".sql"
    # sessions cannot share a snapshot, and a lock on all tables would stop the application
    shares_snapshot = False
    dumps: tuple[str, ...]
    clients: tuple[str, ...]
    package: str
    more: tuple[str, ...] = ()

    @contextmanager
    def snapshot(self, store: SqlStore) -> Iterator[Connection]:
        """One snapshot for all the sums before the dump."""
        with store.connect() as connection:
            connection.rollback()
            connection.execute(text("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            connection.rollback()
            yield connection

    def dump(self, store: SqlStore, connection: Connection, tables: Sequence[str], path: Path) -> str:
        """The trailer is looked for: a dump that was cut off can exit well."""
        tool = program(*self.dumps, package=self.package)
        kept = () if tables else ("--routines", "--events")
        with _login(store.url) as options:
            command = [
                tool, options, "--single-transaction", "--quick", "--hex-blob", "--triggers", "--no-tablespaces",
                "--default-character-set=utf8mb4", *self.more, *kept, str(store.url.database), *tables,
            ]  # fmt: skip
            run_program(command, target=path)
        if not complete(path):
            raise StoreError("the dump ends before its last line")
        return Path(tool).name

    @contextmanager
    def scratch(self, store: SqlStore, path: Path, url: str) -> Iterator[str]:
        """A database of its own on the same server."""
        client = program(*self.clients, package=self.package)
        if not complete(path):
            raise StoreError("the dump ends before its last line")
        with ExitStack() as stack:
            if url:
                check_empty(url, store)
            else:
                url = stack.enter_context(_made(store))
            target = make_url(url)
            with _login(target) as options:
                command = [client, options, "--default-character-set=utf8mb4", f"--database={target.database}"]
                run_program(command, source=path)
            yield url


def complete(path: Path) -> bool:
    """Whether a dump has its last line."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 200))
        return _TRAILER in file.read()


@contextmanager
def _login(url: URL) -> Iterator[str]:
    """The option that names a private file with the connection in it."""
    parts = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": url.password,
        "socket": url.query.get("unix_socket"),
        "ssl-ca": url.query.get("ssl_ca"),
    }
    lines = [f'{name}="{_escaped(str(value))}"' for name, value in parts.items() if value]
    with secret_file("[client]\n" + "\n".join(lines) + "\n") as path:
        yield f"--defaults-extra-file={path}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


@contextmanager
def _made(store: SqlStore) -> Iterator[str]:
    with store.connect(write=True) as connection:
        row = connection.execute(text("SELECT @@character_set_database, @@collation_database")).one()
        with made_database(connection, store, f"CHARACTER SET {row[0]} COLLATE {row[1]}") as url:
            yield url
