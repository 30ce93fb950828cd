"""PostgreSQL: pg_dump and pg_restore."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url

from trueup.backup.backup import Dumped, Tool
from trueup.backup.programs import check_empty, made_database, program, run_program, secret_file
from trueup.engines.postgresql.session import pooled
from trueup.errors import StoreError, UsageError
from trueup.stores.sql import SqlStore

_PACKAGE = "PostgreSQL's client programs, of the server's version or later"
_ENVIRONMENT = {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}
#: Kinds in pg_restore's list that would act in a scratch copy or reach out of it, and comments, which may be on them.
_ACTING = (
    "EVENT TRIGGER", "TRIGGER", "RULE", "SUBSCRIPTION", "PUBLICATION", "POLICY", "ROW SECURITY", "DEFAULT ACL", "ACL",
    "USER MAPPING", "MATERIALIZED VIEW DATA", "STATISTICS", "SECURITY LABEL", "DATABASE", "COMMENT",
)  # fmt: skip
#: Extensions that run jobs in the databases where they are installed, with the schemas of their tables.
_WORKING = {"pg_cron": "cron", "timescaledb": "_timescaledb_config", "pglogical": "pglogical", "citus": "citus"}


class PostgresqlTool(Tool):
    """Writes a custom-format dump from the same snapshot that the checksums were computed on."""

    name = "postgresql"
    ending = ".dump"
    limits = ("roles, and the rights of others than the owner, are not in a backup of one database",)

    @contextmanager
    def snapshot(self, store: SqlStore) -> Iterator[Connection]:
        """Open a REPEATABLE READ transaction, whose snapshot can be exported to pg_dump."""
        with store.connect() as connection:
            if pooled(connection):  # pg_dump's settings would stay with sessions of the application
                raise UsageError(f"{store} is reached through a connection pooler, and pg_dump needs the server itself")
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            yield connection

    def dump(self, store: SqlStore, connection: Connection, tables: Sequence[str], path: Path) -> Dumped:
        """Run pg_dump. It refuses a server that is newer than itself, and rows that row security hides.

        Chosen tables are dumped by excluding all other tables, so that the schemas, types and functions they need are
        in the dump.
        """
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        tool = program("pg_dump", package=_PACKAGE)
        chosen = [store.dialect.table(connection, name).sql for name in tables]
        wanted = {(str(table.schema), str(table.name)) for table in chosen}
        wanted |= _parts(connection, wanted)
        others = [(row.schema, row.name) for row in connection.execute(text(_RELATIONS))] if wanted else []
        apart = [f"--exclude-table={_pattern(*one)}" for one in others if one not in wanted]
        if wanted:
            apart += ["--no-publications", "--no-subscriptions"]
        with _login(store.url) as (options, environment):
            command = [tool, "--format=custom", "--no-password", f"--snapshot={snapshot}", f"--file={path}"]
            run_program([*command, *options, *apart], environment=environment)
        hidden = connection.execute(text(_HIDDEN)).scalar_one()
        limits = ("subscriptions are not in it: only a superuser can back them up",) if hidden else ()
        return Dumped("pg_dump", 0, limits)

    @contextmanager
    def scratch(self, store: SqlStore, path: Path, url: str, quiet: int) -> Iterator[str]:
        """Restore into a new database on the same server, with the same encoding and locale."""
        tool = program("pg_restore", package=_PACKAGE)
        with ExitStack() as stack:
            if url:
                check_empty(url, store)
            else:
                url = stack.enter_context(_made(store))
            listed = stack.enter_context(secret_file("\n".join(_still(tool, path)) + "\n"))
            with _login(make_url(url)) as (options, environment):
                command = [tool, "--exit-on-error", "--no-owner", "--no-privileges", "--no-password",
                           f"--use-list={listed}"]  # fmt: skip
                run_program([*command, *options, str(path)], environment=environment)
            yield url


_RELATIONS = (
    "SELECT CAST(n.nspname AS text) AS schema, CAST(c.relname AS text) AS name FROM pg_class c JOIN pg_namespace n"
    " ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'"
    " AND n.nspname <> 'information_schema'"
)
_INHERITED = (
    "SELECT CAST(n.nspname AS text) AS schema, CAST(c.relname AS text) AS name, CAST(m.nspname AS text) AS above,"
    " CAST(p.relname AS text) AS parent FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n"
    " ON n.oid = c.relnamespace JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace m ON m.oid = p.relnamespace"
)
_HIDDEN = (
    "SELECT EXISTS (SELECT 1 FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
    " WHERE d.datname = current_database()) AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
)


def _parts(connection: Connection, wanted: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the partitions of the tables, and the partitions of those in turn."""
    pairs = [((row.above, row.parent), (row.schema, row.name)) for row in connection.execute(text(_INHERITED))]
    found: set[tuple[str, str]] = set()
    while more := {child for parent, child in pairs if parent in wanted | found} - found:
        found |= more
    return found


def _still(tool: str, path: Path) -> Iterator[str]:
    """Yield the lines of a dump's table of contents without those that act (triggers, rules ...)."""
    done = subprocess.run(  # noqa: S603 - our own words
        [tool, "--list", str(path)], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        raise StoreError(f"pg_restore failed ({done.returncode}): the file cannot be read as a dump")
    for line in done.stdout.decode("utf-8", "surrogateescape").splitlines():
        # `215; 1259 16386 TABLE public users owner`
        number, _, rest = line.partition("; ")
        words = rest.split(" ", 2)
        if not number.isdigit() or len(words) < 3:
            continue
        what = words[2]
        if any(what.startswith(f"{kind} ") for kind in _ACTING):
            continue
        name = what.split(" ")
        if name[0] == "EXTENSION" and name[2:] and name[2] in _WORKING:
            continue
        if name[1] in ("DATA", "SET") and name[2:] and name[2] in _WORKING.values():
            continue
        yield f"{number};"


def _pattern(schema: str, table: str) -> str:
    """Return a pattern for pg_dump that matches this one table only."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))


@contextmanager
def _login(url: URL) -> Iterator[tuple[list[str], dict[str, str | None]]]:
    """Return the options and the environment for a client program. The password goes into a private file."""
    host = url.host or url.query.get("host") or ""
    parts = {"--host": host, "--port": url.port or url.query.get("port"), "--username": url.username}
    options = [f"{name}={value}" for name, value in parts.items() if value]
    environment: dict[str, str | None] = {
        _ENVIRONMENT[key]: str(value) for key, value in url.query.items() if key in _ENVIRONMENT
    }
    # a bare name with `=` in it would be read as a connection string
    name = str(url.database).replace("\\", "\\\\").replace("'", "\\'")
    options.append(f"--dbname=dbname='{name}'")
    if not url.password:
        yield options, environment
        return
    escaped = str(url.password).replace("\\", "\\\\").replace(":", "\\:")
    with secret_file(f"*:*:*:*:{escaped}\n") as path:
        yield options, {**environment, "PGPASSWORD": None, "PGPASSFILE": path}


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
