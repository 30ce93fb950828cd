"""The dialect of MariaDB 10.6 and later."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause, Select, func, literal
from sqlalchemy.dialects import registry

from trueup.engines._innodb import session
from trueup.engines._innodb.dialect import InnoDB
from trueup.engines._innodb.sql import Kind, bytes_of, cast_as, hexadecimal, json_table, legible, text_of, using
from trueup.sql.json import Changes, Elements
from trueup.sql.tables import Column, Storage

#: JSON nested deeper than this is invalid to every JSON function of MariaDB, without an error.
DEEPEST = 31
_WORDS = {"OBJECT": "object", "ARRAY": "array", "STRING": "string", "BOOLEAN": "boolean", "NULL": "null"}
# a JSON value's first character says its type once it is known to be valid; numbers are the rest
_FIRST = {"object": "{", "array": "[", "string": '"', "boolean": "tf", "null": "n"}
_DIGITS = "-0123456789"
# the grammar of RFC 8259 as a recursive expression, for what MariaDB's own parser finds too deep
_GRAMMAR = (
    r'\A(?<v>[ \t\r\n]*+(?:\{(?:[ \t\r\n]*+(?<s>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+")'
    r"[ \t\r\n]*+:(?&v)(?:,[ \t\r\n]*+(?&s)[ \t\r\n]*+:(?&v))*+)?[ \t\r\n]*+\}"
    r"|\[(?:(?&v)(?:,(?&v))*+)?[ \t\r\n]*+\]|(?&s)|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?"
    r"|true|false|null)[ \t\r\n]*+)\z"
)
# the usual spellings of numbers, which need no second look; all else is asked in full
_USUAL = {"integer": r"^(0|-?[1-9][0-9]*)\z", "double": r"^-?(0|[1-9][0-9]*)[.][0-9]+\z"}
# JSON_SET adds a key to an object, not an object for it
_NOWHERE = '$."trueup: nowhere"."nowhere"'
# what a key is told by that holds half a surrogate pair; its bytes follow
_HALF = "\ufffd"
_EDGES = r"\A[ \t\r\n]+|[ \t\r\n]+\z"


class Mariadb(InnoDB):
    """MariaDB 10.6 or later to write.

    JSON is text with the CHECK json_valid(), so its type is read from the first character. Rows that bypassed the CHECK
    (loaded with `check_constraint_checks=0`) get the type of their first character. Of equal keys the first counts.
    JSON in a text column without the CHECK is parsed in full, to any depth.
    """

    name = "mariadb"
    is_mariadb = True
    oldest = (10, 6, 0)
    replica_status = ("SHOW ALL REPLICAS STATUS", "Master_Host")
    blanks = "(*UCP)[[:space:]]+"

    def identity(self, connection: Connection) -> Mapping[str, str]:
        """Return the database and the server's uid (10.11.8 and later), or else the server's place."""
        schema = str(connection.exec_driver_sql("SELECT DATABASE()").scalar_one())
        found = connection.exec_driver_sql("SHOW GLOBAL VARIABLES LIKE 'server_uid'").one_or_none()
        server = str(found[1]) if found is not None and found[1] else self.place(connection)
        return {"engine": self.name, "server_uid": server, "schema": schema}

    def spelling(self) -> sa.Dialect:
        """Return MySQL's dialect in MariaDB mode, as our sessions use it:

        SQLAlchemy's registry has an object instead of a class.
        """
        made: sa.Dialect = registry.load("mysql")(paramstyle="named", is_mariadb=True)
        return made

    def version(self, connection: Connection) -> str:
        """Return for example `MariaDB 10.11.19`."""
        words = str(connection.exec_driver_sql("SELECT VERSION()").scalar_one())
        return "MariaDB " + words.removeprefix("5.5.5-").partition("-")[0]

    def _token(self, value: ColumnElement[Any], kind: Kind) -> ColumnElement[str]:
        """Return the key part as text. Text with half a surrogate pair, which no driver can read, becomes its bytes.

        Such a key addresses no row.
        """
        token = super()._token(value, kind)
        if hexadecimal(kind) or not kind.charset.startswith("utf8"):
            return token
        whole = bytes_of(legible(value)) == bytes_of(using(value, "utf8mb4"))
        return sa.case((whole, token), else_=func.concat(_HALF, func.hex(value)))

    def addresses(self, key: Sequence[str]) -> bool:
        """Whether no part is text that no driver can return."""
        return not any(re.fullmatch(f"{_HALF}(?:[0-9A-F]{{2}})+", part) for part in key)

    def valid(self, text: ColumnElement[Any]) -> ColumnElement[bool]:
        """Test with JSON_VALID, and test deeply nested text, which it rejects, with a regular expression."""
        opened = func.length(text) - func.length(func.replace(func.replace(text, "[", ""), "{", ""))
        deep = sa.case((opened > DEEPEST, text_of(text).regexp_match(_GRAMMAR)), else_=sa.false())
        return sa.case((func.json_valid(text) == 1, sa.true()), else_=deep)

    def json_type(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Read the type from the first character; only text that begins with white space is parsed.

        `1e2` is a double.
        """
        first = func.left(value, 1)
        number = sa.case((text_of(value).regexp_match("[.eE]"), "double"), else_="integer")
        parsed = func.json_type(value)
        is_number = sa.or_(first.in_(list(_DIGITS)), parsed.in_(["INTEGER", "DOUBLE"]))
        known = sa.case((value.is_not(None), "invalid"), else_=sa.null())
        far = sa.case((is_number, number), else_=sa.case(_WORDS, value=parsed, else_=known))
        near = {letter: kind for kind, letters in _FIRST.items() for letter in letters}
        word = sa.case(near, value=first, else_=far)
        if storage == "text":
            return sa.case((value.is_(None), sa.null()), (self.valid(value), word), else_="invalid")
        return word

    def json_is_not(self, value: ColumnElement[Any], storage: Storage, types: Sequence[str]) -> ColumnElement[bool]:
        """Test the first character where that decides.

        So a healthy value is extracted from its document only once.
        """
        if not types:
            return value.is_not(None)
        if "invalid" in types:
            return super().json_is_not(value, storage, types)
        numbers = {"integer", "double"} & set(types)
        if len(numbers) == 1:
            usual = func.coalesce(value, "0" if "integer" in numbers else "0.0").regexp_match(_USUAL[numbers.pop()])
            return sa.case((usual, sa.false()), else_=super().json_is_not(value, storage, types))
        letters = "".join(_FIRST[kind] for kind in types if kind in _FIRST) + (_DIGITS if numbers else "")
        first = func.left(value, 1)
        near = first if storage == "text" else func.coalesce(first, letters[0])
        good = near == letters if len(letters) == 1 else near.in_(list(letters))
        if storage == "text":
            return sa.case(
                (value.is_(None), sa.false()),
                (sa.not_(self.valid(value)), sa.true()),
                (good, sa.false()),
                else_=super().json_is_not(value, "json", types),
            )
        blank = first.in_(list(" \t\r\n"))
        return sa.case(
            (good, sa.false()),
            (blank, super().json_is_not(value, storage, types)),
            else_=sa.true(),
        )

    def json_get(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """Extract with JSON_EXTRACT. It compares keys as they are escaped, so every usual escaping is tried."""
        found = [func.json_extract(value, spelled, type_=sa.Text) for spelled in _paths(path)]
        return found[0] if len(found) == 1 else func.coalesce(*found, type_=sa.Text)

    def json_text(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Return strings by JSON_UNQUOTE, and other values as they are."""
        plain = func.regexp_replace(text_of(value), _EDGES, "")
        forms = {"string": self.json_string(value, storage), "null": sa.null(), "invalid": sa.null()}
        return sa.case(forms, value=self.json_type(value, storage), else_=plain)

    def json_string(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Return the string by JSON_UNQUOTE."""
        return func.json_unquote(value, type_=sa.Text)

    def json_parse(self, text: ColumnElement[str], column: Column) -> ColumnElement[Any]:
        """Return the text itself: JSON is text here."""
        return text

    def json_wrap(self, key: str, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """Wrap the value without reformatting it."""
        return self._wrapped(key, value, sa.true() if column.storage == "json" else self.valid(value))

    def json_set_null(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[Any]:
        """Set null with JSON_REPLACE, which reformats no value. A document without `path` stays as it is."""
        storage: Storage = "json" if column.storage == "json" else "text"
        changed = reduce(lambda document, spelled: func.json_replace(document, spelled, sa.null()), _paths(path), value)
        there = self.json_get(value, storage, path).is_not(None)
        is_object = func.coalesce(self.json_type(value, storage) == "object", sa.false())
        return sa.case((sa.and_(is_object, there), changed), else_=value)

    def json_put(
        self, value: ColumnElement[Any], column: Column, path: Sequence[str], members: Mapping[str, ColumnElement[str]]
    ) -> ColumnElement[Any]:
        """Replace the key in every usual escaping with JSON_REPLACE, and add a missing one with JSON_INSERT."""
        storage: Storage = "json" if column.storage == "json" else "text"
        changed = value
        for key, text in members.items():
            new = func.json_extract(text, "$")
            spelled = [part for one in _paths([*path, key]) for part in (one, new)]
            # what is there already (the document itself always is) is not inserted again
            ways = [(self.json_get(value, storage, [*path, key]).is_not(None), "$")]
            ways += [
                (func.json_extract(value, parent).is_not(None), f"{parent}.{json.dumps(key, ensure_ascii=False)}")
                for parent in _paths(path)
            ]
            changed = func.json_insert(func.json_replace(changed, *spelled), sa.case(*ways, else_="$"), new)
        return sa.type_coerce(changed, sa.Text())

    def json_rewritable(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether the document is shallow enough for MariaDB's own functions, which would make a deeper one NULL."""
        return func.json_valid(value) == 1

    def json_path_lacks(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], types: Sequence[str]
    ) -> ColumnElement[bool]:
        """Test the first character of the value, which is extracted once."""
        letters = "".join(_FIRST[kind] for kind in types if kind in _FIRST)
        letters += _DIGITS if {"integer", "double"} <= set(types) else ""
        if not letters or "invalid" in types or len({"integer", "double"} & set(types)) == 1:
            return super().json_path_lacks(value, storage, path, types)
        # JSON_EXTRACT hands out no blanks around a value
        return func.left(self.json_get(value, storage, path), 1).in_(list(letters)).isnot(sa.true())

    def json_number(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[Any]:
        """Return the number as a double."""
        return cast_as(func.regexp_replace(value, _EDGES, ""), "DOUBLE", sa.Double())

    def as_number(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """Convert to a double by a function: in arithmetic a number beyond all doubles is an error."""
        return cast_as(text, "DOUBLE", sa.Double())

    def json_elements(self, value: ColumnElement[Any], storage: Storage) -> Elements:
        """Return the rows of JSON_TABLE, which turns JSON null into SQL NULL."""
        found = json_table(value, [("e", "JSON", "$")])
        return Elements(found, func.coalesce(found.c.e, literal("null", sa.Text)), "json")

    def json_other_keys(self, value: ColumnElement[Any], storage: Storage, keys: Sequence[str]) -> ColumnElement[bool]:
        """Whether the object is not empty without the keys, in every usual escaping."""
        spelled = [path for key in keys for path in _paths([key])]
        rest = func.json_remove(value, *spelled) if spelled else value
        return func.json_length(rest) > 0

    def json_change(self, value: ColumnElement[Any], column: Column, changes: Changes) -> ColumnElement[Any]:
        """Change with JSON_SET, which reformats no other value. A path without an existing parent changes nothing."""
        pairs: list[Any] = []
        for path, new in changes:
            paths = [literal(spelled, sa.Text) for spelled in _paths(path)]
            # a key that is spelled in another way must not be added a second time
            there = [(func.json_exists(value, spelled) == 1, spelled) for spelled in paths[1:]]
            place = sa.case((new.is_(None), _NOWHERE), *there, else_=paths[0])
            pairs += [place, func.json_extract(new, "$")]
        return func.json_set(value, *pairs, type_=sa.Text)

    def _for_update(
        self, statement: Select[Any], rows: Sequence[FromClause], *, read: bool = False, skip: bool = False
    ) -> Select[Any]:
        """Lock the rows of all tables in FROM: MariaDB has no OF. Tables in subqueries stay unlocked."""
        return statement.with_for_update(read=read, skip_locked=skip)

    @contextmanager
    def deadline(self, connection: Connection, seconds: float) -> Iterator[None]:
        """Set max_statement_time for this session until the end of the block."""
        session.run_verbatim(connection, f"SET SESSION max_statement_time = {float(seconds)}")
        try:
            yield
        finally:
            session.run_verbatim(connection, "SET SESSION max_statement_time = 0")


def _paths(keys: Sequence[str]) -> list[str]:
    """Return a path unescaped, as Python's json escapes it, and as PHP's does:

    MariaDB compares keys without decoding.
    """
    spellings = [
        [json.dumps(key, ensure_ascii=False) for key in keys],
        [json.dumps(key) for key in keys],
        [json.dumps(key).replace("/", "\\/") for key in keys],
    ]
    return list(dict.fromkeys("$" + "".join("." + key for key in spelled) for spelled in spellings))
