"""The dialect of SQLite, through the standard library's `sqlite3`."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Engine, FromClause, ScalarSelect, Select, func, literal
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool
from sqlalchemy.types import NullType

from trueup.engines._own_triggers import says_guard
from trueup.engines.sqlite import catalogue, functions, journal, session, standing
from trueup.engines.sqlite.json import ARGUMENTS, SqliteJson, as_argument, as_classed, once
from trueup.errors import NotChecked, StoreError
from trueup.sql.reading import Part, Stage
from trueup.sql.regexes import portable
from trueup.sql.tables import Column, Storage, Table
from trueup.sql.writing import Changing, Kept

# the white space of Unicode, as Python's str.split() knows it
_SPACE = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680"
    + "".join(map(chr, range(0x2000, 0x200B)))
    + "\u2028\u2029\u202f\u205f\u3000"
)
_MOMENTS = {"day": (1, 10), "hour": (1, 13), "hour of day": (12, 2), "minute": (1, 16)}
RULES = {"case", "space", "unicode"}


class Sqlite(SqliteJson):
    """SQLite 3.38 or later.

    Writing sessions enforce the declared foreign keys, unless the URL says that the application does not
    (`sqlite:///app.db?foreign_keys=off`). JSON is text here, or a number; a BLOB is 'invalid'. SQLite's JSON functions
    do not see data after a NUL character in text: `json_type` returns 'invalid' for such text, while `json_is_not`
    (which decides a scan) reads only as far as SQLite does, because reading further costs a third more.
    """

    name = "sqlite"
    is_file = True
    usual_storage: Storage = "text"
    single_writer = True
    counts_rows = True
    chunk_seconds = 0.03
    nice = 3.0

    def engine(self, url: URL, *, write: bool) -> Engine:
        """Return an engine whose sessions begin with BEGIN IMMEDIATE (`write`) or BEGIN.

        Raises `UsageError` for a database that is no file. Connecting raises `StoreError` when the file does not exist.
        """
        path, foreign_keys = session.place(url)

        def connect() -> sqlite3.Connection:
            return session.connect(path, write=write, foreign_keys=foreign_keys)

        engine = sa.create_engine("sqlite+pysqlite://", creator=connect, poolclass=NullPool)
        opening = "BEGIN IMMEDIATE" if write else "BEGIN"
        # not by the event "begin": once a listener fails on a lock, SQLAlchemy never begins again on that connection,
        # and each statement commits by itself
        vars(engine.dialect).update(do_begin=lambda connection: connection.execute(opening), do_commit=session.commit)
        return engine

    def identity(self, connection: Connection) -> Mapping[str, str]:
        """Return the file's real path, device and inode, and the application's id."""
        path = session.file_of(connection)
        about = Path(path).stat()
        application = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        return {
            "engine": self.name,
            "application_id": str(application),
            "path": path,
            "inode": f"{about.st_dev}:{about.st_ino}",
        }

    def place(self, connection: Connection) -> str:
        """Return host, path and inode."""
        path = session.file_of(connection)
        return f"{socket.gethostname()}:{path}:{Path(path).stat().st_ino}"

    def version(self, connection: Connection) -> str:
        """Return the library's version, with a warning where it can lose commits in WAL mode."""
        version = str(connection.scalar(sa.select(func.sqlite_version())))
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        if mode == "wal" and session.wal_reset_bug():
            return f"SQLite {version}, which can lose commits in WAL mode (fixed in 3.51.3)"
        return f"SQLite {version}"

    def now(self) -> ColumnElement[int]:
        """Return the machine's clock."""
        return sa.cast(func.strftime("%s", "now"), sa.Integer)

    def tables(self, connection: Connection) -> list[str]:
        """List the ordinary tables, without views, virtual tables and their shadow tables."""
        return list(catalogue.known(connection, self.journal_prefix))

    def table(self, connection: Connection, name: str) -> Table:
        """Read one table by PRAGMA."""
        return catalogue.table(connection, self.journal_prefix, name)

    def schema_stamp(self, connection: Connection, tables: Sequence[Table]) -> str:
        """Digest the CREATE statements of `tables` and of all tables that refer to others.

        A new one of those may refer to these.
        """
        return catalogue.stamp(connection, self.journal_prefix, [table.name for table in tables])

    def standing(self, connection: Connection, table: Table) -> Mapping[str, Any]:
        """Return the table's place in the schema."""
        return standing.standing(connection, self.journal_prefix, table.name, table.identity)

    def still(self, connection: Connection, table: Table, then: Mapping[str, Any]) -> bool:
        """Compare the row numbers of the schema if they are unchanged, and otherwise the order of the tables."""
        return standing.still(connection, self.journal_prefix, table.name, then)

    def key(self, table: Table, row: FromClause) -> list[ColumnElement[Any]]:
        """Return the raw values: their storage class is part of the key.

        A row with NULL in its key is never addressed.
        """
        parts = [(table.columns[name], sa.type_coerce(row.c[name], NullType())) for name in table.key]
        if (table.facts or {}).get("encoding", "UTF-8") == "UTF-8":
            return [value for _, value in parts]
        return [value if column.integer and column.typed else self._stored_text(value) for column, value in parts]

    def _stored_text(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        stored = func.trueup_key(sa.cast(value, sa.LargeBinary), type_=NullType())
        return sa.case((func.typeof(value) == "text", stored), else_=value)

    def token(self, raw: Any) -> str:
        """Return the key part as text that shows its storage class by quotes: `7`, `'7'`, `x'37'`."""
        return functions.token(raw)

    def addresses(self, key: Sequence[str]) -> bool:
        """Whether no part is NULL, which a primary key may hold in most tables, and in many rows."""
        return "NULL" not in key

    def stage(self, connection: Connection, table: Table, ops: Sequence[tuple[int, str, str, Sequence[str]]]) -> Stage:
        """Insert into a temporary table, in memory and without types, so that every key keeps its storage class."""
        keys = [f"k{position}" for position in range(len(table.key))]
        name = f"_trueup_stage_{len(keys)}"
        stage = sa.table(name, *(sa.column(label) for label in ["seq", "before", "after", *keys]), schema="temp")
        if len(keys) > functions.STAGES:
            connection.exec_driver_sql(
                f"CREATE TEMP TABLE IF NOT EXISTS {name} (seq, before, after, {', '.join(keys)})"
            )
        connection.execute(sa.delete(stage))
        rows: dict[str, list[tuple[Any, ...]]] = {}
        for seq, before, after, tokens in ops:
            # hostile text cannot be bound as text; and a BLOB that is bound would be cast as if it were UTF-8
            hostile = [token.startswith("t") for token in tokens]
            values = [token if odd else functions.untoken(token) for odd, token in zip(hostile, tokens, strict=True)]
            forms = ["CAST(trueup_untoken(?) AS TEXT)" if odd else "?" for odd in hostile]
            rows.setdefault(", ".join(["?", "?", "?", *forms]), []).append((seq, before, after, *values))
        for form, some in rows.items():
            connection.exec_driver_sql(f"INSERT INTO temp.{name} VALUES ({form})", some)  # noqa: S608 - no value in it
        return Stage(stage, {})

    def digest(self, columns: Iterable[tuple[Column, ColumnElement[Any]]]) -> ColumnElement[str]:
        """Digest the storage class, length and bytes of every value; REAL by its eight bytes."""
        values = [as_classed(value) for _, value in columns]
        while len(values) > ARGUMENTS:
            groups = [values[start : start + ARGUMENTS] for start in range(0, len(values), ARGUMENTS)]
            values = [func.trueup_digest(*group) for group in groups]
        return func.trueup_digest(*values, type_=sa.Text)

    def cast(self, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """Apply the column's affinity, which is not what CAST does."""
        affinity = catalogue.affinity(column)
        if affinity == "BLOB":
            return sa.type_coerce(value, NullType())
        return once(value, lambda value: self._stored(value, affinity))

    def _stored(self, value: ColumnElement[Any], affinity: str) -> ColumnElement[Any]:
        kind = func.typeof(value)
        if affinity == "TEXT":
            stored = func.trueup_stored(value, literal("TEXT"), type_=NullType())
            return sa.case((kind.in_(["integer", "real"]), stored), else_=value)
        stored = func.trueup_stored(as_argument(value), literal(affinity), type_=NullType())
        return sa.case(
            (kind == "text", func.coalesce(stored, value)), (kind.in_(["integer", "real"]), stored), else_=value
        )

    def preview(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[str]:
        """Return text, numbers in full, blobs as `x'0a'`; bytes that are not text as escapes."""

        def shown(value: ColumnElement[Any]) -> ColumnElement[str]:
            short = sa.case(
                (func.typeof(value).in_(["text", "blob"]), func.substr(as_argument(value), 1, 800)), else_=value
            )
            return func.trueup_preview(func.typeof(value), short, type_=sa.Text)

        return once(value, shown) if isinstance(value, ScalarSelect) else shown(value)

    def sum_of_digests(self, value: ColumnElement[str]) -> ColumnElement[str]:
        """Sum in Python: SQLite's integers end at 64 bits."""
        return func.trueup_digest_sum(value, type_=sa.Text())

    def total(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """Sum without the rounding errors of binary fractions: SQLite has no decimals."""
        found = func.sum(value, type_=NullType())
        return sa.case((func.typeof(found) == "integer", found), else_=func.round(found, 9, type_=NullType()))

    def not_a_number(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether the value is text or a BLOB, which a numeric column stores when they do not read as a number."""
        # both are greater than any number
        return func.coalesce(value >= literal("", sa.Text), sa.false())

    def moment(self, value: ColumnElement[Any], part: Part) -> ColumnElement[str]:
        """Cut the part out of text in ISO format (a blank or a T before the time).

        A number (seconds since 1970) is cut like text, which gives no useful date.
        """
        start, length = _MOMENTS[part]
        return func.substr(func.replace(value, "T", " "), literal(start), literal(length), type_=sa.String())

    def fold(self, value: ColumnElement[str], rules: Sequence[str]) -> ColumnElement[str]:
        """Apply Unicode's full case folding, collapse Unicode white space, apply NFC. Numbers and blobs stay."""
        unknown = set(rules) - RULES
        if unknown:
            raise NotChecked(f"SQLite has no words for {', '.join(sorted(unknown))}")
        folded = sa.cast(func.trueup_fold(as_argument(value), ",".join(rules)), sa.Text)
        return sa.case((func.typeof(value) == "text", folded), else_=value)

    def is_blank(self, value: ColumnElement[str]) -> ColumnElement[bool]:
        """Test the first character first, so that only text that begins with white space is passed to Python."""
        ascii_sign, no_space = (value.op("GLOB")(literal(form, sa.Text)) for form in ("[!-~]*", f"[^{_SPACE}]*"))
        return sa.case((ascii_sign, sa.false()), (no_space, sa.false()), else_=super().is_blank(value))

    def characters(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """Count with length(): SQLAlchemy's char_length() would leave a parameter in a guard's text."""
        return func.length(text)

    def matches(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """Match in Python: SQLite has no regular expressions of its own."""
        return func.trueup_matches(as_argument(text), portable(pattern), type_=sa.Boolean) == 1

    def as_integer(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """Convert text that a conversion to INTEGER and back leaves unchanged.

        It has no leading zeros, no plus sign and no blanks.
        """
        number = sa.cast(text, sa.Integer)
        return sa.case((sa.cast(number, sa.Text) == sa.cast(text, sa.Text), number), else_=sa.null())

    def kept(self, connection: Connection, names: Sequence[str]) -> Mapping[str, Kept]:
        """Read the journal's tables by PRAGMA."""
        return journal.kept(connection, names)

    def catalogued(self, ddl: str) -> str:
        """Return the type word for word."""
        return ddl

    def writable(self, connection: Connection) -> str:
        """Return why the file cannot be written, or ''.

        The file and its folder (for the rollback journal beside it) must be writable, and the file must have one name
        only.
        """
        path = session.file_of(connection)
        if (links := Path(path).stat().st_nlink) > 1:
            return f"the file {path!r} has {links} hard links, and SQLite's journal belongs to one name only"
        for part, what in ((path, "the file"), (str(Path(path).parent), "the folder")):
            if not os.access(part, os.W_OK):
                return f"{what} {part!r} is read-only for this user"
        return ""

    def begin(self, connection: Connection) -> None:
        """Set nothing: the session was opened with its limits, and BEGIN IMMEDIATE holds the only lock there is."""

    def locked(self, statement: Select[Any], row: FromClause, *, gone: bool = False) -> Select[Any]:
        """Return the statement unchanged: only one transaction can write at a time."""
        return statement

    def refers(self, child: ColumnElement[Any], parent: ColumnElement[Any]) -> ColumnElement[bool]:
        """Compare with the parent's column on the left, as SQLite does, so that the parent's collation decides."""
        return parent == child

    def exact(self, statement: Changing) -> Changing:
        """Add OR ABORT, which overrides the ON CONFLICT clauses of the schema.

        Those would delete other rows (REPLACE), leave ours out (IGNORE), or end our transaction (ROLLBACK).
        """
        return statement.prefix_with("OR ABORT", dialect="sqlite")

    def chosen(
        self,
        keys: Sequence[tuple[ColumnElement[Any], ColumnElement[Any]]],
        images: FromClause,
        where: ColumnElement[bool],
    ) -> ColumnElement[bool]:
        """Select the rows by a list of keys.

        A DELETE has no second table here, and EXISTS would scan the whole table.
        """
        live = [part for part, _ in keys]
        mine = sa.select(*(part for _, part in keys)).select_from(images).where(where)
        return (live[0] if len(live) == 1 else sa.tuple_(*live)).in_(mine)

    def rows_written(self, connection: Connection) -> int:
        """Return the connection's own count, which includes rows that foreign keys and triggers wrote."""
        return _raw(connection).total_changes

    def enforce_references(self, connection: Connection, yes: bool) -> None:
        """Set PRAGMA foreign_keys; a URL with foreign_keys=off stays off."""
        # not through SQLAlchemy: it would begin a transaction, and inside of one the PRAGMA does nothing
        session = _raw(connection)
        usual = connection.info.setdefault("foreign_keys", session.execute("PRAGMA foreign_keys").fetchone()[0])
        wanted = int(yes and usual)
        session.execute(f"PRAGMA foreign_keys={wanted}")
        if session.execute("PRAGMA foreign_keys").fetchone()[0] != wanted:
            raise StoreError("foreign keys cannot be switched within a transaction")

    @contextmanager
    def suspended(self, connection: Connection) -> Iterator[None]:
        """Set a PRAGMA that defers foreign keys until COMMIT, which is never reached."""
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        try:
            yield
        finally:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys=OFF")

    def retryable(self, error: BaseException) -> bool:
        """Whether the error is BUSY or LOCKED."""
        code = getattr(session.original(error), "sqlite_errorcode", None)
        return isinstance(code, int) and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

    def exhausted(self, error: BaseException) -> bool:
        """Whether the error is FULL, IOERR, READONLY, NOMEM, CORRUPT, CANTOPEN, NOTADB or PROTOCOL."""
        code = getattr(session.original(error), "sqlite_errorcode", None)
        return isinstance(code, int) and code & 0xFF in session.EXHAUSTED

    def refused_by_guard(self, error: BaseException) -> bool:
        """Recognise a guard by the message of its RAISE. SQLite never names a unique index."""
        original = session.original(error)
        raised = getattr(original, "sqlite_errorcode", None) == sqlite3.SQLITE_CONSTRAINT_TRIGGER
        return raised and says_guard(str(original))

    def describe(self, error: BaseException) -> str:
        """Return SQLite's own sentence, which names columns and never values, and the name of its code."""
        original = session.original(error)
        name = getattr(original, "sqlite_errorname", "")
        message = str(original).splitlines()[0] if str(original) else type(original).__name__
        return f"{message} ({name})" if name else message


def _raw(connection: Connection) -> sqlite3.Connection:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw
