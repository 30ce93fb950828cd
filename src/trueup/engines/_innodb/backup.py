"""Backs up MySQL and MariaDB with the dump program of each, and restores with their command-line clients.

A dump is written in two parts of one file: tables with their rows, and behind them everything that acts (triggers,
routines, events, views). A scratch copy on the application's own server is made of the first part alone: an event in it
would run there too, on whatever database it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

from trueup.backup.backup import Dumped, Tool
from trueup.backup.programs import check_empty, made_database, program, run_program, secret_file, told_version
from trueup.errors import Refused, StoreError, UsageError
from trueup.stores.sql import SqlStore

_TRAILER = b"-- Dump completed"
#: Tables of other engines may stand for tables elsewhere: what is restored into them is written there.
_OWN = frozenset({"innodb", "myisam", "aria", "memory", "archive", "csv", "blackhole", "rocksdb", "sequence"})
# a name at the beginning of a line of a dump is never inside of a value, where a line's end is spelled \n
_ELSEWHERE = re.compile(rb"^\s*(?:/\*!\d*\s*)?(?:USE\b|(?:CREATE|DROP|ALTER)\s+(?:DATABASE|SCHEMA)\b)", re.IGNORECASE)


class InnodbTool(Tool):
    """Writes a logical dump in one transaction.

    To be verified, a table must match its sums from before or after the dump.
    """

    ending = ".sql"
    # sessions cannot share a snapshot, and a lock on all tables would stop the application
    shares_snapshot = False
    dumps: tuple[str, ...]
    clients: tuple[str, ...]
    package: str
    more: tuple[str, ...] = ()
    #: Whether MariaDB's programs are acceptable.
    mariadb = False

    @contextmanager
    def snapshot(self, store: SqlStore) -> Iterator[Connection]:
        """Open one snapshot for all the checksums before the dump."""
        with store.connect() as connection:
            connection.rollback()
            connection.execute(text("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            connection.rollback()
            yield connection

    def dump(self, store: SqlStore, connection: Connection, tables: Sequence[str], path: Path) -> Dumped:
        """Write the dump and check that it has its last line: a dump that was cut off can exit with 0."""
        tool = self._program(self.dumps)
        own = str(store.url.database)
        views = list(connection.execute(text(_VIEWS)).scalars())
        apart = [f"--ignore-table={own}.{view}" for view in views]
        definitions = ["--no-data", "--no-create-info", "--triggers"]
        with _login(store.url) as options:
            begin = [tool, options, "--single-transaction", "--quick", "--hex-blob", "--no-tablespaces",
                     "--default-character-set=utf8mb4", *self.more]  # fmt: skip
            # what follows -- is a name, whatever it begins with
            run_program([*begin, "--skip-triggers", *apart, "--", own, *tables], target=path)
            self._whole(path)
            quiet = path.stat().st_size
            kept = [] if tables else ["--routines", "--events"]
            run_program([*begin, *definitions, *kept, *apart, "--", own, *tables], target=path, append=True)
            self._whole(path)
            if views and not tables:
                run_program([*begin, "--no-data", "--skip-triggers", "--", own, *views], target=path, append=True)
                self._whole(path)
        return Dumped(Path(tool).name, quiet, tuple(_limits(connection, whole=not tables)))

    def restorable(self, connection: Connection, tables: Sequence[str]) -> None:
        """Allow only tables that the server stores itself: others may stand for tables elsewhere."""
        own_tables(connection, tables)

    def _whole(self, path: Path) -> None:
        if not complete(path):
            raise StoreError("the dump ends before its last line")

    def _program(self, names: Sequence[str]) -> str:
        found = program(*names, package=self.package)
        if not self.mariadb and "mariadb" in told_version(found).lower():
            raise UsageError(
                f"the {names[0]} on the PATH is MariaDB's, which cannot serve MySQL; put MySQL's own first"
            )
        return found

    @contextmanager
    def scratch(self, store: SqlStore, path: Path, url: str, quiet: int) -> Iterator[str]:
        """Restore tables and rows, and nothing that acts, into a new database on the same server."""
        client = self._program(self.clients)
        if not complete(path):
            raise StoreError("the dump ends before its last line")
        _stays(path, quiet)
        with ExitStack() as stack:
            unlogged = stack.enter_context(_unlogged(store))
            if url:
                check_empty(url, store)
            else:
                url = stack.enter_context(_made(store))
            target = make_url(url)
            with _login(target) as options:
                command = [client, options, "--default-character-set=utf8mb4"]
                # a server may have its sessions commit nothing by themselves
                pins = "SET SESSION autocommit = 1" + (", SESSION sql_log_bin = 0" if unlogged else "")
                command.append(f"--init-command={pins}")
                run_program([*command, f"--database={target.database}"], source=path, length=quiet)
            yield url


_VIEWS = "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()"
_ENGINES = (
    "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
    " AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')"
)
#: The privileges that show each kind of object; an account without all of a line's privileges may miss some.
_SHOWN = {
    "tables": ("SELECT",),
    "triggers": ("TRIGGER",),
    "events": ("EVENT",),
    "routines": ("SHOW_ROUTINE", "ALTER ROUTINE", "EXECUTE"),
}


def _limits(connection: Connection, *, whole: bool) -> Iterator[str]:
    """Return what the account may not see, which therefore may be missing from the backup."""
    grants = [str(row[0]) for row in connection.exec_driver_sql("SHOW GRANTS")]
    own = str(connection.exec_driver_sql("SELECT DATABASE()").scalar_one())
    spelled = {own.replace("`", "``"), own.replace("`", "``").replace("_", r"\_").replace("%", r"\%")}
    given = {word for grant in grants for word in _words(grant, spelled)}
    for what, words in _SHOWN.items():
        if (whole or what == "triggers") and not given & {*words, "ALL PRIVILEGES"}:
            needed = words[0] if what != "routines" else "EXECUTE"
            yield f"{what} that the account may not see are not in it: it lacks {needed} on the database"
    hidden = [grant for grant in grants if grant.startswith("REVOKE") and any(f"`{one}`." in grant for one in spelled)]
    if hidden:
        yield "what a partial revoke hides from the account is not in it"


def _words(grant: str, databases: set[str]) -> set[str]:
    """Return the privileges in a line of SHOW GRANTS that apply to everything or to a whole database."""
    found = re.match(r"GRANT (.+) ON (?:(\*\.\*)|`((?:[^`]|``)*)`\.\*) TO ", grant)
    if found is None or (found[3] is not None and found[3] not in databases):
        return set()
    return {word.strip() for word in found[1].split(",")}


def _stays(path: Path, quiet: int) -> None:
    """Raise `Refused` where the part to restore would switch to another database."""
    with path.open("rb") as file:
        while file.tell() < quiet:
            line = file.readline(1 << 16)
            if not line:
                break
            if _ELSEWHERE.match(line):
                raise Refused("the backup names a database of its own to restore into, so it is not restored beside it")
            while line and not line.endswith(b"\n"):
                line = file.readline(1 << 16)


@contextmanager
def _unlogged(store: SqlStore) -> Iterator[bool]:
    """Whether the account may keep a session out of the binary log. Replicas need no scratch copies."""
    with store.connect(write=True) as connection:
        try:
            connection.exec_driver_sql("SET SESSION sql_log_bin = 0")
        except DBAPIError:
            connection.rollback()
            yield False
            return
    yield True


def own_tables(connection: Connection, tables: Sequence[str]) -> None:
    """Raise `Refused` where a table stores its rows elsewhere: restoring a copy would write them there."""
    for name, engine in connection.exec_driver_sql(_ENGINES):
        if str(name) in tables and str(engine or "").lower() not in _OWN:
            raise Refused(
                f"{name} is a table of the engine {engine}, whose rows may be kept elsewhere; a backup of the database "
                "cannot be restored beside it; name the tables to back up with --table"
            )


def complete(path: Path) -> bool:
    """Whether a dump ends with its last line."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 200))
        return _TRAILER in file.read()


@contextmanager
def _login(url: URL) -> Iterator[str]:
    """Return the option that names a private file with the connection and prevents reading any other option file."""
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
        yield f"--defaults-file={path}"


def _escaped(value: str) -> str:
    for sign, word in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        value = value.replace(sign, word)
    return value


@contextmanager
def _made(store: SqlStore) -> Iterator[str]:
    with store.connect(write=True) as connection:
        try:
            connection.exec_driver_sql("SET SESSION sql_log_bin = 0")
        except DBAPIError:  # without the right to, replicas see the scratch copy come and go
            connection.rollback()
        row = connection.execute(text("SELECT @@character_set_database, @@collation_database")).one()
        with made_database(connection, store, f"CHARACTER SET {row[0]} COLLATE {row[1]}") as url:
            yield url
