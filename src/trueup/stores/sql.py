"""A relational database as a store: connections, streamed results, and the rows that checks build on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, Executable
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from trueup import discovery
from trueup.check import Row
from trueup.errors import NotChecked, StoreError, UsageError
from trueup.redaction import learn, redacted
from trueup.sql.dialect import Dialect
from trueup.sql.refusals import why
from trueup.sql.tables import Table

PAGE = 1000
#: Parts of a URL that may be shown: host names, addresses, folders of sockets; names of databases.
_HOST = re.compile(r"[\w.-]+|[0-9A-Fa-f:.]+|/[\w./-]+")
_DATABASE = re.compile(r"[\w.$ -]+")


class SqlStore:
    """One database. Reading sessions cannot write; only the journal opens writing ones."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = parse(name, url)
        scheme = self.url.get_backend_name()
        known = discovery.names("engines")
        if scheme not in known:
            raise UsageError(f"store {name!r}: no dialect for {scheme}://; there is {', '.join(known)}")
        self.dialect = discovery.load("engines", scheme, Dialect, "dialect")()
        self._engines: dict[bool, Engine] = {}
        self._known = False
        self._naming = ""

    @contextmanager
    def connect(self, *, write: bool = False) -> Iterator[Connection]:
        """Open a session, which is rolled back at the end unless committed. Raises `StoreError` in one line."""
        connection = self.open(write=write)
        try:
            yield connection
        except DBAPIError as error:
            raise StoreError(f"{self}: {self.dialect.describe(error)}") from None
        finally:
            close_quietly(connection)

    def open(self, *, write: bool = False) -> Connection:
        """Open a session that the caller closes; see `connect`."""
        try:
            connection = self._begun(write)
        except DBAPIError as error:
            raise StoreError(f"{self}: cannot connect: {self.dialect.describe_connect(error)}") from None
        except (SQLAlchemyError, OSError, RuntimeError, TypeError, ValueError) as error:
            # drivers let these through: an unknown option, a name that is none, a library that is not there
            raise StoreError(f"{self}: cannot connect: {why(error)}") from None
        self.dialect.name_by(connection, self._naming)
        return connection

    def name_by(self, connection: Connection, schema: str) -> None:
        """Look unqualified names up in `schema` from now on, on this session and on every later one."""
        self._naming = schema
        self.dialect.name_by(connection, schema)

    def _begun(self, write: bool, tries: int = 5) -> Connection:
        try:
            return self._engine(write).connect() if self._known else self._first(write)
        except DBAPIError as error:
            if tries <= 1 or not self.dialect.idled(error):
                raise
            return self._begun(write, tries - 1)

    def _first(self, write: bool) -> Connection:
        # Django and others write mysql:// for MariaDB: ask the server which it is
        connection = self._engine(False).connect()
        try:
            actual = self.dialect.actual(connection)
            connection.rollback()
        except BaseException:
            close_quietly(connection)
            raise
        self._known = True
        if actual == self.dialect.name and not write:
            return connection
        connection.close()
        if actual != self.dialect.name:
            self.close()
            self.dialect = discovery.load("engines", actual, Dialect, "dialect")()
        return self._engine(write).connect()

    def _engine(self, write: bool) -> Engine:
        if write not in self._engines:
            self._engines[write] = self.dialect.engine(self.url, write=write)
        return self._engines[write]

    def close(self) -> None:
        """Close the connections."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()

    def __str__(self) -> str:
        return redacted(f"store {self.name!r} ({place(self.url)})")


def parse(name: str, url: str) -> URL:
    """Parse a URL. Raises `UsageError`, which never repeats the URL: it may hold a password."""
    learn(url)
    try:
        made = make_url(url)
    except (ArgumentError, ValueError):
        raise UsageError(
            f"store {name!r}: not a database URL; write sqlite:///file.db, postgresql://user@host/database, "
            "mysql://... or mariadb://..."
        ) from None
    if problem := unescaped(url):
        raise UsageError(f"store {name!r}: {problem}")
    # Heroku and others write postgres:// for it, as libpq allows
    backend, plus, driver = made.drivername.partition("+")
    word = made.query.get("password", made.query.get("passwd"))
    if isinstance(word, str) and not _is_file(backend):
        # in one place, where the programs that dump and restore find it too, and drivers do not call it deprecated
        made = made.difference_update_query(["password", "passwd"])
        made = made if made.password else made.set(password=word)
    return made.set(drivername=f"postgresql{plus}{driver}") if backend == "postgres" else made


def unescaped(url: str) -> str:
    """Return what is wrong with a URL whose user or password holds an `@`, or ''.

    The part behind the `@` would be read as the host.
    """
    engine, _, rest = url.partition("://")
    where, _, query = rest.partition("@")[2].partition("?")
    several = "@" in where or ("@" in query and "/" not in where)
    if several and not _is_file(engine.partition("+")[0]):
        return (
            "the URL holds more than one '@'; write %40 for each within the user, the password or the database's name"
        )
    return ""


def place(url: URL) -> str:
    """Return where a URL leads without any secret: engine, host, port and database, never user or options."""
    engine = url.get_backend_name()
    if _is_file(engine):
        return f"{engine}:///{url.database or ''}"
    asked = url.host or url.query.get("host") or ""
    host = asked if isinstance(asked, str) and _HOST.fullmatch(asked) else ""
    host = f"[{host}]" if ":" in host else host
    port = f":{url.port}" if url.port else ""
    database = url.database if url.database and _DATABASE.fullmatch(url.database) else ""
    return f"{engine}://{host}{port}/{database}"


def _is_file(engine: str) -> bool:
    """Whether the URLs of an engine name files."""
    known = discovery.has("engines", engine, "dialect")
    return known and discovery.load("engines", engine, Dialect, "dialect").is_file


def close_quietly(connection: Connection) -> None:
    """Close a session whose server may be gone."""
    try:
        connection.close()
    except SQLAlchemyError:
        with suppress(SQLAlchemyError):  # it is closed, and what was wrong before is what counts
            connection.invalidate()


class SqlDatabase:
    """One session of a database as checks see it (`trueup.check.Database`).

    `beside` is another session of the same work, whose catalogue is reused.
    """

    def __init__(self, store: SqlStore, connection: Connection, beside: SqlDatabase | None = None) -> None:
        self.store = store
        self.connection = connection
        self.dialect = store.dialect
        self._tables: dict[str, Table] = {} if beside is None else beside._tables

    def names(self) -> list[str]:
        """Return the names of the base tables."""
        return self.dialect.tables(self.connection)

    def tables(self) -> Sequence[Table]:
        """Return every base table, read from the catalogue once."""
        return [self.table(name) for name in self.names()]

    def table(self, name: str) -> Table:
        """Return one base table. Raises `UsageError` that names the nearest."""
        if name not in self._tables:
            self._tables[name] = self.dialect.table(self.connection, name)
        return self._tables[name]

    def speak(self, dialect: Dialect) -> None:
        """Write expressions for another engine, for display and not for running."""
        if dialect.name != self.dialect.name:
            tables = self.tables()
            self._tables = {table.name: dialect.adopt(table) for table in tables}
            self.dialect = dialect

    def forget(self) -> None:
        """Read the catalogue again from now on."""
        self._tables.clear()

    def met(self) -> list[Table]:
        """Return the tables that were asked for so far."""
        return list(self._tables.values())

    def row(self, table: str, alias: str = "", *, own: bool = False) -> Row:
        """Return a row of `table`, under a generated name where there is an `alias`.

        The name differs from that of every table that was asked for: the engine would confuse the two. SQLite, MySQL
        and MariaDB confuse names that differ only in case.
        """
        found = self.table(table)
        if alias:
            alias = f"trueup_{alias}"
            taken = {one.place[1].casefold() for one in self.met()}
            while alias.casefold() in taken:
                alias += "_"
        if own:
            return Row(found, self, self.dialect.own_rows(found, alias or found.place[1]))
        return Row(found, self, found.sql.alias(alias) if alias else None)

    def ask(self, statement: Executable) -> Sequence[Sequence[Any]]:
        """Return all rows of a small result. Raises `NotChecked` where statements are written for another engine."""
        if self.dialect is not self.store.dialect:
            raise NotChecked(f"its wording for {self.dialect.name} depends on the data; connect to {self.dialect.name}")
        return [tuple(row) for row in self.connection.execute(statement)]

    def collect_limit(self) -> int | None:
        """Return the number of bytes from which an aggregate of keys is not trusted. Read once per session."""
        if "collect_limit" not in self.connection.info:
            self.connection.info["collect_limit"] = self.dialect.collect_limit(self.connection)
        limit: int | None = self.connection.info["collect_limit"]
        return limit

    def stream(self, statement: Executable, size: int = PAGE) -> Iterator[Sequence[Any]]:
        """Yield rows in batches of at most `size`. Memory stays constant whatever the size of the result."""
        result = self.connection.execute(statement, execution_options={"stream_results": True})
        try:
            # partitions() without a size would fetch everything at once
            yield from result.partitions(size)
        finally:
            result.close()
