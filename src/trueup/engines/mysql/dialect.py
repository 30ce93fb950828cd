"""The dialect of MySQL 8 and 9."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause, Select, func, literal

from trueup.engines._innodb import session
from trueup.engines._innodb.dialect import InnoDB
from trueup.engines._innodb.sql import cast_as, json_table, text_of
from trueup.sql.json import Changes, Elements, strings
from trueup.sql.tables import Column, Storage

#: JSON nested deeper than this is an error to every JSON function of MySQL, JSON_VALID among them.
DEEPEST = 100
_WORDS = {
    "OBJECT": "object",
    "ARRAY": "array",
    "STRING": "string",
    "INTEGER": "integer",
    "UNSIGNED INTEGER": "integer",
    "DOUBLE": "double",
    "DECIMAL": "double",
    "BOOLEAN": "boolean",
    "NULL": "null",
}
_LONG_NUMBER = "[0-9.]{16}"
# JSON_SET adds a key to an object, not an object for it
_NOWHERE = '$."trueup: nowhere"."nowhere"'
_STRING = r'"([^"\\]|\\.)*"'


class Mysql(InnoDB):
    """MySQL 8.0.22 or later to write, 8.0 to scan.

    JSON is binary here: keys are unique and in MySQL's own order, and dates, times and bytes that an application stored
    in a document read as strings. Text that nests deeper than 100 is 'invalid' as JSON: MySQL cannot read it.
    """

    name = "mysql"
    oldest = (8, 0, 22)  # the first that knows `SHOW REPLICA STATUS`
    replica_status = ("SHOW REPLICA STATUS", "Source_Host")
    blanks = "[[:space:]]+"

    def identity(self, connection: Connection) -> Mapping[str, str]:
        """Return the server's uuid and the database."""
        row = connection.exec_driver_sql("SELECT @@GLOBAL.server_uuid, DATABASE()").one()
        return {"engine": self.name, "server_uuid": str(row[0]), "schema": str(row[1])}

    def version(self, connection: Connection) -> str:
        """Return for example `MySQL 9.7.4`."""
        return "MySQL " + str(connection.exec_driver_sql("SELECT VERSION()").scalar_one()).partition("-")[0]

    def valid(self, text: ColumnElement[Any]) -> ColumnElement[bool]:
        """Test with JSON_VALID, but not text that opens more than 100 brackets before it closes one: an error there."""
        start = func.substring_index(func.substring_index(text, "]", 1), "}", 1)
        bare = func.regexp_replace(start, _STRING, "")
        fine = func.json_valid(text) == 1
        deep = sa.case((_opened(bare) <= DEEPEST, fine), else_=sa.false())
        return sa.case((func.char_length(text) <= DEEPEST, fine), (_opened(start) <= DEEPEST, fine), else_=deep)

    def json_type(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Return JSON_TYPE in our words. Opaque values (dates, times, bytes) are strings."""
        kind = func.json_type(value, type_=sa.Text)
        opaque = sa.case((kind.is_not(None), "string"), else_=sa.null())
        word = sa.case(_WORDS, value=kind, else_=opaque)
        if storage == "text":
            return sa.case((value.is_(None), sa.null()), (self.valid(value), word), else_="invalid")
        return word

    def json_is_not(self, value: ColumnElement[Any], storage: Storage, types: Sequence[str]) -> ColumnElement[bool]:
        """Compare JSON_TYPE with MySQL's own words."""
        if storage == "text" and types:
            return super().json_is_not(value, storage, types)
        if set(types) <= {"invalid"}:
            return value.is_not(None)
        word = func.json_type(value)
        if "string" in types:
            # a string is also what goes by none of the words
            wrong = word.in_([word for word, kind in _WORDS.items() if kind not in types])
        else:
            wrong = word.not_in([word for word, kind in _WORDS.items() if kind in types])
        return wrong.is_(sa.true())

    def json_get(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """Extract with JSON_EXTRACT. From text it returns JSON in MySQL's own format."""
        found = func.json_extract(value, _path(path))
        return sa.case((self.valid(value), found), else_=sa.null()) if storage == "text" else found

    def json_text(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Return the text by JSON_UNQUOTE, for opaque values MySQL's text of them."""
        kind = self.json_type(value, storage)
        string = self.json_string(value, storage)
        if storage != "text":
            return sa.case((kind == "null", sa.null()), else_=string)
        forms = {"string": string, "null": sa.null(), "invalid": sa.null()}
        return sa.case(forms, value=kind, else_=func.trim(text_of(value)))

    def json_string(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Return the string by JSON_UNQUOTE. That ignores text with a blank before its quote; a JSON value has none."""
        return func.json_unquote(func.json_extract(value, "$") if storage == "text" else value)

    def json_parse(self, text: ColumnElement[str], column: Column) -> ColumnElement[Any]:
        """Return JSON for a JSON column, the text itself for a text column."""
        return cast_as(text, "JSON") if column.storage == "json" else text

    def json_keeps(self, text: ColumnElement[str], column: Column) -> ColumnElement[bool]:
        """Whether no number would lose digits and no two keys are equal: MySQL keeps one of them."""
        if column.storage != "json":
            return sa.true()
        same = strings(text) == strings(text_of(cast_as(text, "JSON")))
        bare = func.regexp_replace(text, _STRING, "")
        return sa.case((bare.regexp_match(_LONG_NUMBER), sa.false()), else_=same)

    def json_wrap(self, key: str, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """Wrap with JSON_OBJECT in a JSON column; in a text column as text, without reformatting it."""
        if column.storage == "json":
            return func.json_object(literal(key, sa.Text), value)
        return self._wrapped(key, value, self.valid(value))

    def json_set_null(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[Any]:
        """Set null with JSON_REPLACE. It reformats text, so text with numbers that would lose digits stays as it is."""
        changed = func.json_replace(value, _path(path), cast_as(literal("null", sa.Text), "JSON"))
        if column.storage == "json":
            return changed
        is_object = func.coalesce(self.json_type(value, "text") == "object", sa.false())
        kept = sa.or_(sa.not_(is_object), value.regexp_match(_LONG_NUMBER))
        return sa.case((kept, text_of(value)), else_=text_of(changed))

    def json_put(
        self, value: ColumnElement[Any], column: Column, path: Sequence[str], members: Mapping[str, ColumnElement[str]]
    ) -> ColumnElement[Any]:
        """Set `members` with JSON_SET, which reformats text."""
        pairs = [part for key, text in members.items() for part in (_path([*path, key]), cast_as(text, "JSON"))]
        changed = func.json_set(value, *pairs)
        return changed if column.storage == "json" else text_of(changed)

    def json_rewritable(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether text has no numbers that would lose digits, and no equal keys: MySQL keeps only one of these."""
        if column.storage == "json":
            return sa.true()
        same = strings(value) == strings(text_of(cast_as(value, "JSON")))
        return sa.case((value.regexp_match(_LONG_NUMBER), sa.false()), else_=same)

    def json_path_lacks(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], types: Sequence[str]
    ) -> ColumnElement[bool]:
        """Compare JSON_TYPE alone, which is NULL where the path is missing."""
        if storage == "text" or "string" in types or "invalid" in types:
            return super().json_path_lacks(value, storage, path, types)
        known = func.json_type(self.json_get(value, storage, path))
        return known.in_([word for word, kind in _WORDS.items() if kind in types]).isnot(sa.true())

    def json_number(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[Any]:
        """Return the number as a double."""
        return cast_as(func.json_extract(value, "$") if storage == "text" else value, "DOUBLE", sa.Double())

    def json_elements(self, value: ColumnElement[Any], storage: Storage) -> Elements:
        """Return the rows of JSON_TABLE, which turns JSON null into SQL NULL."""
        found = json_table(value, [("e", "JSON", "$")])
        return Elements(found, func.coalesce(found.c.e, cast_as(literal("null", sa.Text), "JSON")), "json")

    def json_other_keys(self, value: ColumnElement[Any], storage: Storage, keys: Sequence[str]) -> ColumnElement[bool]:
        """Whether the object is not empty without the keys."""
        rest = func.json_remove(value, *(_path([key]) for key in keys)) if keys else value
        return func.json_length(rest) > 0

    def json_change(self, value: ColumnElement[Any], column: Column, changes: Changes) -> ColumnElement[Any]:
        """Change with JSON_SET. A path without an existing parent changes nothing."""
        pairs: list[Any] = []
        for path, new in changes:
            pairs += [sa.case((new.is_(None), _NOWHERE), else_=literal(_path(path), sa.Text)), cast_as(new, "JSON")]
        changed = func.json_set(value, *pairs)
        return changed if column.storage == "json" else text_of(changed)

    def _for_update(
        self, statement: Select[Any], rows: Sequence[FromClause], *, read: bool = False, skip: bool = False
    ) -> Select[Any]:
        """Lock with OF the rows' tables, so that the tables they refer to stay unlocked."""
        return statement.with_for_update(of=list(rows), read=read, skip_locked=skip)

    def deadline(self, connection: Connection, seconds: float) -> AbstractContextManager[None]:
        """Start a watchdog: max_execution_time does not stop an UPDATE."""
        return session.watchdog(connection, seconds)


def _path(keys: Sequence[str]) -> str:
    return "$" + "".join("." + json.dumps(key, ensure_ascii=False) for key in keys)


def _opened(text: ColumnElement[Any]) -> ColumnElement[int]:
    return func.length(text) - func.length(func.replace(func.replace(text, "[", ""), "{", ""))
