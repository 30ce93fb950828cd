"""PostgreSQL: pg_dump and pg_restore."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url

from trueup.backup import Tool, check_empty, made_database, program, run_program, secret_file
from trueup.dialects._postgresql_session import pooled
from trueup.errors import UsageError
from trueup.stores.sql import SqlStore

_PACKAGE = "PostgreSQL's client programs, of the server's version or later"
_ENVIRONMENT = {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}


class PostgresqlTool(Tool):
    """A custom-format dump of the snapshot that the sums were made on."""

    name = "postgresql"
    ending = ".dump"
    limits = ("roles, and the rights of others than the owner, are not in a backup of one database",)

    @contextmanager
    def snapshot(self, store: SqlStore) -> Iterator[Connection]:
        """REPEATABLE READ, so that it can be exported."""
        with store.connect() as connection:
            if pooled(connection):  # pg_dump's settings would stay with sessions of the application
                raise UsageError(f"{store} is reached through a connection pooler, and pg_dump needs the server itself")
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            yield connection

    def dump(self, store: SqlStore, connection: Connection, tables: Sequence[str], path: Path) -> str:
        """pg_dump refuses a server that is newer than itself."""
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        tool = program("pg_dump", package=_PACKAGE)
        names = [part for name in tables for part in ("--table", _pattern(name))]
        with _login(store.url) as (options, environment):
            command = [tool, "--format=custom", "--no-password", f"--snapshot={snapshot}", f"--file={path}"]
            run_program([*command, *options, *names], environment=environment)
        return "pg_dump"

    @contextmanager
    def scratch(self, store: SqlStore, path: Path, url: str) -> Iterator[str]:
        """A database of its own on the same server, with the same encoding and locale."""
        tool = program("pg_restore", package=_PACKAGE)
        with ExitStack() as stack:
            if url:
                check_empty(url, store)
            else:
                url = stack.enter_context(_made(store))
            with _login(make_url(url)) as (options, environment):
                command = [tool, "--exit-on-error", "--no-owner", "--no-privileges", "--no-password"]
                run_program([*command, *options, str(path)], environment=environment)
            yield url


def _pattern(name: str) -> str:
    schema, dot, table = name.rpartition(".")
    return f'"{schema}"."{table}"' if dot else f'"{name}"'


@contextmanager
def _login(url: URL) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Options and environment for a client program; the password in a private file."""
    host = url.host or url.query.get("host") or ""
    parts = {"--host": host, "--port": url.port or url.query.get("port"), "--username": url.username}
    options = [f"{name}={value}" for name, value in parts.items() if value]
    environment = {_ENVIRONMENT[key]: str(value) for key, value in url.query.items() if key in _ENVIRONMENT}
    options.append(f"--dbname={url.database}")
    if not url.password:
        yield options, environment
        return
    escaped = str(url.password).replace("\\", "\\\\").replace(":", "\\:")
    with secret_file(f"*:*:*:*:{escaped}\n") as path:
        yield options, {**environment, "PGPASSFILE": path}


@contextmanager
def _made(store: SqlStore) -> Iterator[str]:
    with closing(store.open(write=True)) as connection:
        session = connection.execution_options(isolation_level="AUTOCOMMIT")
        session.execute(text("SET statement_timeout = 0"))  # a session of our own: `snapshot` refused any other
        row = session.execute(
            text(
                "SELECT pg_encoding_to_char(encoding) AS encoding, datcollate, datctype FROM pg_database"
                " WHERE datname = current_database()"
            )
        ).one()
        alike = f"TEMPLATE template0 ENCODING '{row.encoding}' LC_COLLATE '{row.datcollate}' LC_CTYPE '{row.datctype}'"
        with made_database(session, store, alike, ending=" WITH (FORCE)") as url:
            yield url
