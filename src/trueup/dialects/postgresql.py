"""PostgreSQL, through psycopg 3 or psycopg2, whichever is at hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, FromClause, Insert, Select, Text, func
from sqlalchemy import literal_column as word
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import URL

from trueup.dialects import _postgresql_catalogue as catalogue
from trueup.dialects import _postgresql_session as session
from trueup.dialects._postgresql_catalogue import Verbatim
from trueup.dialects._postgresql_sql import Restoring, folded, is_json
from trueup.errors import NotChecked
from trueup.jsonwords import Changes, Elements, strings
from trueup.regexes import portable
from trueup.store import Dialect, Load, Stage
from trueup.tables import Column, Storage, Table

_FIRST = {"object": "{", "array": "[", "string": '"', "boolean": "tf", "null": "n"}
_NUMBERS = {"integer", "double"}
_RULES = {"case", "space", "unicode"}
_BLANKS = word("E' \\t\\n\\r'", Text)
# the white space of Unicode, as Python's str.split() knows it
_SPACE = word(
    r"'[\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+'",
    Text,
)
_INTEGER = word("'^(0|-?[1-9][0-9]{0,18})$'", Text)
# of json and of text PostgreSQL hands out a number with the blanks around it
_WHOLE = word(r"'^\s*-?[0-9]+\s*$'", Text)
_DIGITS = word("'-0123456789'", Text)
# the usual spellings of numbers, which are valid JSON
_USUAL = {
    "integer": word("'^(0|-?[1-9][0-9]*)$'", Text),
    "double": word("'^-?(0|[1-9][0-9]*)[.][0-9]+$'", Text),
}
_LONG = 200
# the longest numbers, with a power of ten and without one, that are doubles for certain; powers that may be too high
_POWERS, _DIGITS_MOST = 30, 300
_HUGE = word("'[eE][-+]?0*(2[7-9][0-9]|[3-9][0-9][0-9]|[1-9][0-9]{3})'", Text)
_NOTHING = word("''", Text)
_UTF8 = word("'UTF8'", Text)
_ROOT = word("'{}'", Text)
_LEAST, _MOST = -(2**63), 2**63 - 1
_SHORTENED = re.compile(r"(character varying|bit varying|bit)\(\d+\)((?:\[\])*)")
_PADDED = re.compile(r"character\((\d+)\)")
_JSONB, _JSON = Verbatim("jsonb"), Verbatim("json")


class Postgresql(Dialect):
    """PostgreSQL 12 or later.

    Sessions have an empty `search_path`, so that a name can never mean another schema's table or function.
    JSON text is tested by PostgreSQL 16's own function, before that by one that each session makes for itself
    in `pg_temp`; where neither is to be had (a replica, no TEMP privilege), such a check ends with an error.
    """

    name = "postgresql"
    journal_schema = "trueup"
    journal_prefix = ""
    usual_storage: Storage = "jsonb"
    collects_sets = True  # no parallel plan is made for a cursor

    # -- connecting -------------------------------------------------------------------------------
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

    # -- the catalogue ----------------------------------------------------------------------------
    def tables(self, connection: Connection) -> list[str]:
        """Ordinary and partitioned tables; partitions, views, foreign tables and those of extensions are not listed."""
        return catalogue.known(connection, self.journal_schema)[1]

    def table(self, connection: Connection, name: str) -> Table:
        """Read one table; a partition by its own name too."""
        return catalogue.table(connection, self.journal_schema, name)

    def schema_stamp(self, connection: Connection, tables: Sequence[Table]) -> str:
        """One query over columns, constraints, triggers, row security and children."""
        return catalogue.stamp(connection, tables)

    def adopt(self, table: Table) -> Table:
        """A table of another engine, with types of this one by what its columns hold."""
        by_family = {"text": "text", "binary": "bytea", "float": "double precision", "json": "jsonb", "enum": "text"}

        def ddl(column: Column) -> str:
            plain = "timestamp" if column.temporal else "numeric" if column.numeric else "text"
            return by_family.get(column.family, "bigint" if column.integer else plain)

        adopted = super().adopt(table)
        return replace(adopted, columns={n: replace(c, ddl=ddl(c)) for n, c in adopted.columns.items()})

    # -- keys -------------------------------------------------------------------------------------
    def key(self, table: Table, row: FromClause) -> list[ColumnElement[Any]]:
        """The text of each part, as the pinned settings write it."""
        return [sa.cast(row.c[name], Text) for name in table.key]

    def stage(self, connection: Connection, table: Table, ops: Sequence[tuple[int, str, str, Sequence[str]]]) -> Stage:
        """Arrays unnested side by side, and cast row by row: arrays of arrays would be flattened.

        What holds no comma goes over as one text, which spares the driver the quoting of each element.
        """
        keys = [f"k{position}" for position in range(len(table.key))]
        labels = ["seq", "before", "after", *keys]
        columns = list(zip(*((str(seq), before, after, *tokens) for seq, before, after, tokens in ops), strict=True))
        values: dict[str, Any] = {}
        arrays: list[ColumnElement[Any]] = []
        types: list[Any] = [BigInteger() if label == "seq" else Text() for label in labels]
        for label, kind, column in zip(labels, types, columns, strict=True):
            plain = label not in keys or table.columns[table.key[keys.index(label)]].integer
            values[f"trueup_{label}"] = ",".join(column) if plain else list(column)
            if plain:
                text = sa.bindparam(f"trueup_{label}", type_=Text())
                array: ColumnElement[Any] = func.string_to_array(sa.cast(text, Text), word("','"), type_=ARRAY(Text()))
            else:
                array = sa.bindparam(f"trueup_{label}", type_=ARRAY(Text()))
            arrays.append(sa.cast(array, ARRAY(kind)))
        parts = [sa.column(label, kind) for label, kind in zip(labels, types, strict=True)]
        raw = func.unnest(*arrays).table_valued(*parts, name="trueup_ops").render_derived()
        shown: list[ColumnElement[Any]] = [raw.c.seq, raw.c.before, raw.c.after]
        for label, name in zip(keys, table.key, strict=True):
            shown.append(sa.cast(raw.c[label], _whole(table.columns[name].ddl)).label(label))
        return Stage(sa.select(*shown).subquery("trueup_stage"), values)

    # -- canonical bytes --------------------------------------------------------------------------
    def digest(self, columns: Iterable[tuple[Column, ColumnElement[Any]]]) -> ColumnElement[str]:
        """The values as one row's text; the text of a row quotes what is empty and leaves NULL out."""
        text = sa.cast(func.row(*(value for _, value in columns)), Text)
        return func.encode(func.sha256(func.convert_to(text, _UTF8)), word("'hex'"), type_=Text)

    def cast(self, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """As an assignment would store it: a CAST cuts off what is too long, so lengths are left to the write."""
        padded = _PADDED.fullmatch(_whole(column.ddl).ddl)
        if padded:
            fits = func.char_length(sa.cast(value, Text)) <= int(padded[1])
            return sa.case(
                (fits, sa.cast(value, Verbatim(padded[0]))),
                else_=sa.cast(value, Verbatim("pg_catalog.bpchar")),
            )
        return sa.cast(value, _whole(column.ddl))

    def preview(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[str]:
        """The text as PostgreSQL prints it; of a bytea the first bytes in hexadecimal."""
        if column.family == "binary":
            value = func.substring(sa.cast(value, sa.LargeBinary), 1, 100)
        return func.left(sa.cast(value, Text), 200, type_=Text)

    # -- JSON -------------------------------------------------------------------------------------
    def json_type(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """A number is an integer when its text has nothing but digits; jsonb writes 1e2 as 100."""
        if storage == "text":
            text = sa.cast(value, Text)
            inner = self.json_type(sa.cast(text, _JSON), "json")
            return sa.case((text.is_(None), sa.null()), (is_json(text), inner), else_="invalid")
        kind = _kind(value, storage)
        whole = value.op("#>>")(_ROOT).op("~")(_WHOLE)
        return sa.case((kind != "number", kind), (whole, "integer"), (kind == "number", "double"), else_=sa.null())

    def json_is_not(self, value: ColumnElement[Any], storage: Storage, types: Sequence[str]) -> ColumnElement[bool]:
        """No look at the digits where all numbers count alike; text by its first character before it is parsed."""
        if "invalid" in types or not types:
            return super().json_is_not(value, storage, types)
        numbers = _NUMBERS & set(types)
        if len(types) == len(numbers) == 1:
            return self._is_not_a(types[0], value, storage)
        if len(numbers) == 1:
            return super().json_is_not(value, storage, types)
        if storage != "text":
            wanted = sorted({"number" if kind in _NUMBERS else kind for kind in types})
            kind = _kind(value, storage)
            return func.coalesce(kind != wanted[0] if len(wanted) == 1 else kind.not_in(wanted), sa.false())
        text = sa.cast(value, Text)
        letters = "".join(_FIRST[kind] for kind in types if kind in _FIRST) + ("-0123456789" if numbers else "")
        first = func.left(func.ltrim(text, _BLANKS), 1)
        wrong = sa.or_(first == "", func.strpos(letters, first) == 0)
        return sa.case((text.is_(None), sa.false()), (wrong, sa.true()), else_=sa.not_(is_json(text)))

    def _is_not_a(self, kind: str, value: ColumnElement[Any], storage: Storage) -> ColumnElement[bool]:
        """`json_is_not` of `integer` or `double`, the usual spelling first: it takes the value only once."""
        text = sa.cast(value, Text)
        if storage == "jsonb" and kind == "integer":  # the only JSON without any other sign
            return (func.btrim(text, _DIGITS) != _NOTHING).is_(sa.true())
        usual: ColumnElement[bool] = text.op("~", return_type=sa.Boolean())(_USUAL[kind])
        if storage == "text":  # a longer number may be more than jsonb can hold
            usual = sa.and_(func.length(text) < _LONG, usual)
        return sa.case((usual, sa.false()), else_=super().json_is_not(value, storage, [kind]))

    def json_get(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """Key by key, so that a number never means a place in an array."""
        if storage == "jsonb":
            return _walk(value, path, _JSONB)
        readable = _readable(value, storage)
        found = _walk(sa.cast(value, _JSON), path, _JSON)
        return sa.case((readable, found if storage == "json" else sa.cast(found, Text)), else_=sa.null())

    def json_text(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """A string that no text of PostgreSQL can hold (with a NUL, half a surrogate pair) stays as it is spelled."""
        if storage == "jsonb":
            return value.op("#>>", return_type=Text())(_ROOT)
        text = sa.cast(value, Text)
        scalar = sa.cast(value, _JSON).op("#>>", return_type=Text())(_ROOT)
        if storage == "text":
            return sa.case((is_json(text), scalar), else_=sa.null())
        trimmed = func.btrim(text, _BLANKS)
        spelled = sa.case(
            (func.left(trimmed, 1) == '"', func.substr(trimmed, 2, func.length(trimmed) - 2)),
            else_=trimmed,
        )
        return sa.case((value.is_(None), sa.null()), (_readable(value, storage), scalar), else_=spelled)

    def json_valid(self, text: ColumnElement[str], types: Sequence[str]) -> ColumnElement[bool]:
        """Whether a cast to jsonb would succeed, which is stricter than JSON: no NUL, no half of a surrogate pair."""
        return sa.and_(text.is_not(None), sa.not_(self.json_is_not(text, "text", types)))

    def json_parse(self, text: ColumnElement[str], column: Column) -> ColumnElement[Any]:
        """A cast; a text column takes the text itself."""
        return text if column.storage in (None, "text") else sa.cast(text, _whole(column.ddl))

    def json_wrap(self, key: str, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """The value as it is spelled, except in jsonb, which has one spelling; what is no JSON as a string."""
        if column.storage == "jsonb":
            return func.jsonb_build_object(sa.literal(key, Text), value, type_=_JSONB)
        text = sa.cast(value, Text)
        quoted = sa.cast(func.to_json(text), Text)
        inner = text if column.storage == "json" else sa.case((is_json(text), text), else_=quoted)
        opening = sa.literal("{" + json.dumps(key, ensure_ascii=False) + ": ", Text)
        whole = func.concat(opening, sa.case((value.is_(None), "null"), else_=inner), sa.literal("}", Text), type_=Text)
        return sa.cast(whole, _JSON) if column.storage == "json" else whole

    def json_set_null(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[Any]:
        """Unchanged where there is nothing at `path`. Text and json come out as jsonb spells them."""
        storage: Storage = column.storage or "text"
        keys = sa.cast(sa.literal(list(path), ARRAY(Text)), ARRAY(Text))
        nothing = word("'null'::pg_catalog.jsonb", _JSONB)
        changed = func.jsonb_set(sa.cast(value, _JSONB), keys, nothing, sa.false(), type_=_JSONB)
        there = self.json_get(value, storage, path).is_not(None)
        if storage == "jsonb":
            return sa.case((there, changed), else_=value)
        back = sa.cast(changed, _JSON if storage == "json" else Text)
        return sa.case((sa.and_(is_json(sa.cast(value, Text)), there), back), else_=value)

    def json_literal(self, value: ColumnElement[Any], column: Column) -> ColumnElement[str]:
        """to_json()."""
        return sa.cast(func.to_json(value), Text)

    def json_put(
        self, value: ColumnElement[Any], column: Column, path: Sequence[str], members: Mapping[str, ColumnElement[str]]
    ) -> ColumnElement[Any]:
        """Text and json come out as jsonb spells them."""
        whole = value if column.storage == "jsonb" else sa.cast(value, _JSONB)
        pairs = [
            part for key, text in members.items() for part in (sa.cast(sa.literal(key), Text), sa.cast(text, _JSONB))
        ]
        added: ColumnElement[Any] = func.jsonb_build_object(*pairs, type_=_JSONB)
        inside: ColumnElement[Any] = _walk(whole, path, _JSONB).op("||", return_type=_JSONB)(added)
        if path:
            keys = sa.cast(sa.literal(list(path), ARRAY(Text)), ARRAY(Text))
            inside = func.jsonb_set(whole, keys, inside, type_=_JSONB)
        return inside if column.storage == "jsonb" else sa.cast(inside, _JSON if column.storage == "json" else Text)

    def json_rewritable(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether it can be read as jsonb, which keeps one of equal keys."""
        if column.storage == "jsonb":
            return sa.true()
        text = sa.cast(value, Text)
        same = strings(text) == strings(sa.cast(sa.cast(text, _JSONB), Text))
        return sa.case((is_json(text), same), else_=sa.false())

    def json_path_lacks(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], types: Sequence[str]
    ) -> ColumnElement[bool]:
        """By the word for the type alone, which is NULL where nothing is."""
        words = sorted({"number" if kind in _NUMBERS else kind for kind in types})
        if storage != "jsonb" or "invalid" in types or not types or len(_NUMBERS & set(types)) == 1:
            return super().json_path_lacks(value, storage, path, types)
        kind = _kind(self.json_get(value, storage, path), storage)
        return func.coalesce(kind != words[0] if len(words) == 1 else kind.not_in(words), sa.true())

    def json_number(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[Any]:
        """As numeric; what is larger than numeric can be is NaN, which PostgreSQL sorts above every number."""
        if storage == "jsonb":
            return sa.cast(value.op("#>>", return_type=Text())(_ROOT), sa.Numeric)
        text = sa.cast(value, Text)
        nan = sa.cast(word("'NaN'"), sa.Numeric)
        return sa.case((text.is_(None), sa.null()), (is_json(text), sa.cast(text, sa.Numeric)), else_=nan)

    def json_length(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[int]:
        """By the function of the type; text as json."""
        if storage == "jsonb":
            return func.jsonb_array_length(value)
        return func.json_array_length(sa.cast(value, _JSON))

    def json_elements(self, value: ColumnElement[Any], storage: Storage) -> Elements:
        """By the function of the type; of text, as json."""
        if storage == "jsonb":
            found = func.jsonb_array_elements(value).table_valued(sa.column("value", _JSONB))
            return Elements(found, found.c.value, "jsonb")
        found = func.json_array_elements(sa.cast(value, _JSON)).table_valued(sa.column("value", _JSON))
        return Elements(found, found.c.value, "json")

    def json_other_keys(self, value: ColumnElement[Any], storage: Storage, keys: Sequence[str]) -> ColumnElement[bool]:
        """What is left without the keys."""
        names = sa.cast(sa.literal(list(keys), ARRAY(Text)), ARRAY(Text))
        rest = sa.cast(value, _JSONB).op("-", return_type=_JSONB)(names)
        return rest != word("'{}'::pg_catalog.jsonb", _JSONB)

    def json_change(self, value: ColumnElement[Any], column: Column, changes: Changes) -> ColumnElement[Any]:
        """jsonb_set_lax(). Text and json come out as jsonb spells them."""
        changed = value if column.storage == "jsonb" else sa.cast(value, _JSONB)
        for path, new in changes:
            keys = sa.cast(sa.literal(list(path), ARRAY(Text)), ARRAY(Text))
            changed = func.jsonb_set_lax(
                changed, keys, sa.cast(new, _JSONB), sa.true(), word("'return_target'", Text), type_=_JSONB
            )
        return changed if column.storage == "jsonb" else sa.cast(changed, _JSON if column.storage == "json" else Text)

    # -- numbers ----------------------------------------------------------------------------------
    def as_number(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """Exactly, as numeric; NaN for what may be beyond all doubles, to which a comparison may turn it."""
        short = sa.case((text.op("~")(word("'[eE]'", Text)), _POWERS), else_=_DIGITS_MOST)
        fits = sa.and_(func.length(text) <= short, text.op("!~", return_type=sa.Boolean())(_HUGE))
        return sa.case((fits, sa.cast(text, sa.Numeric)), else_=sa.cast(word("'NaN'"), sa.Numeric))

    def collect(self, wanted: ColumnElement[bool], payload: ColumnElement[str]) -> ColumnElement[str]:
        """`string_agg`; over 1 GB it is an error."""
        return func.string_agg(sa.cast(payload, Text), word("','"), type_=Text).filter(wanted)

    def not_a_number(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """NaN, which PostgreSQL sorts above every number."""
        if column.integer:
            return sa.false()
        return func.coalesce(value == sa.cast(word("'NaN'"), _whole(column.ddl)), sa.false())

    # -- text -------------------------------------------------------------------------------------
    def fold(self, value: ColumnElement[str], rules: Sequence[str]) -> ColumnElement[str]:
        """`lower()` by Unicode (ICU, else C.UTF-8, else as the database does), white space to one blank, NFC."""
        unknown = set(rules) - _RULES
        if unknown:
            raise NotChecked(f"PostgreSQL has no words for {', '.join(sorted(unknown))}")
        text: ColumnElement[Any] = sa.cast(value, Text)
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
        return text.op("~", return_type=sa.Boolean())(sa.literal(portable(pattern, "$"), Text))

    def same_bytes(self, left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[bool]:
        """By the collation "C", as text: the trailing blanks of `character(n)` do not count."""
        return sa.cast(left, Text).collate("C") == sa.cast(right, Text).collate("C")

    def as_integer(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """No leading zeros, no plus, no blanks."""
        spelled = sa.cast(text, Text)
        inside = sa.cast(spelled, sa.Numeric).between(word(str(_LEAST)), word(str(_MOST)))
        number = sa.case((inside, sa.cast(spelled, BigInteger)), else_=sa.null())
        return sa.case((spelled.op("~")(_INTEGER), number), else_=sa.null())

    # -- writing ----------------------------------------------------------------------------------
    def writable(self, connection: Connection) -> str:
        """A replica, or a role or database that is set to read-only."""
        return session.read_only(connection)

    def begin(self, connection: Connection) -> None:
        """Limits, and once more all that digests depend on: a pooler may have given us another session."""
        session.begin(connection)

    def finish(self, connection: Connection) -> None:
        """Have deferred constraints fail here instead of at COMMIT."""
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")

    def locked(self, statement: Select[Any], row: FromClause) -> Select[Any]:
        """FOR NO KEY UPDATE, which lets live inserts go on referring to the rows."""
        return statement.with_for_update(key_share=True, of=row)

    def enforce_references(self, connection: Connection, yes: bool) -> None:
        """By `session_replication_role`, which only a superuser (or a role granted it) may set."""
        session.enforce_references(connection, yes)

    def restoring(self, statement: Insert) -> Insert:
        """OVERRIDING SYSTEM VALUE, for identity columns that are GENERATED ALWAYS."""
        return Restoring(statement.table)

    def retryable(self, error: BaseException) -> bool:
        """Deadlock, serialisation, lock timeout, statement timeout, a row that moved to another partition."""
        return session.retryable(error)

    def exhausted(self, error: BaseException) -> bool:
        """Insufficient resources, a system error, an internal error, a read-only transaction."""
        return session.exhausted(error)

    def describe(self, error: BaseException) -> str:
        """SQLSTATE, its name, and constraint, table or column; the message only where it cannot carry values."""
        return session.describe(error)

    def disconnected(self, error: BaseException) -> bool:
        """Connection lost, server shutting down, or the session ended for being idle."""
        return super().disconnected(error) or session.disconnected(error)

    def load(self, connection: Connection) -> Load:
        """Replay lag over one second, four fifths of the connections busy, or sessions that wait for us."""
        return session.load(connection)


def _whole(ddl: str) -> Verbatim:
    """A type that a CAST takes: without its collation, and without a length that would cut silently."""
    bare = ddl.rpartition(" COLLATE ")[0] if ddl.endswith('"') and " COLLATE " in ddl else ddl
    bare = re.sub(r" COLLATE [^ ]+$", "", bare)
    shortened = _SHORTENED.fullmatch(bare)
    if shortened:
        return Verbatim(shortened[1].replace("bit", "bit varying").replace("varying varying", "varying") + shortened[2])
    return Verbatim(bare)


def _kind(value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
    """PostgreSQL's own word for the type of JSON; of `json` only the first token is read."""
    return (func.jsonb_typeof if storage == "jsonb" else func.json_typeof)(value, type_=Text)


def _readable(value: ColumnElement[Any], storage: Storage) -> ColumnElement[bool]:
    """Whether PostgreSQL can look into the document: a column of `json` takes escapes that its functions refuse."""
    text = sa.cast(value, Text)
    if storage == "text":
        return is_json(text)
    return sa.or_(func.strpos(text, word("'\\u'", Text)) == 0, is_json(text))


def _walk(value: ColumnElement[Any], path: Sequence[str], kind: Verbatim) -> ColumnElement[Any]:
    for key in path:
        value = value.op("->", return_type=kind)(sa.literal(key, Text))
    return value
