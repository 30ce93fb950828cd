"""The part of the dialect that MySQL and MariaDB share: sessions, keys, canonical bytes, text and locks."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Select, func, literal
from sqlalchemy.engine import URL
from sqlalchemy.types import NullType

from trueup.engines._innodb import catalogue, errors, session
from trueup.engines._innodb.journal import InnodbJournal
from trueup.engines._innodb.needs import Asking
from trueup.engines._innodb.sql import (
    Kind,
    as_key,
    bytes_of,
    cast_as,
    forced,
    hexadecimal,
    kind_of,
    legible,
    number_or_time,
    text_of,
    using,
    utf8,
)
from trueup.engines._innodb.stage import stage
from trueup.errors import NotChecked, Refused
from trueup.sql.reading import SUMMED, Part, Stage
from trueup.sql.regexes import portable
from trueup.sql.tables import Column, Storage, Table

#: With more statements running at once the server is busy. The number is the default of Percona's tools.
BUSY = 25
LONGEST_INTEGER = 18
#: Text and bytes in columns up to this size are written as hexadecimal digits, which is faster than a digest.
SHORT = 255

_MOMENTS = {"day": "%Y-%m-%d", "hour": "%Y-%m-%d %H", "hour of day": "%H", "minute": "%Y-%m-%d %H:%i"}


class InnoDB(Asking, InnodbJournal):
    """MySQL or MariaDB. Text in the journal is in utf8mb4, whatever the column's character set."""

    #: Whether the server is MariaDB.
    is_mariadb: bool = False
    #: The oldest version that can be written, as `version()` spells it.
    oldest: tuple[int, int, int]
    #: The statement that shows whether the server replicates another, and the column with the other's name.
    replica_status: tuple[str, str]
    #: A regular expression for a run of Unicode's white space.
    blanks: str

    def engine(self, url: URL, *, write: bool) -> Engine:
        """Return an engine whose sessions are in UTC, READ COMMITTED, strict, with short lock waits.

        The driver is mysqlclient, else PyMySQL. Raises `UsageError` when neither is installed, or the URL names no
        database.
        """
        return session.engine(url, write=write)

    def actual(self, connection: Connection) -> str:
        """Return `mysql` or `mariadb`, by what the server says about itself."""
        words = connection.exec_driver_sql("SELECT CONCAT(VERSION(), ' ', @@version_comment)").scalar_one()
        found = session.is_mariadb(str(words))
        return self.name if found == self.is_mariadb else "mariadb" if found else "mysql"

    def place(self, connection: Connection) -> str:
        """Return host, port and data directory."""
        return str(connection.exec_driver_sql("SELECT CONCAT_WS(':', @@hostname, @@port, @@datadir)").scalar_one())

    def now(self) -> ColumnElement[int]:
        """Return the server's clock."""
        return func.unix_timestamp(type_=sa.BigInteger)

    def tables(self, connection: Connection) -> list[str]:
        """List the base tables of the database that the URL names."""
        return list(catalogue.known(connection, self.journal_prefix))

    def table(self, connection: Connection, name: str) -> Table:
        """Read one base table. `rows` is exact below 100,000."""
        return catalogue.table(connection, self.journal_prefix, name, mariadb=self.is_mariadb)

    def schema_stamp(self, connection: Connection, tables: Sequence[Table]) -> str:
        """Digest SHOW CREATE TABLE, the triggers, the foreign keys to the tables, and the tables' numbers."""
        return catalogue.stamp(connection, tables, mariadb=self.is_mariadb)

    def outlast_alter(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Wait until the second of the last ALTER is over."""
        catalogue.outlast_alter(connection, tables)

    def key(self, table: Table, row: FromClause) -> list[ColumnElement[Any]]:
        """Return each part as text.

        Bytes, and text in a character set that is not lossless, become hexadecimal digits.
        """
        return [self._token(row.c[name], kind_of(table.columns[name].ddl)) for name in table.key]

    def _token(self, value: ColumnElement[Any], kind: Kind) -> ColumnElement[str]:
        if hexadecimal(kind):
            return func.hex(value, type_=sa.Text)
        if kind.word in ("bit", "year") or kind.zerofill:
            return text_of(value + 0)
        return using(value, "utf8mb4") if kind.charset else text_of(value)

    def stage(self, connection: Connection, table: Table, ops: Sequence[tuple[int, str, str, Sequence[str]]]) -> Stage:
        """Send one JSON text, which JSON_TABLE unpacks into columns of the key's own types.

        With these types the key's index is used.
        """
        return stage(connection, table, ops)

    def digest(self, columns: Iterable[tuple[Column, ColumnElement[Any]]]) -> ColumnElement[str]:
        """Digest the values between bars.

        Text, bytes and JSON are written by their own digest, numbers and times as text, NULL as `N`. It uses CONCAT,
        not CONCAT_WS: a value without a canonical form must make the digest NULL and not be skipped.
        """
        parts: list[ColumnElement[Any]] = []
        for column, value in columns:
            parts += [self._canonical(column, value), literal("|", sa.Text)]
        return func.sha2(func.concat(*parts), 256, type_=sa.Text)

    def _canonical(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[Any]:
        kind = kind_of(column.ddl)
        nothing = literal("N", sa.Text)
        if column.family in ("text", "binary"):
            short = kind.word in ("char", "varchar", "binary", "varbinary") and (*kind.arguments, SHORT + 1)[0] <= SHORT
            told = func.hex(utf8(value, kind)) if short else func.sha2(utf8(value, kind), 256)
            return sa.case((value.is_(None), nothing), else_=told)
        if column.family == "json":
            # its digest, as its digits might not fit into max_allowed_packet
            words = func.concat(func.sha2(value, 256), literal(" ", sa.Text), func.json_type(value))
            return sa.case((value.is_(None), nothing), else_=words)
        if column.family == "enum":
            # a value that the ENUM does not have reads '' too, and has the number 0
            number = sa.case((value == literal("", sa.Text), value + 0), else_=literal("", sa.Text))
            return sa.case((value.is_(None), nothing), else_=func.concat(func.hex(utf8(value, kind)), " ", number))
        if kind.word in ("float", "double", "real"):
            # the text of a FLOAT is short of digits, that of FLOAT(7,2) of places
            value = value * sa.literal_column("1e0")
        elif kind.word in ("bit", "year") or kind.zerofill:
            value = value + 0
        return func.coalesce(cast_as(value, "CHAR"), nothing)

    def cast(self, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """Convert `value` to the column's type without cutting it to the column's size.

        A value that does not fit must be refused when it is stored. Raises `Refused` for text in a character set that
        has two encodings for a character (big5, sjis, gbk ...).
        """
        if isinstance(value, sa.Null):
            return value
        kind = kind_of(column.ddl)
        if column.family == "json":
            return cast_as(value, "JSON")
        if column.family in ("text", "enum"):
            if kind.charset and not kind.lossless:
                raise Refused(f"column {column.name!r} holds text in {kind.charset}, in which trueup cannot write")
            text = text_of(value)
            return func.rtrim(text, type_=sa.Text) if kind.word == "char" else text
        return number_or_time(value, kind)

    def preview(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[str]:
        """Return text as it is, bytes as `0x` and hexadecimal digits, BIT as a number."""
        kind = kind_of(column.ddl)
        if column.family == "binary":
            return func.concat("0x", func.hex(func.left(value, 99)), type_=sa.Text)
        if column.family == "text":
            return legible(func.left(value, 200))
        if column.family == "float":
            value = value * sa.literal_column("1e0")
        elif column.family == "bit" or kind.zerofill:
            value = value + 0
        return func.left(text_of(value), 200, type_=sa.Text)

    def sum_of_digests(self, value: ColumnElement[str]) -> ColumnElement[str]:
        """Convert the digits to decimals with CONV."""
        number = cast_as(func.conv(func.left(value, SUMMED), 16, 10), "DECIMAL(30,0)")
        return cast_as(func.sum(number), "CHAR", sa.Text())

    def dumps_rounded(self, column: Column) -> bool:
        """Whether the column is a FLOAT: a dump writes six digits of it."""
        return column.ddl.lower().startswith("float")

    @abstractmethod
    def valid(self, text: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether `text` parses as JSON; NULL for NULL, never an error."""

    def json_valid(self, text: ColumnElement[str], types: Sequence[str]) -> ColumnElement[bool]:
        """Parse first and read the type afterwards: JSON_TYPE of malformed text is an error."""
        kind = self.json_type(text, "text")
        return func.coalesce(kind.in_(list(types)), sa.false())

    def json_literal(self, value: ColumnElement[Any], column: Column) -> ColumnElement[str]:
        """Return numbers as text, `tinyint(1)` as true and false, JSON as it is.

        A timestamp gets a `T` before its time and loses a fraction of zeros.
        """
        kind = kind_of(column.ddl)
        if column.boolean:
            return sa.case((value == 1, "true"), (value == 0, "false"), else_=text_of(value))
        if column.numeric or column.integer or column.family in ("bit", "float"):
            # in full where the engine's own text is short of digits
            return text_of(value * sa.literal_column("1e0") if column.family == "float" else value + 0)
        if column.family == "json":
            return text_of(value)
        if column.storage is not None:
            words = [(value.is_(None), sa.null()), (self.valid(value), text_of(value))]
            return sa.case(*words, else_=func.json_quote(text_of(value)))
        text = func.hex(value) if column.family == "binary" else text_of(value)
        if kind.word in ("datetime", "timestamp"):
            text = func.replace(func.replace(text, " ", "T"), ".000000", "")
        return func.json_quote(text, type_=sa.Text)

    def as_number(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """Return the number as a double."""
        return sa.type_coerce(sa.type_coerce(text, NullType()) * sa.literal_column("1e0"), sa.Double())

    def json_length(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[int]:
        """Return the length by JSON_LENGTH."""
        return func.json_length(value)

    def _wrapped(self, key: str, value: ColumnElement[Any], valid: ColumnElement[bool]) -> ColumnElement[str]:
        """Wrap JSON text in an object without reformatting it. Text that does not parse becomes a string."""
        name = "{" + json.dumps(key, ensure_ascii=False) + ": "
        inner = sa.case(
            (value.is_(None), literal("null", sa.Text)), (valid, text_of(value)), else_=func.json_quote(text_of(value))
        )
        return func.concat(literal(name, sa.Text), inner, literal("}", sa.Text), type_=sa.Text)

    def moment(self, value: ColumnElement[Any], part: Part) -> ColumnElement[str]:
        """Format with DATE_FORMAT."""
        return func.date_format(value, literal(_MOMENTS[part], sa.String()), type_=sa.String())

    def fold(self, value: ColumnElement[str], rules: Sequence[str]) -> ColumnElement[str]:
        """Fold to lower case by Unicode 5.2, the same on both engines, and collapse Unicode white space.

        Raises `NotChecked` for `unicode`: neither engine can normalise.
        """
        unknown = set(rules) - {"case", "space"}
        if unknown:
            raise NotChecked(f"{self.name} has no words for {', '.join(sorted(unknown))}")
        folded: ColumnElement[Any] = using(text_of(value), "utf8mb4")
        if "case" in rules:
            # in utf32, as MySQL's LOWER drops what follows a letter that takes more bytes in lower case
            folded = using(func.lower(using(folded, "utf32").collate("utf32_unicode_520_ci")), "utf8mb4")
        folded = folded.collate("utf8mb4_bin")
        if "space" in rules:
            folded = func.trim(func.regexp_replace(folded, self.blanks, " "))
        return sa.type_coerce(folded, sa.Text())

    def is_blank(self, value: ColumnElement[str]) -> ColumnElement[bool]:
        """Test the first byte first: white space in UTF-8 begins with one below 33, with 194, or with 225 to 227."""
        first = func.ascii(text_of(value))
        return sa.case(
            (first.between(33, 193), sa.false()), (first.between(195, 224), sa.false()), else_=super().is_blank(value)
        )

    def matches(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """Match with REGEXP under a collation that compares bytes."""
        return text_of(text).collate("utf8mb4_bin").regexp_match(portable(pattern, r"\z"))

    def same_bytes(self, left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[bool]:
        """Compare the bytes in utf8mb4, without collation or padding."""
        return bytes_of(text_of(left)) == bytes_of(text_of(right))

    def collect_limit(self, connection: Connection) -> int | None:
        """Return the limit of GROUP_CONCAT or of a packet. Beyond it GROUP_CONCAT cuts its text without an error."""
        limits = sa.text("SELECT LEAST(@@group_concat_max_len, @@max_allowed_packet)")
        return int(connection.execute(limits).scalar_one())

    def as_integer(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """Convert text without leading zeros, plus sign or blanks; other text gives SQL NULL."""
        plain = text_of(text)
        number = cast_as(plain, "SIGNED", sa.BigInteger())
        short = plain.regexp_match(rf"^(0|-?[1-9][0-9]{{0,{LONGEST_INTEGER - 1}}})\z")
        spelled = plain.regexp_match(rf"^-?[1-9][0-9]{{{LONGEST_INTEGER}}}\z")
        wide = cast_as(plain, "DECIMAL(20,0)", sa.Numeric())
        fits = wide.between(sa.literal_column(str(-(2**63))), sa.literal_column(str(2**63 - 1)))
        return sa.case((short, number), (spelled, sa.case((fits, number), else_=sa.null())), else_=sa.null())

    def locked(self, statement: Select[Any], row: FromClause, *, gone: bool = False) -> Select[Any]:
        """Lock with FOR UPDATE, through the key's index and in the order of FROM, which must begin with the stage.

        Otherwise the optimizer scans a small table and so locks all of it. With `gone` it also locks the row's entries
        in the indexes that foreign keys refer to: an insert that refers to the row locks only these.
        """
        table = getattr(row, "element", row)
        info = getattr(table, "info", {})
        index = info.get(catalogue.KEY_INDEX)
        if index is not None:
            statement = statement.prefix_with("STRAIGHT_JOIN").with_hint(row, forced(index))
        rows = [row]
        for number, (other, columns) in enumerate(info.get(catalogue.REFERENCED, ()) if gone else ()):
            beside = table.alias(f"trueup_beside{number}")
            # the key too: the index need not be unique
            names = dict.fromkeys([*columns, *info[catalogue.KEY]])
            same = sa.and_(*(beside.c[name] == row.c[name] for name in names))
            statement = statement.outerjoin(beside, same).with_hint(beside, forced(other))
            # always true, but what is not looked at MariaDB leaves out
            first = beside.c[columns[0]]
            statement = statement.where(sa.or_(first.is_(None), first == row.c[columns[0]]))
            rows.append(beside)
        return self._for_update(statement, rows)

    def shared(self, statement: Select[Any], row: FromClause) -> Select[Any]:
        """Take a shared lock, which waits for rows being inserted, changed or deleted.

        It does not reach into subqueries.
        """
        return self._for_update(statement, [row], read=True)

    def refers(self, child: ColumnElement[Any], parent: ColumnElement[Any]) -> ColumnElement[bool]:
        """Compare under the parent's collation; ENUM and SET by the numbers of their members."""
        return as_key(child, parent)

    @abstractmethod
    def _for_update(
        self, statement: Select[Any], rows: Sequence[FromClause], *, read: bool = False, skip: bool = False
    ) -> Select[Any]:
        """Add the engine's own locking clause for `rows`: shared for `read`, without waiting for `skip`."""

    def writable(self, connection: Connection) -> str:
        """Return why nothing can be written, or ''.

        Reasons are a version that is too old, a read-only server, a replica, a binary log of statements, several
        primaries.
        """
        version = connection.dialect.server_version_info or ()
        numbers = tuple(part for part in version if isinstance(part, int))[:3]
        if numbers < self.oldest:
            wanted = ".".join(map(str, self.oldest))
            return f"it is version {'.'.join(map(str, numbers))}, and writing needs {wanted} or later"
        settings = session.Settings(connection)
        if any(map(settings.on, ("read_only", "super_read_only", "innodb_read_only"))):
            return "the server is read-only"
        if settings.on("log_bin") and settings.text("binlog_format") == "STATEMENT":
            return "its binary log holds statements; trueup needs binlog_format ROW or MIXED"
        if settings.on("wsrep_on"):
            return "it is a node of a Galera cluster, where another node may write the same row"
        several = settings.text("group_replication_single_primary_mode") == "OFF"
        if several and settings.text("group_replication_group_name"):
            return "it is one of several primaries, and another may write the same row"
        return session.copied_from(connection, *self.replica_status)

    def begin(self, connection: Connection) -> None:
        """Set nothing: the session was opened with its limits."""

    def enforce_references(self, connection: Connection, yes: bool) -> None:
        """Set `foreign_key_checks`, which any account may set for its own session."""
        session.run_verbatim(connection, f"SET SESSION foreign_key_checks = {int(yes)}")

    @contextmanager
    def suspended(self, connection: Connection) -> Iterator[None]:
        """Set `foreign_key_checks` to 0 inside the block."""
        self.enforce_references(connection, False)
        try:
            yield
        finally:
            self.enforce_references(connection, True)

    def unlocked(self, statement: Select[Any], row: FromClause) -> Select[Any]:
        """Lock with SKIP LOCKED."""
        return self._for_update(statement, [row], skip=True)

    def retryable(self, error: BaseException) -> bool:
        """Whether the error is a deadlock, a lock wait timeout or a statement timeout."""
        return errors.code_of(error) in errors.RETRYABLE

    def exhausted(self, error: BaseException) -> bool:
        """Whether the disk or memory is full, an I/O error occurred, or the server became read-only."""
        return errors.code_of(error) in errors.EXHAUSTED

    def refused_by_guard(self, error: BaseException) -> bool:
        """Recognise a guard by the message of its SIGNAL or by its constraint's name."""
        return errors.refused_by_guard(error)

    def describe(self, error: BaseException) -> str:
        """Return our own words, the server's number and the constraint's name."""
        return errors.describe(error)

    def disconnected(self, error: BaseException) -> bool:
        """Whether the session or its server is gone."""
        return super().disconnected(error) or errors.code_of(error) in errors.DISCONNECTED

    def load(self, connection: Connection) -> str:
        """Return a reason while many statements run. A primary does not know how far its replicas lag."""
        row = connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Threads_running'").one_or_none()
        if row is None:
            return "the server does not tell how busy it is"
        return f"{row[1]} statements at work on the server" if int(row[1]) > BUSY else ""
