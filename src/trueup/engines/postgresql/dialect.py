"""The dialect of PostgreSQL, through psycopg 3 or psycopg2, whichever is installed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, FromClause, Insert, Select, Text, func
from sqlalchemy import literal_column as word
from sqlalchemy.dialects.postgresql import ARRAY, BIT
from sqlalchemy.engine import URL

from trueup.engines.postgresql import catalogue, errors, rights, session
from trueup.engines.postgresql.journal import PostgresqlJournal
from trueup.engines.postgresql.json import PostgresqlJson
from trueup.engines.postgresql.queries import ROWS_WRITTEN
from trueup.engines.postgresql.sql import Only, Restoring, folded
from trueup.engines.postgresql.types import Verbatim, beneath, numbered, read, refers, settled, spelled, taken, whole
from trueup.errors import NotChecked
from trueup.sql.reading import SUMMED, Part, Stage
from trueup.sql.refusals import why
from trueup.sql.regexes import portable
from trueup.sql.tables import Column, LooseRule, Need, Storage, Table

_RULES = {"case", "space", "unicode"}
# the white space of Unicode, as Python's str.split() knows it
_SPACE = word(
    r"'[\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+'",
    Text,
)
_INTEGER = word("'^(0|-?[1-9][0-9]{0,18})$'", Text)
_UTF8 = word("'UTF8'", Text)
_LEAST, _MOST = -(2**63), 2**63 - 1
_MOMENTS = {"day": "YYYY-MM-DD", "hour": "YYYY-MM-DD HH24", "hour of day": "HH24", "minute": "YYYY-MM-DD HH24:MI"}
_PADDED = re.compile(r"character\((\d+)\)")


class Postgresql(PostgresqlJournal, PostgresqlJson):
    """PostgreSQL 12 or later.

    Sessions have an empty `search_path`, so that a name can never mean another schema's table or function. Text is
    tested for JSON by a function of PostgreSQL 16; on older servers each session creates its own test in `pg_temp`.
    Where neither is possible (a replica, no TEMP privilege), such a check ends with an error.
    """

    name = "postgresql"
    usual_storage: Storage = "jsonb"
    collects_sets = True  # no parallel plan is made for a cursor

    def engine(self, url: URL, *, write: bool) -> Engine:
        """Return an engine whose sessions use READ COMMITTED and, without `write`, are read-only.

        Raises `UsageError` without a driver.
        """
        return session.engine(url, write=write)

    def identity(self, connection: Connection) -> Mapping[str, str]:
        """Return the cluster's system identifier (where the role may read it), and the database's oid and name."""
        return session.identity(connection)

    def place(self, connection: Connection) -> str:
        """Return the server's address and port as the session sees them, and the data directory if readable."""
        return session.place(connection)

    def version(self, connection: Connection) -> str:
        """Return for example `PostgreSQL 15.4`."""
        return f"PostgreSQL {connection.scalar(sa.select(func.current_setting('server_version')))}"

    def now(self) -> ColumnElement[int]:
        """Return the server's clock, not the start of the transaction."""
        return sa.cast(func.floor(sa.extract("epoch", func.clock_timestamp())), BigInteger)

    def tables(self, connection: Connection) -> list[str]:
        """List ordinary and partitioned tables, without partitions, views, foreign tables and tables of extensions."""
        return catalogue.known(connection, self.journal_schema)[1]

    def table(self, connection: Connection, name: str) -> Table:
        """Read one table: also a partition by its own name, and any table by the quoted `"schema"."name"`."""
        return catalogue.table(connection, self.journal_schema, name)

    def own_rows(self, table: Table, alias: str) -> FromClause:
        """Select with ONLY, except for a partitioned table, which has no rows besides those of its partitions."""
        partitioned = str((table.facts or {}).get("kind", "")).startswith("p")
        return super().own_rows(table, alias) if partitioned else Only._construct(table.sql, name=alias)

    def loose_rules(self, connection: Connection, table: Table) -> Sequence[LooseRule]:
        """Return the CHECK, NOT NULL and FOREIGN KEY constraints that are NOT VALID."""
        return catalogue.loose_rules(connection, table)

    def naming(self, connection: Connection) -> str:
        """Return the first existing schema of the `search_path` that the role, the database and the URL set."""
        return catalogue.naming(connection)

    def name_by(self, connection: Connection, schema: str) -> None:
        """Look unqualified names up in `schema` until the connection ends."""
        catalogue.name_by(connection, schema)

    def schema_stamp(self, connection: Connection, tables: Sequence[Table]) -> str:
        """Digest everything that `facts` are made of with one query, by the tables' oids."""
        return catalogue.stamp(connection, tables)

    def adopt(self, table: Table) -> Table:
        """Give a table of another engine the PostgreSQL types that fit the content of its columns."""
        by_family = {"text": "text", "binary": "bytea", "float": "double precision", "json": "jsonb", "enum": "text"}

        def ddl(column: Column) -> str:
            plain = "timestamp" if column.temporal else "numeric" if column.numeric else "text"
            return by_family.get(column.family, "bigint" if column.integer else plain)

        adopted = super().adopt(table)
        return replace(adopted, columns={n: replace(c, ddl=ddl(c)) for n, c in adopted.columns.items()})

    def key(self, table: Table, row: FromClause) -> list[ColumnElement[Any]]:
        """Return the text of each part, as the pinned session settings format it."""
        parts = [(table.columns[name], row.c[name]) for name in table.key]
        return [spelled(value, column) for column, value in parts]

    def stage(self, connection: Connection, table: Table, ops: Sequence[tuple[int, str, str, Sequence[str]]]) -> Stage:
        """Unnest one array for each column and cast the values row by row: arrays of arrays would be flattened.

        A column whose values hold no comma is sent as one text, so that the driver need not quote each element.
        """
        keys = [f"k{position}" for position in range(len(table.key))]
        labels = ["seq", "before", "after", *keys]
        columns = list(zip(*((str(seq), before, after, *tokens) for seq, before, after, tokens in ops), strict=True))
        values: dict[str, Any] = {}
        arrays: list[ColumnElement[Any]] = []
        for label, column in zip(labels, columns, strict=True):
            plain = label not in keys or table.columns[table.key[keys.index(label)]].integer
            values[f"trueup_{label}"] = ",".join(column) if plain else list(column)
            if plain:
                text = sa.bindparam(f"trueup_{label}", type_=Text())
                array: ColumnElement[Any] = func.string_to_array(sa.cast(text, Text), word("','"), type_=ARRAY(Text()))
            else:
                array = sa.bindparam(f"trueup_{label}", type_=ARRAY(Text()))
            arrays.append(sa.cast(array, ARRAY(Text())))
        parts = [sa.column(label, Text()) for label in labels]
        raw = func.unnest(*arrays).table_valued(*parts, name="trueup_ops").render_derived()
        seq = sa.type_coerce(taken(raw.c.seq, "bigint"), BigInteger())
        shown: list[ColumnElement[Any]] = [seq.label("seq"), raw.c.before, raw.c.after]
        for label, name in zip(keys, table.key, strict=True):
            shown.append(read(raw.c[label], table.columns[name]).label(label))
        return Stage(sa.select(*shown).subquery("trueup_stage"), values)

    def digest(self, columns: Iterable[tuple[Column, ColumnElement[Any]]]) -> ColumnElement[str]:
        """Digest the values as the text of one ROW. That text quotes an empty string and leaves NULL out."""
        text = sa.cast(func.row(*(numbered(value, column) for column, value in columns)), Text)
        return func.encode(func.sha256(func.convert_to(text, _UTF8)), word("'hex'"), type_=Text)

    def cast(self, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """Convert `value` as an assignment to `column` would, without enforcing the length.

        A CAST would truncate silently, so the write itself enforces the length.
        """
        padded = _PADDED.fullmatch(whole(beneath(column)).ddl)
        if padded:
            fits = func.char_length(sa.cast(value, Text)) <= int(padded[1])
            return sa.case(
                (fits, sa.cast(value, Verbatim(padded[0]))),
                else_=sa.cast(value, Verbatim("pg_catalog.bpchar")),
            )
        if isinstance(value.type, sa.String):
            return read(value, column)
        return sa.cast(value, whole(beneath(column)))

    def preview(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[str]:
        """Return the text as PostgreSQL prints it; for a bytea the first bytes in hexadecimal."""
        if column.family == "binary":
            value = func.substring(sa.cast(value, sa.LargeBinary), 1, 100)
        return func.left(spelled(value, column), 200, type_=Text)

    def sum_of_digests(self, value: ColumnElement[str]) -> ColumnElement[str]:
        """Cast the hexadecimal digits to bits and those to a number, as a digest has no direct cast to a number."""
        bits = sa.cast(word("'x'", Text).op("||")(func.substr(value, 1, SUMMED)), BIT(60))
        return sa.cast(func.sum(sa.cast(bits, BigInteger)), Text)

    def dumps_by_name(self, column: Column) -> bool:
        """Whether the column is a `regclass` or another `reg...` type."""
        return (column.base or column.ddl).startswith("reg")

    def collect(self, wanted: ColumnElement[bool], payload: ColumnElement[str]) -> ColumnElement[str]:
        """Aggregate with `string_agg`, which fails beyond 1 GB."""
        return func.string_agg(sa.cast(payload, Text), word("','"), type_=Text).filter(wanted)

    def not_a_number(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether the value is NaN, which PostgreSQL sorts above every number."""
        if column.integer:
            return sa.false()
        return func.coalesce(value == sa.cast(word("'NaN'"), whole(beneath(column))), sa.false())

    def moment(self, value: ColumnElement[Any], part: Part) -> ColumnElement[str]:
        """Format with `to_char`. An infinite timestamp has no parts and is returned as text."""
        told = func.to_char(value, sa.literal(_MOMENTS[part], sa.String()), type_=sa.String())
        return func.coalesce(told, sa.cast(value, Text), type_=sa.String())

    def fold(self, value: ColumnElement[str], rules: Sequence[str]) -> ColumnElement[str]:
        """Apply `lower()`, collapse white space, apply NFC.

        `lower()` is by Unicode (ICU, else C.UTF-8, else the database's rules).
        """
        unknown = set(rules) - _RULES
        if unknown:
            raise NotChecked(f"PostgreSQL has no words for {', '.join(sorted(unknown))}")
        text = settled(value)
        if "unicode" in rules:
            text = func.normalize(text, word("NFC"), type_=Text)
        if "case" in rules:
            text = folded(text)
        if "unicode" in rules and "case" in rules:  # lower() can take a composed letter apart
            text = func.normalize(text, word("NFC"), type_=Text)
        if "space" in rules:
            text = func.btrim(func.regexp_replace(text, _SPACE, word("' '"), word("'g'")), word("' '"), type_=Text)
        return text

    def is_blank(self, value: ColumnElement[str]) -> ColumnElement[bool]:
        """Test the first byte first: text that begins with a printable ASCII character is not blank."""
        byte = sa.cast(value, Text).collate("C")
        return sa.case((byte.between(word("'!'"), word("'~'")), sa.false()), else_=super().is_blank(value))

    def matches(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """Match with `~`, with `$` for the end of the text."""
        return settled(text).op("~", return_type=sa.Boolean())(sa.literal(portable(pattern, "$"), Text))

    def as_integer(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """Convert text without leading zeros, plus sign or blanks; other text gives SQL NULL."""
        plain = settled(text)
        inside = taken(plain, "numeric").between(word(str(_LEAST)), word(str(_MOST)))
        number = sa.case((inside, sa.type_coerce(taken(plain, "bigint"), BigInteger())), else_=sa.null())
        return sa.case((plain.op("~")(_INTEGER), number), else_=sa.null())

    def writable(self, connection: Connection) -> str:
        """Return why nothing can be written, or '': a replica, or a role or database that is set to read-only."""
        return session.read_only(connection)

    def lacks(self, connection: Connection, needs: Sequence[Need]) -> list[str]:
        """Ask the server with its own `has_..._privilege` functions."""
        return rights.lacks(connection, needs)

    def begin(self, connection: Connection) -> None:
        """Set the limits and again all settings that digests depend on: a pooler may have switched the session."""
        session.begin(connection)

    def finish(self, connection: Connection) -> None:
        """Check deferred constraints now, so that they fail here instead of at COMMIT."""
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")

    def locked(self, statement: Select[Any], row: FromClause, *, gone: bool = False) -> Select[Any]:
        """Lock with FOR NO KEY UPDATE, under which others may insert references to the rows; with `gone` FOR UPDATE."""
        return statement.with_for_update(key_share=not gone, of=row)

    def shared(self, statement: Select[Any], row: FromClause) -> Select[Any]:
        """Lock with FOR SHARE, which PostgreSQL allows to a role that may UPDATE a column of the table."""
        return statement.with_for_update(read=True, of=row)

    def await_writers(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Poll `pg_locks` instead of taking a lock: the application would queue behind a lock that waits."""
        session.await_writers(connection, tables)

    def rows_written(self, connection: Connection) -> int:
        """Sum the transaction's row counts over all tables, those of the catalogue included."""
        return int(connection.execute(ROWS_WRITTEN, {"journal": self.journal_schema}).scalar_one())

    def refers(self, child: ColumnElement[Any], parent: ColumnElement[Any]) -> ColumnElement[bool]:
        """Compare with `=` of the parent's type, under the parent's collation."""
        return refers(child, parent)

    def enforce_references(self, connection: Connection, yes: bool) -> None:
        """Set `session_replication_role`, which only a superuser (or a role with the privilege) may do."""
        session.enforce_references(connection, yes)

    def suspended(self, connection: Connection) -> AbstractContextManager[None]:
        """Set `session_replication_role` until the savepoint is rolled back.

        Without the privilege the keys stay enforced.
        """
        return session.suspended(connection)

    def unlocked(self, statement: Select[Any], row: FromClause) -> Select[Any]:
        """Lock with SKIP LOCKED."""
        return statement.with_for_update(key_share=True, of=row, skip_locked=True)

    def restoring(self, statement: Insert) -> Insert:
        """Add OVERRIDING SYSTEM VALUE, for identity columns that are GENERATED ALWAYS."""
        return Restoring(statement.table)

    def retryable(self, error: BaseException) -> bool:
        """Whether it is a deadlock, serialisation failure, lock or statement timeout, or a moved row.

        A row can move to another partition.
        """
        return errors.retryable(error)

    def exhausted(self, error: BaseException) -> bool:
        """Whether it is class 53 (resources), a system error, an internal error, or a read-only transaction."""
        return errors.exhausted(error)

    def refused_by_guard(self, error: BaseException) -> bool:
        """Whether the constraint that the server names is a guard's. Our triggers set that field too."""
        return errors.refused_by_guard(error)

    def describe(self, error: BaseException) -> str:
        """Return the SQLSTATE, its name, and the constraint, table or column.

        The message is included only where it cannot hold values.
        """
        return errors.describe(error)

    def describe_connect(self, error: BaseException) -> str:
        """Recognise the driver's sentence and drop its names: host, user or option may be a piece of the password."""
        return why(error)

    def disconnected(self, error: BaseException) -> bool:
        """Whether the connection was lost, the server is shutting down, or the session was ended for being idle."""
        return super().disconnected(error) or errors.disconnected(error)

    def idled(self, error: BaseException) -> bool:
        """Whether the error has the code of a limit for idle sessions."""
        return errors.idled(error)

    def load(self, connection: Connection) -> str:
        """Return a reason for waiting: replay lag, busy connections, or sessions blocked by us.

        The limits are a lag of one second and four fifths of the connections.
        """
        return session.load(connection)
