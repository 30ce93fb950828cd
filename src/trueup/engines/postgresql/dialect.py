"""PostgreSQL, through psycopg 3 or psycopg2, whichever is at hand."""

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

    Sessions have an empty `search_path`, so that a name can never mean another schema's table or function.
    JSON text is tested by PostgreSQL 16's own function, before that by one that each session makes for itself
    in `pg_temp`; where neither is to be had (a replica, no TEMP privilege), such a check ends with an error.
    """

    name = "postgresql"
    usual_storage: Storage = "jsonb"
    collects_sets = True  # no parallel plan is made for a cursor

    def engine(self, url: URL, *, write: bool) -> Engine:
        """READ COMMITTED; reading sessions are read-only by setting. Raises `UsageError` without a driver."""
        return session.engine(url, write=write)

    def identity(self, connection: Connection) -> Mapping[str, str]:
        """The cluster's system identifier (where the role may read it), and the database's oid and name."""
        return session.identity(connection)

    def place(self, connection: Connection) -> str:
        """The server's address and port as the session sees it, and its data directory where the role may."""
        return session.place(connection)

    def version(self, connection: Connection) -> str:
        """`PostgreSQL 15.4`."""
        return f"PostgreSQL {connection.scalar(sa.select(func.current_setting('server_version')))}"

    def now(self) -> ColumnElement[int]:
        """The server's clock, not the start of the transaction."""
        return sa.cast(func.floor(sa.extract("epoch", func.clock_timestamp())), BigInteger)

    def tables(self, connection: Connection) -> list[str]:
        """Ordinary and partitioned tables; partitions, views, foreign tables and those of extensions are not listed."""
        return catalogue.known(connection, self.journal_schema)[1]

    def table(self, connection: Connection, name: str) -> Table:
        """Read one table; a partition by its own name too, and any by `"schema"."name"`, quoted."""
        return catalogue.table(connection, self.journal_schema, name)

    def own_rows(self, table: Table, alias: str) -> FromClause:
        """ONLY; a partitioned table has no other rows than those of its partitions."""
        partitioned = str((table.facts or {}).get("kind", "")).startswith("p")
        return super().own_rows(table, alias) if partitioned else Only._construct(table.sql, name=alias)

    def loose_rules(self, connection: Connection, table: Table) -> Sequence[LooseRule]:
        """CHECK, NOT NULL and FOREIGN KEY that are NOT VALID."""
        return catalogue.loose_rules(connection, table)

    def naming(self, connection: Connection) -> str:
        """The first schema of the `search_path` that there is, as the role, the database and the URL set it."""
        return catalogue.naming(connection)

    def name_by(self, connection: Connection, schema: str) -> None:
        """Until the connection ends."""
        catalogue.name_by(connection, schema)

    def schema_stamp(self, connection: Connection, tables: Sequence[Table]) -> str:
        """One query over all that `facts` are made of, by the tables' oids."""
        return catalogue.stamp(connection, tables)

    def adopt(self, table: Table) -> Table:
        """A table of another engine, with types of this one by what its columns hold."""
        by_family = {"text": "text", "binary": "bytea", "float": "double precision", "json": "jsonb", "enum": "text"}

        def ddl(column: Column) -> str:
            plain = "timestamp" if column.temporal else "numeric" if column.numeric else "text"
            return by_family.get(column.family, "bigint" if column.integer else plain)

        adopted = super().adopt(table)
        return replace(adopted, columns={n: replace(c, ddl=ddl(c)) for n, c in adopted.columns.items()})

    def key(self, table: Table, row: FromClause) -> list[ColumnElement[Any]]:
        """The text of each part, as the pinned settings write it."""
        parts = [(table.columns[name], row.c[name]) for name in table.key]
        return [spelled(value, column) for column, value in parts]

    def stage(self, connection: Connection, table: Table, ops: Sequence[tuple[int, str, str, Sequence[str]]]) -> Stage:
        """Arrays unnested side by side, and cast row by row: arrays of arrays would be flattened.

        What holds no comma goes over as one text, which spares the driver the quoting of each element.
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
        """The values as one row's text; the text of a row quotes what is empty and leaves NULL out."""
        text = sa.cast(func.row(*(numbered(value, column) for column, value in columns)), Text)
        return func.encode(func.sha256(func.convert_to(text, _UTF8)), word("'hex'"), type_=Text)

    def cast(self, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """As an assignment would store it: a CAST cuts off what is too long, so lengths are left to the write."""
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
        """The text as PostgreSQL prints it; of a bytea the first bytes in hexadecimal."""
        if column.family == "binary":
            value = func.substring(sa.cast(value, sa.LargeBinary), 1, 100)
        return func.left(spelled(value, column), 200, type_=Text)

    def sum_of_digests(self, value: ColumnElement[str]) -> ColumnElement[str]:
        """By way of bits: digits of a digest are no number yet."""
        bits = sa.cast(word("'x'", Text).op("||")(func.substr(value, 1, SUMMED)), BIT(60))
        return sa.cast(func.sum(sa.cast(bits, BigInteger)), Text)

    def dumps_by_name(self, column: Column) -> bool:
        """`regclass` and its like."""
        return (column.base or column.ddl).startswith("reg")

    def collect(self, wanted: ColumnElement[bool], payload: ColumnElement[str]) -> ColumnElement[str]:
        """`string_agg`; over 1 GB it is an error."""
        return func.string_agg(sa.cast(payload, Text), word("','"), type_=Text).filter(wanted)

    def not_a_number(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """NaN, which PostgreSQL sorts above every number."""
        if column.integer:
            return sa.false()
        return func.coalesce(value == sa.cast(word("'NaN'"), whole(beneath(column))), sa.false())

    def moment(self, value: ColumnElement[Any], part: Part) -> ColumnElement[str]:
        """By `to_char`; what is infinite has no parts, and is told as it is."""
        told = func.to_char(value, sa.literal(_MOMENTS[part], sa.String()), type_=sa.String())
        return func.coalesce(told, sa.cast(value, Text), type_=sa.String())

    def fold(self, value: ColumnElement[str], rules: Sequence[str]) -> ColumnElement[str]:
        """`lower()` by Unicode (ICU, else C.UTF-8, else as the database does), white space to one blank, NFC."""
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
        """By the first byte, compared as a byte: what begins with a printable sign of ASCII is not blank."""
        byte = sa.cast(value, Text).collate("C")
        return sa.case((byte.between(word("'!'"), word("'~'")), sa.false()), else_=super().is_blank(value))

    def matches(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """`~`, with its own sign for the end."""
        return settled(text).op("~", return_type=sa.Boolean())(sa.literal(portable(pattern, "$"), Text))

    def as_integer(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """No leading zeros, no plus, no blanks."""
        plain = settled(text)
        inside = taken(plain, "numeric").between(word(str(_LEAST)), word(str(_MOST)))
        number = sa.case((inside, sa.type_coerce(taken(plain, "bigint"), BigInteger())), else_=sa.null())
        return sa.case((plain.op("~")(_INTEGER), number), else_=sa.null())

    def writable(self, connection: Connection) -> str:
        """A replica, or a role or database that is set to read-only."""
        return session.read_only(connection)

    def lacks(self, connection: Connection, needs: Sequence[Need]) -> list[str]:
        """By the server's own `has_..._privilege`."""
        return rights.lacks(connection, needs)

    def begin(self, connection: Connection) -> None:
        """Limits, and once more all that digests depend on: a pooler may have given us another session."""
        session.begin(connection)

    def finish(self, connection: Connection) -> None:
        """Have deferred constraints fail here instead of at COMMIT."""
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")

    def locked(self, statement: Select[Any], row: FromClause, *, gone: bool = False) -> Select[Any]:
        """FOR NO KEY UPDATE, which lets live inserts go on referring to the rows; FOR UPDATE where they will go."""
        return statement.with_for_update(key_share=not gone, of=row)

    def shared(self, statement: Select[Any], row: FromClause) -> Select[Any]:
        """FOR SHARE, which PostgreSQL allows to a role that may UPDATE a column of the table."""
        return statement.with_for_update(read=True, of=row)

    def await_writers(self, connection: Connection, tables: Sequence[Table]) -> None:
        """By `pg_locks`, without a lock of our own: one that waits would hold up the application behind it."""
        session.await_writers(connection, tables)

    def rows_written(self, connection: Connection) -> int:
        """By the counts of the transaction for every table, the catalogue's included."""
        return int(connection.execute(ROWS_WRITTEN, {"journal": self.journal_schema}).scalar_one())

    def refers(self, child: ColumnElement[Any], parent: ColumnElement[Any]) -> ColumnElement[bool]:
        """`=` of the parent's type, under the parent's collation."""
        return refers(child, parent)

    def enforce_references(self, connection: Connection, yes: bool) -> None:
        """By `session_replication_role`, which only a superuser (or a role granted it) may set."""
        session.enforce_references(connection, yes)

    def suspended(self, connection: Connection) -> AbstractContextManager[None]:
        """By the same setting, until the savepoint is rolled back; a role that may not set it has the keys checked."""
        return session.suspended(connection)

    def unlocked(self, statement: Select[Any], row: FromClause) -> Select[Any]:
        """SKIP LOCKED."""
        return statement.with_for_update(key_share=True, of=row, skip_locked=True)

    def restoring(self, statement: Insert) -> Insert:
        """OVERRIDING SYSTEM VALUE, for identity columns that are GENERATED ALWAYS."""
        return Restoring(statement.table)

    def retryable(self, error: BaseException) -> bool:
        """Deadlock, serialisation, lock timeout, statement timeout, a row that moved to another partition."""
        return errors.retryable(error)

    def exhausted(self, error: BaseException) -> bool:
        """Insufficient resources, a system error, an internal error, a read-only transaction."""
        return errors.exhausted(error)

    def refused_by_guard(self, error: BaseException) -> bool:
        """By the constraint that the server names, which a trigger of ours says to have, too."""
        return errors.refused_by_guard(error)

    def describe(self, error: BaseException) -> str:
        """SQLSTATE, its name, and constraint, table or column; the message only where it cannot carry values."""
        return errors.describe(error)

    def describe_connect(self, error: BaseException) -> str:
        """By the driver's sentence, which names what it took for the host, the user, an option: any may be a secret."""
        return why(error)

    def disconnected(self, error: BaseException) -> bool:
        """Connection lost, server shutting down, or the session ended for being idle."""
        return super().disconnected(error) or errors.disconnected(error)

    def idled(self, error: BaseException) -> bool:
        """By the codes of the limits for idle sessions."""
        return errors.idled(error)

    def load(self, connection: Connection) -> str:
        """Replay lag over one second, four fifths of the connections busy, or sessions that wait for us."""
        return session.load(connection)
