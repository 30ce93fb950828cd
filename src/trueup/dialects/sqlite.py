"""SQLite, through the standard library's `sqlite3`."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Engine, FromClause, ScalarSelect, Select, func, literal
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool
from sqlalchemy.types import NullType

from trueup.dialects import _sqlite_catalogue as catalogue
from trueup.dialects import _sqlite_functions as functions
from trueup.errors import NotChecked, StoreError, UsageError
from trueup.guarded import Guarded
from trueup.jsonwords import Changes, Elements
from trueup.regexes import portable
from trueup.store import Dialect, Stage
from trueup.tables import Column, Storage, Table

BLANKS = " \t\n\r"
# the white space of Unicode, as Python's str.split() knows it
_SPACE = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680"
    + "".join(map(chr, range(0x2000, 0x200B)))
    + "\u2028\u2029\u202f\u205f\u3000"
)
RULES = {"case", "space", "unicode"}
# a JSON value's first character says its type once it is known to be valid; numbers are the rest
_FIRST = {"object": "{", "array": "[", "string": '"', "boolean": "tf", "null": "n"}
_INNOCUOUS = 0x200000  # SQLITE_INNOCUOUS of sqlite3.h
# the words of json_type()
_TYPES = {
    "object": "object",
    "array": "array",
    "text": "string",
    "integer": "integer",
    "real": "double",
    "true": "boolean",
    "false": "boolean",
    "null": "null",
}
_ARGUMENTS = 90  # SQLite takes 127 arguments, some builds 100
_PLAIN_KEY = re.compile(r"[ !#-\[\]-~]*")
_EXHAUSTED = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PROTOCOL,
}
_SWITCHES = {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}


class Sqlite(Dialect):
    """SQLite 3.38 or later.

    Writing sessions enforce the declared foreign keys, unless the URL says that the application does
    not (`sqlite:///app.db?foreign_keys=off`). JSON is text here, or a number; a BLOB is 'invalid'.
    What follows a NUL character in text is data that SQLite's JSON functions do not see: `json_type` says
    'invalid', `json_is_not` (which decides a scan) looks no further than SQLite does, as that costs a third more.
    """

    name = "sqlite"
    usual_storage: Storage = "text"
    chunk_seconds = 0.03
    nice = 3.0
    joined_delete = False

    # -- connecting -------------------------------------------------------------------------------
    def engine(self, url: URL, *, write: bool) -> Engine:
        """Sessions begin with BEGIN IMMEDIATE (`write`) or BEGIN.

        Raises `UsageError` for a database that is no file; connecting raises `StoreError` when the file is not there.
        """
        path, foreign_keys = _place(url)

        def connect() -> sqlite3.Connection:
            return _connect(path, write=write, foreign_keys=foreign_keys)

        engine = sa.create_engine("sqlite+pysqlite://", creator=connect, poolclass=NullPool)
        opening = "BEGIN IMMEDIATE" if write else "BEGIN"
        # not by the event "begin": once a listener fails on a lock, SQLAlchemy never begins again on that connection,
        # and each statement commits by itself
        vars(engine.dialect).update(do_begin=lambda connection: connection.execute(opening), do_commit=_commit)
        return engine

    def identity(self, connection: Connection) -> Mapping[str, str]:
        """The file: its real path, device and inode, and the application's id."""
        path = _file(connection)
        about = Path(path).stat()
        application = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        return {
            "engine": "sqlite",
            "application_id": str(application),
            "path": path,
            "inode": f"{about.st_dev}:{about.st_ino}",
        }

    def place(self, connection: Connection) -> str:
        """Host, path and inode."""
        path = _file(connection)
        return f"{socket.gethostname()}:{path}:{Path(path).stat().st_ino}"

    def version(self, connection: Connection) -> str:
        """The library's version, and a warning where it can lose commits in WAL mode."""
        version = str(connection.scalar(sa.select(func.sqlite_version())))
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        if mode == "wal" and _wal_reset_bug():
            return f"SQLite {version}, which can lose commits in WAL mode (fixed in 3.51.3)"
        return f"SQLite {version}"

    def now(self) -> ColumnElement[int]:
        """The machine's clock."""
        return sa.cast(func.strftime("%s", "now"), sa.Integer)

    # -- the catalogue ----------------------------------------------------------------------------
    def tables(self, connection: Connection) -> list[str]:
        """The ordinary tables: no views, no virtual tables and none of their shadows."""
        return list(catalogue.known(connection, self.journal_prefix))

    def table(self, connection: Connection, name: str) -> Table:
        """Read one table by PRAGMA."""
        return catalogue.table(connection, self.journal_prefix, name)

    def schema_stamp(self, connection: Connection, tables: Sequence[Table]) -> str:
        """Over every CREATE statement but the journal's: a new table may refer to one of `tables`."""
        return catalogue.stamp(connection, self.journal_prefix)

    # -- keys -------------------------------------------------------------------------------------
    def key(self, table: Table, row: FromClause) -> list[ColumnElement[Any]]:
        """The raw values; their storage class is part of the key. A row with NULL in its key is never addressed."""
        return [sa.type_coerce(row.c[name], NullType()) for name in table.key]

    def token(self, raw: Any) -> str:
        """The storage class is told by the quotes: `7`, `'7'`, `x'37'`."""
        return functions.token(raw)

    def stage(self, connection: Connection, table: Table, ops: Sequence[tuple[int, str, str, Sequence[str]]]) -> Stage:
        """A temporary table, in memory and without types, so that every key keeps its storage class."""
        keys = [f"k{position}" for position in range(len(table.key))]
        name = f"trueup_stage_{len(keys)}"
        stage = sa.table(name, *(sa.column(label) for label in ["seq", "before", "after", *keys]), schema="temp")
        if len(keys) > functions.STAGES:
            connection.exec_driver_sql(
                f"CREATE TEMP TABLE IF NOT EXISTS {name} (seq, before, after, {', '.join(keys)})"
            )
        connection.execute(sa.delete(stage))
        rows: dict[str, list[tuple[Any, ...]]] = {}
        for seq, before, after, tokens in ops:
            values = [functions.untoken(token) for token in tokens]
            # text that is not UTF-8 cannot be bound as text
            forms = [
                "CAST(? AS TEXT)" if isinstance(value, bytes) and token[0] == "t" else "?"
                for value, token in zip(values, tokens, strict=True)
            ]
            rows.setdefault(", ".join(["?", "?", "?", *forms]), []).append((seq, before, after, *values))
        for form, some in rows.items():
            connection.exec_driver_sql(f"INSERT INTO temp.{name} VALUES ({form})", some)  # noqa: S608 - no value in it
        return Stage(stage, {})

    # -- canonical bytes --------------------------------------------------------------------------
    def digest(self, columns: Iterable[tuple[Column, ColumnElement[Any]]]) -> ColumnElement[str]:
        """Storage class, length and bytes of every value; REAL by its eight bytes."""
        values = [_classed(value) for _, value in columns]
        while len(values) > _ARGUMENTS:
            groups = [values[start : start + _ARGUMENTS] for start in range(0, len(values), _ARGUMENTS)]
            values = [func.trueup_digest(*group) for group in groups]
        return func.trueup_digest(*values, type_=sa.Text)

    def cast(self, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """The column's affinity applied, which is not what CAST does."""
        affinity = catalogue.affinity(column)
        if affinity == "BLOB":
            return sa.type_coerce(value, NullType())
        return _once(value, lambda value: self._stored(value, affinity))

    def _stored(self, value: ColumnElement[Any], affinity: str) -> ColumnElement[Any]:
        kind = func.typeof(value)
        if affinity == "TEXT":
            stored = func.trueup_stored(value, literal("TEXT"), type_=NullType())
            return sa.case((kind.in_(["integer", "real"]), stored), else_=value)
        stored = func.trueup_stored(_plain(value), literal(affinity), type_=NullType())
        return sa.case(
            (kind == "text", func.coalesce(stored, value)), (kind.in_(["integer", "real"]), stored), else_=value
        )

    def preview(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[str]:
        """Text, numbers in full, blobs as `x'0a'`; bytes that are no text as escapes."""

        def shown(value: ColumnElement[Any]) -> ColumnElement[str]:
            short = sa.case((func.typeof(value).in_(["text", "blob"]), func.substr(_plain(value), 1, 800)), else_=value)
            return func.trueup_preview(func.typeof(value), short, type_=sa.Text)

        return _once(value, shown) if isinstance(value, ScalarSelect) else shown(value)

    # -- JSON -------------------------------------------------------------------------------------
    def json_type(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """One parse for each value: what is valid says its type by its first character."""
        first = func.substr(func.ltrim(value, BLANKS), 1, 1)
        number = sa.case((func.json_type(value) == "integer", "integer"), else_="double")
        kinds = {letter: kind for kind, letters in _FIRST.items() for letter in letters}
        valid = sa.case(kinds, value=first, else_=number)
        return sa.case((value.is_(None), sa.null()), (_invalid(value), "invalid"), else_=valid)

    def json_is_not(self, value: ColumnElement[Any], storage: Storage, types: Sequence[str]) -> ColumnElement[bool]:
        """By the first character where it decides: only what it lets through is parsed."""
        if tuple(types) == ("object",):
            return Guarded(value, self.json_guard(value, storage), sa.false(), value.is_not(None))
        if "invalid" in types or not types:
            return super().json_is_not(value, storage, types)
        numbers = {"integer", "double"} & set(types)
        if len(numbers) == 1:
            known = func.json_type(value).in_([word for word, kind in _TYPES.items() if kind in types])
            return sa.case((value.is_(None), sa.false()), (_invalid(value), sa.true()), else_=sa.not_(known))
        letters = "".join(_FIRST[kind] for kind in types if kind in _FIRST) + ("0123456789-" if numbers else "")
        first = literal("{*" if letters == "{" else f"[{letters}]*", sa.Text)
        near = value.op("GLOB")(first)
        far = func.ltrim(value, BLANKS).op("GLOB")(first)
        # a BLOB is greater than any text; what follows a NUL is not seen, as SQLite's own functions do not see it
        broken = sa.or_(func.json_valid(value) == 0, value >= sa.text("x''"))
        return sa.case((value.is_(None), sa.false()), (sa.or_(near, far), broken), else_=sa.true())

    def json_guard(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[bool]:
        """That it is an object: a path into text that is no JSON is an error."""
        first = literal("{*", sa.Text)
        begun = sa.or_(value.op("GLOB")(first), func.ltrim(value, BLANKS).op("GLOB")(first))
        # a BLOB is greater than any text
        return sa.case((begun, sa.and_(func.json_valid(value) == 1, value < sa.text("x''"))), else_=sa.false())

    def json_path_is_not(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], types: Sequence[str]
    ) -> ColumnElement[bool]:
        """By json_type() of the path, which parses a document once for all the paths of a statement."""
        words = [word for word, kind in _TYPES.items() if kind in types]
        if "invalid" in types or not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return super().json_path_is_not(value, storage, path, types)
        found = func.json_type(value, literal(_path(path), sa.Text))
        wrong = found != words[0] if len(words) == 1 else found.not_in(words)
        return wrong.is_(sa.true())

    def json_path_type(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[str]:
        """By json_type() of the path."""
        if not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return super().json_path_type(value, storage, path)
        word = sa.case(_TYPES, value=func.json_type(value, literal(_path(path), sa.Text)))
        return sa.case((self.json_guard(value, storage), word), else_=sa.null())

    def json_path_text(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[str]:
        """By json_extract(): few enough levels to stand inside of other expressions."""
        if not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return super().json_path_text(value, storage, path)
        place = literal(_path(path), sa.Text)
        words = {"true": literal("true", sa.Text), "false": literal("false", sa.Text), "null": sa.null()}
        # json_extract() cuts a string off at an escaped NUL: such a string stays as it is spelled
        spelled = value.op("->", return_type=sa.Text())(place)
        whole = func.instr(spelled, "\\u0000") == 0
        text = sa.case((whole, sa.cast(func.json_extract(value, place), sa.Text)), else_=spelled)
        found = sa.case(words, value=func.json_type(value, place), else_=text)
        return sa.case((self.json_guard(value, storage), found), else_=sa.null())

    def json_path_number(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """By json_extract()."""
        if not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return super().json_path_number(value, storage, path)
        place = literal(_path(path), sa.Text)
        is_one = func.json_type(value, place).in_(["integer", "real"])
        number = func.json_extract(value, place, type_=NullType())
        return sa.case((self.json_guard(value, storage), sa.case((is_one, number))))

    def json_get(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """JSON text as the document spells it; of equal keys the first."""
        if all(_PLAIN_KEY.fullmatch(key) for key in path):
            found: ColumnElement[Any] = value.op("->")(literal(_path(path), sa.Text))
        else:
            found = sa.cast(func.trueup_json_get(_plain(value), json.dumps(list(path))), sa.Text)
        return sa.case((self.json_guard(value, storage), found), else_=sa.null())

    def json_text(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Strings decoded, all else as it is spelled."""
        forms = {"string": self.json_string(value, storage), "null": sa.null(), "invalid": sa.null()}
        spelled = func.trim(sa.cast(value, sa.Text), BLANKS)
        return sa.case(forms, value=self.json_type(value, storage), else_=spelled)

    def json_string(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """json_extract() of the whole value."""
        spelled = func.trim(sa.cast(value, sa.Text), BLANKS)
        # json_extract() cuts a string off at an escaped NUL, which would make broken text look whole:
        # such a string stays as it is spelled, which is never JSON itself
        nul = func.instr(func.replace(value, "\\\\", ""), "\\u0000") > 0
        inner = func.substr(spelled, 2, func.length(spelled) - 2)
        return sa.case((nul, inner), else_=func.json_extract(value, "$"))

    def json_valid(self, text: ColumnElement[str], types: Sequence[str]) -> ColumnElement[bool]:
        """What SQLite itself accepts, and what no NUL cuts off."""
        return sa.and_(text.is_not(None), sa.not_(self.json_is_not(text, "text", types)))

    def json_parse(self, text: ColumnElement[str], column: Column) -> ColumnElement[Any]:
        """The text itself: JSON is text here."""
        return text

    def json_wrap(self, key: str, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """The value as it is spelled; what is no JSON as a string, a BLOB as its hexadecimal digits."""
        name = json.dumps(key, ensure_ascii=False)
        text = sa.case((func.typeof(value) == "blob", func.hex(value)), else_=sa.cast(value, sa.Text))
        inner = sa.case((_invalid(value), func.json_quote(text)), else_=sa.cast(value, sa.Text))
        whole = literal("{" + name + ": ", sa.Text).concat(inner).concat(literal("}", sa.Text))
        return sa.case((value.is_(None), literal("{" + name + ": null}", sa.Text)), else_=whole)

    def json_set_null(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[Any]:
        """Every other byte of the document stays; a document without `path` stays as it is."""
        changed = sa.cast(func.trueup_json_null(_plain(value), json.dumps(list(path))), sa.Text)
        return sa.case((self.json_valid(value, ["object"]), changed), else_=value)

    def json_literal(self, value: ColumnElement[Any], column: Column) -> ColumnElement[str]:
        """json_quote(), which keeps 15 digits, so numbers by their shortest exact text; JSON as it is.

        A moment kept as text gets a `T` before its time and loses a fraction of zeros.
        """

        def quoted(value: ColumnElement[Any]) -> ColumnElement[str]:
            plain = sa.case((func.typeof(value) == "blob", func.hex(value)), else_=value)
            exact = func.trueup_preview(literal("real", sa.Text), value, type_=sa.Text)
            finite = sa.and_(func.typeof(value) == "real", func.abs(value) <= sys.float_info.max)
            ways = [(value.is_(None), sa.null()), (finite, exact)]
            if column.storage is not None:
                ways.append((sa.not_(_invalid(value)), sa.cast(value, sa.Text)))
            elif column.boolean:
                ways += [
                    (sa.and_(func.typeof(value) == "integer", value == n), literal(word, sa.Text))
                    for n, word in ((1, "true"), (0, "false"))
                ]
            if column.temporal:
                iso = func.replace(func.replace(value, " ", "T"), ".000000", "")
                plain = sa.case((value.op("GLOB")(literal("[0-9][0-9][0-9][0-9]-*", sa.Text)), iso), else_=plain)
            return sa.case(*ways, else_=func.json_quote(plain, type_=sa.Text))

        return _once(value, quoted)

    def json_put(
        self, value: ColumnElement[Any], column: Column, path: Sequence[str], members: Mapping[str, ColumnElement[str]]
    ) -> ColumnElement[Any]:
        """Every other byte of the document stays; what is new comes last in its object."""
        pairs = [part for key, text in members.items() for part in (json.dumps([*path, key]), _bytes(text))]
        return sa.cast(func.trueup_json_put(_plain(value), *pairs), sa.Text)

    def json_inside(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """By `->`, which parses a document once for all the paths of a statement."""
        if not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return self.json_get(value, storage, path)
        return value.op("->")(literal(_path(path), sa.Text))

    def json_path_lacks(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], types: Sequence[str]
    ) -> ColumnElement[bool]:
        """By json_type() of the path, which is NULL where nothing is."""
        if "invalid" in types or not types or not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return super().json_path_lacks(value, storage, path, types)
        words = [word for word, kind in _TYPES.items() if kind in types]
        found = func.json_type(value, literal(_path(path), sa.Text))
        if len(words) == 1:
            # not is_distinct_from(): SQLAlchemy's form of it leaves a parameter in a guard's text
            return found.bool_op("IS NOT")(literal(words[0], sa.Text))
        return found.in_(words).isnot(sa.true())

    def json_inside_string(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]
    ) -> ColumnElement[str]:
        """By json_extract(), which sees a string up to an escaped NUL."""
        if not all(_PLAIN_KEY.fullmatch(key) for key in path):
            return func.json_extract(self.json_inside(value, storage, path), "$")
        return func.json_extract(value, literal(_path(path), sa.Text))

    def json_inside_one_of(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], texts: Sequence[str]
    ) -> ColumnElement[bool]:
        """By `IN`: text taken out of JSON is compared byte for byte."""
        return self.json_inside_string(value, storage, path).in_(list(texts))

    def json_inside_number(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]
    ) -> ColumnElement[Any]:
        """By json_extract(), as a string."""
        return self.json_inside_string(value, storage, path)

    def json_number(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[Any]:
        """INTEGER or REAL."""
        return func.json_extract(value, "$")

    def json_length(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[int]:
        """json_array_length()."""
        return func.json_array_length(value)

    def json_elements(self, value: ColumnElement[Any], storage: Storage) -> Elements:
        """json_each(), which hands out scalars as SQL values."""
        found = func.json_each(value).table_valued("value", "type")
        spelled = sa.case(
            {"text": func.json_quote(found.c.value), **{word: word for word in ("true", "false", "null")}},
            value=found.c.type,
            else_=sa.cast(found.c.value, sa.Text),
        )
        return Elements(found, spelled, "text")

    def json_other_keys(self, value: ColumnElement[Any], storage: Storage, keys: Sequence[str]) -> ColumnElement[bool]:
        """What json_remove() leaves."""
        if not all(_PLAIN_KEY.fullmatch(key) for key in keys):
            raise NotChecked("SQLite cannot tell whether keys beyond ASCII, or with quotes, are the only ones")
        rest: ColumnElement[Any] = func.json(value)
        for start in range(0, len(keys), _ARGUMENTS):
            rest = func.json_remove(rest, *(_path([key]) for key in keys[start : start + _ARGUMENTS]))
        return rest != "{}"

    def json_change(self, value: ColumnElement[Any], column: Column, changes: Changes) -> ColumnElement[Any]:
        """Every other byte of the document stays."""
        changed: ColumnElement[Any] = _bytes(value)
        for start in range(0, len(changes), _ARGUMENTS // 2):
            some = changes[start : start + _ARGUMENTS // 2]
            pairs = [part for path, new in some for part in (json.dumps(list(path)), _bytes(new))]
            changed = func.trueup_json_change(changed, *pairs)
        return sa.cast(changed, sa.Text)

    # -- numbers ----------------------------------------------------------------------------------
    def as_number(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """INTEGER or REAL."""
        return sa.type_coerce(sa.cast(text, sa.Numeric), NullType())

    def total(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """Without the noise of adding binary fractions: SQLite has no decimals."""
        found = func.sum(value, type_=NullType())
        return sa.case((func.typeof(found) == "integer", found), else_=func.round(found, 9, type_=NullType()))

    def not_a_number(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Text and blobs, which a column of numbers takes when they do not read as one."""
        # both are greater than any number
        return func.coalesce(value >= literal("", sa.Text), sa.false())

    # -- text -------------------------------------------------------------------------------------
    def fold(self, value: ColumnElement[str], rules: Sequence[str]) -> ColumnElement[str]:
        """Unicode's full case folding, Unicode white space collapsed to one blank, NFC. Numbers and blobs stay."""
        unknown = set(rules) - RULES
        if unknown:
            raise NotChecked(f"SQLite has no words for {', '.join(sorted(unknown))}")
        folded = sa.cast(func.trueup_fold(_plain(value), ",".join(rules)), sa.Text)
        return sa.case((func.typeof(value) == "text", folded), else_=value)

    def is_blank(self, value: ColumnElement[str]) -> ColumnElement[bool]:
        """By the first character, so that only what begins with white space is handed to Python."""
        ascii_sign, no_space = (value.op("GLOB")(literal(form, sa.Text)) for form in ("[!-~]*", f"[^{_SPACE}]*"))
        return sa.case((ascii_sign, sa.false()), (no_space, sa.false()), else_=super().is_blank(value))

    def characters(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """length(); SQLAlchemy's char_length() leaves a parameter in a guard's text."""
        return func.length(text)

    def matches(self, text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """By Python: SQLite has no regular expressions of its own."""
        return func.trueup_matches(_plain(text), portable(pattern), type_=sa.Boolean) == 1

    def same_bytes(self, left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[bool]:
        """Equal, and of one storage class."""
        same = sa.and_(func.typeof(left) == func.typeof(right), left.collate("BINARY") == right)
        return sa.case((sa.or_(left.is_(None), right.is_(None)), sa.null()), else_=same)

    def as_integer(self, text: ColumnElement[str]) -> ColumnElement[int]:
        """What reads the same after a trip through INTEGER: no leading zeros, no plus, no blanks."""
        number = sa.cast(text, sa.Integer)
        return sa.case((sa.cast(number, sa.Text) == sa.cast(text, sa.Text), number), else_=sa.null())

    # -- writing ----------------------------------------------------------------------------------
    def writable(self, connection: Connection) -> str:
        """The file and its folder (for the journal file beside it) must be writable."""
        path = _file(connection)
        for part, what in ((path, "the file"), (str(Path(path).parent), "the folder")):
            if not os.access(part, os.W_OK):
                return f"{what} {part!r} is read-only for this user"
        return ""

    def begin(self, connection: Connection) -> None:
        """Nothing: the session was made with its limits, and BEGIN IMMEDIATE holds the only lock there is."""

    def locked(self, statement: Select[Any], row: FromClause) -> Select[Any]:
        """Unchanged: a writing transaction is alone."""
        return statement

    def enforce_references(self, connection: Connection, yes: bool) -> None:
        """By PRAGMA; a URL with foreign_keys=off stays off."""
        # not through SQLAlchemy: it would begin a transaction, and inside of one the PRAGMA does nothing
        session = connection.connection.driver_connection
        assert isinstance(session, sqlite3.Connection)
        usual = connection.info.setdefault("foreign_keys", session.execute("PRAGMA foreign_keys").fetchone()[0])
        session.execute("PRAGMA foreign_keys=ON" if yes and usual else "PRAGMA foreign_keys=OFF")

    def retryable(self, error: BaseException) -> bool:
        """BUSY and LOCKED."""
        code = getattr(_original(error), "sqlite_errorcode", None)
        return isinstance(code, int) and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

    def exhausted(self, error: BaseException) -> bool:
        """FULL, IOERR, READONLY, NOMEM, CORRUPT, CANTOPEN, NOTADB, PROTOCOL."""
        code = getattr(_original(error), "sqlite_errorcode", None)
        return isinstance(code, int) and code & 0xFF in _EXHAUSTED

    def describe(self, error: BaseException) -> str:
        """SQLite's own sentence, which names columns and never values, and the name of its code."""
        original = _original(error)
        name = getattr(original, "sqlite_errorname", "")
        message = str(original).splitlines()[0] if str(original) else type(original).__name__
        return f"{message} ({name})" if name else message


def _original(error: BaseException) -> BaseException:
    inner = getattr(error, "orig", None)
    return inner if isinstance(inner, BaseException) else error


def _place(url: URL) -> tuple[Path, bool]:
    database = url.database or ""
    if database in ("", ":memory:") or database.startswith("file:"):
        raise UsageError("a SQLite database must be a file: sqlite:///relative.db or sqlite:////absolute.db")
    options = dict(url.query)
    switch = str(options.pop("foreign_keys", "on")).lower()
    if options or switch not in _SWITCHES:
        raise UsageError("a SQLite URL takes one option: foreign_keys=on or foreign_keys=off")
    return Path(database).absolute(), _SWITCHES[switch]


def _connect(path: Path, *, write: bool, foreign_keys: bool) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < (3, 38):
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old; trueup needs 3.38, with its JSON operators")
    if not path.is_file():
        raise StoreError(f"there is no database file {str(path)!r}")
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={'rw' if write else 'ro'}",
        uri=True,
        timeout=3.0,
        isolation_level=None,  # the driver's own BEGIN would come too late
        check_same_thread=False,
    )
    try:
        # bytes that are not UTF-8 must not end a scan; `token` turns them back
        connection.text_factory = lambda data: data.decode(errors="surrogateescape")
        if _knows_json_is_harmless():
            connection.execute("PRAGMA trusted_schema=OFF")
        for pragma in ("cell_size_check=ON", "busy_timeout=3000", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        if not write:
            _roll_back(connection, path)
        functions.register(connection)
        functions.make_stages(connection)
        if write:
            _make_durable(connection, foreign_keys)
    except BaseException:
        connection.close()
        raise
    return connection


@cache
def _knows_json_is_harmless() -> bool:
    """Whether json_valid() may stand in a schema that is not trusted: older libraries do not say that it is harmless.

    There `CHECK (json_valid(...))`, as Django writes it, could not be written to. What a session could be misled to
    call is little: trueup's functions only compute, and extensions cannot be loaded.
    """
    # a fact of the library, asked elsewhere: the database's own session may have to roll back before it can read
    with closing(sqlite3.connect(":memory:")) as connection:
        row = connection.execute("SELECT flags FROM pragma_function_list WHERE name = 'json_valid' LIMIT 1").fetchone()
    return row is not None and bool(row[0] & _INNOCUOUS)


def _commit(connection: Any) -> None:
    """COMMIT or roll back: one that fails on a lock leaves a transaction open, which SQLAlchemy takes for ended."""
    try:
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _roll_back(connection: sqlite3.Connection, path: Path) -> None:
    """Let SQLite take back what a killed writer left half done: a session that cannot write could not even read."""
    glance = "SELECT 1 FROM sqlite_master LIMIT 1"
    try:
        connection.execute(glance).fetchall()
    except sqlite3.Error as error:
        # any other error is told by the statement that is really wanted
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_ROLLBACK:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=3.0)) as other:
                other.execute(glance).fetchall()


def _make_durable(connection: sqlite3.Connection, foreign_keys: bool) -> None:
    connection.execute("PRAGMA foreign_keys=ON" if foreign_keys else "PRAGMA foreign_keys=OFF")
    connection.execute("PRAGMA fullfsync=ON")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    # with a rollback journal FULL can lose the last commit to a power cut: its deletion is not synced
    connection.execute("PRAGMA synchronous=FULL" if mode == "wal" else "PRAGMA synchronous=EXTRA")
    if mode == "wal" and _wal_reset_bug():
        connection.execute("PRAGMA wal_autocheckpoint=0")
        with suppress(AttributeError):  # Python 3.11 cannot say it
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE)  # type: ignore[attr-defined]  # from 3.12 on


def _wal_reset_bug() -> bool:
    """Whether two processes that write and checkpoint in WAL mode can lose commits, see sqlite.org/wal.html."""
    version = sqlite3.sqlite_version_info
    return version < (3, 51, 3) and not (3, 50, 7) <= version < (3, 51) and not (3, 44, 6) <= version < (3, 45)


def _file(connection: Connection) -> str:
    rows = connection.exec_driver_sql("PRAGMA database_list").all()
    return os.path.realpath(next(str(row[2]) for row in rows if row[1] == "main"))


def _once(value: ColumnElement[Any], form: Callable[[ColumnElement[Any]], ColumnElement[Any]]) -> ColumnElement[Any]:
    """`form(value)`, which may name the value many times, with anything but a column worked out and spelled once."""
    if isinstance(value, sa.ColumnClause | sa.BindParameter | sa.Null):
        return form(value)
    # SQLite's parser takes 100 levels: a subquery is taken as it is, not put into another one. Of no row every form
    # is NULL, as it is of NULL
    found = value.element if isinstance(value, ScalarSelect) else sa.select(value.label("v")).correlate_except()
    return sa.select(form(next(iter(found.subquery().c)))).scalar_subquery()


def _bytes(text: ColumnElement[str]) -> ColumnElement[Any]:
    return sa.cast(text, sa.LargeBinary)


def _plain(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """`value` in a form that a Python function can take: text as its bytes."""

    def plain(value: ColumnElement[Any]) -> ColumnElement[Any]:
        return sa.case((func.typeof(value) == "text", sa.cast(value, sa.LargeBinary)), else_=value)

    return _once(value, plain) if isinstance(value, ScalarSelect) else plain(value)


def _classed(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """`value` so that a Python function can tell its class: TEXT as bytes, a BLOB as text, the rest as it is."""

    def classed(value: ColumnElement[Any]) -> ColumnElement[Any]:
        kind = func.typeof(value)
        return sa.case((kind == "text", sa.cast(value, sa.LargeBinary)), (kind == "blob", func.hex(value)), else_=value)

    return _once(value, classed) if isinstance(value, ScalarSelect) else classed(value)


def _invalid(value: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a value that is not NULL is no JSON; the cheap tests come last, they seldom decide."""
    nul = func.instr(value, func.char(0)) > 0
    return sa.or_(func.json_valid(value) == 0, func.typeof(value) == "blob", nul)


def _path(keys: Sequence[str]) -> str:
    return "$" + "".join(f'."{key}"' for key in keys)
