"""The JSON expressions of PostgreSQL for `json`, `jsonb`, and text that should parse."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Text, func
from sqlalchemy import literal_column as word
from sqlalchemy.dialects.postgresql import ARRAY

from trueup.engines.postgresql.sql import is_json
from trueup.engines.postgresql.types import Verbatim, read
from trueup.sql.dialect import Dialect
from trueup.sql.json import Changes, Elements, strings
from trueup.sql.tables import Column, Storage

_FIRST = {"object": "{", "array": "[", "string": '"', "boolean": "tf", "null": "n"}
_NUMBERS = {"integer", "double"}
_BLANKS = word("E' \\t\\n\\r'", Text)
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
_ROOT = word("'{}'", Text)
_JSONB, _JSON = Verbatim("jsonb"), Verbatim("json")


class PostgresqlJson(Dialect):
    """The JSON part of the dialect."""

    def json_type(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Return the type. A number is an integer when its text has only digits; jsonb writes 1e2 as 100."""
        if storage == "text":
            text = sa.cast(value, Text)
            inner = self.json_type(sa.cast(text, _JSON), "json")
            return sa.case((text.is_(None), sa.null()), (is_json(text), inner), else_="invalid")
        kind = _kind(value, storage)
        whole = value.op("#>>")(_ROOT).op("~")(_WHOLE)
        return sa.case((kind != "number", kind), (whole, "integer"), (kind == "number", "double"), else_=sa.null())

    def json_is_not(self, value: ColumnElement[Any], storage: Storage, types: Sequence[str]) -> ColumnElement[bool]:
        """Test the type without reading a number's digits where all numbers are allowed.

        Text is tested by its first character before it is parsed.
        """
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
        """Test for `integer` or `double` by the usual notation first, which extracts the value only once."""
        text = sa.cast(value, Text)
        if storage == "jsonb" and kind == "integer":  # the only JSON without any other sign
            return (func.btrim(text, _DIGITS) != _NOTHING).is_(sa.true())
        usual: ColumnElement[bool] = text.op("~", return_type=sa.Boolean())(_USUAL[kind])
        if storage == "text":  # a longer number may be more than jsonb can hold
            usual = sa.and_(func.length(text) < _LONG, usual)
        return sa.case((usual, sa.false()), else_=super().json_is_not(value, storage, [kind]))

    def json_get(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """Follow the path key by key, so that a numeric key never means a position in an array."""
        if storage == "jsonb":
            return _walk(value, path, _JSONB)
        readable = _readable(value, storage)
        found = _walk(sa.cast(value, _JSON), path, _JSON)
        return sa.case((readable, found if storage == "json" else sa.cast(found, Text)), else_=sa.null())

    def json_text(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Return the text. A string that PostgreSQL's text cannot hold (NUL, half a surrogate pair) stays escaped."""
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
        """Cast the text to the column's type; a text column takes the text itself."""
        return text if column.storage in (None, "text") else read(text, column)

    def json_wrap(self, key: str, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """Wrap the value without reformatting it, except in jsonb. Text that is not JSON becomes a string."""
        if column.storage == "jsonb":
            return func.jsonb_build_object(sa.literal(key, Text), value, type_=_JSONB)
        text = sa.cast(value, Text)
        quoted = sa.cast(func.to_json(text), Text)
        inner = text if column.storage == "json" else sa.case((is_json(text), text), else_=quoted)
        opening = sa.literal("{" + json.dumps(key, ensure_ascii=False) + ": ", Text)
        whole = func.concat(opening, sa.case((value.is_(None), "null"), else_=inner), sa.literal("}", Text), type_=Text)
        return sa.cast(whole, _JSON) if column.storage == "json" else whole

    def json_set_null(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[Any]:
        """Set null at `path`, or return the document unchanged where the path is missing.

        Text and json columns are rewritten in jsonb's spelling.
        """
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
        """Convert with to_json()."""
        return sa.cast(func.to_json(value), Text)

    def json_put(
        self, value: ColumnElement[Any], column: Column, path: Sequence[str], members: Mapping[str, ColumnElement[str]]
    ) -> ColumnElement[Any]:
        """Set `members` in the object at `path`. Text and json columns are rewritten in jsonb's spelling."""
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

    def json_keeps(self, text: ColumnElement[str], column: Column) -> ColumnElement[bool]:
        """Whether jsonb keeps every key: of two equal keys it drops one."""
        if column.storage != "jsonb":
            return sa.true()
        same = strings(text) == strings(sa.cast(sa.cast(text, _JSONB), Text))
        return sa.case((is_json(text), same), else_=sa.false())

    def json_rewritable(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether converting the value to jsonb loses nothing, such as one of two equal keys."""
        if column.storage == "jsonb":
            return sa.true()
        text = sa.cast(value, Text)
        same = strings(text) == strings(sa.cast(sa.cast(text, _JSONB), Text))
        return sa.case((is_json(text), same), else_=sa.false())

    def json_opens(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether the value can be converted to jsonb: json allows numbers and escapes that jsonb cannot hold."""
        return sa.true() if column.storage == "jsonb" else func.coalesce(is_json(sa.cast(value, Text)), sa.false())

    def json_path_lacks(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], types: Sequence[str]
    ) -> ColumnElement[bool]:
        """Compare the type alone, which is NULL where the path is missing."""
        words = sorted({"number" if kind in _NUMBERS else kind for kind in types})
        if storage != "jsonb" or "invalid" in types or not types or len(_NUMBERS & set(types)) == 1:
            return super().json_path_lacks(value, storage, path, types)
        kind = _kind(self.json_get(value, storage, path), storage)
        return func.coalesce(kind != words[0] if len(words) == 1 else kind.not_in(words), sa.true())

    def json_number(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[Any]:
        """Return the number as numeric; NaN, which sorts above every number, where numeric cannot hold it."""
        if storage == "jsonb":
            return sa.cast(value.op("#>>", return_type=Text())(_ROOT), sa.Numeric)
        text = sa.cast(value, Text)
        nan = sa.cast(word("'NaN'"), sa.Numeric)
        return sa.case((text.is_(None), sa.null()), (is_json(text), sa.cast(text, sa.Numeric)), else_=nan)

    def json_length(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[int]:
        """Return the length by jsonb_array_length() or json_array_length(); text is cast to json."""
        if storage == "jsonb":
            return func.jsonb_array_length(value)
        return func.json_array_length(sa.cast(value, _JSON))

    def json_elements(self, value: ColumnElement[Any], storage: Storage) -> Elements:
        """Return the rows of jsonb_array_elements() or json_array_elements(); text is cast to json."""
        if storage == "jsonb":
            found = func.jsonb_array_elements(value).table_valued(sa.column("value", _JSONB))
            return Elements(found, found.c.value, "jsonb")
        found = func.json_array_elements(sa.cast(value, _JSON)).table_valued(sa.column("value", _JSON))
        return Elements(found, found.c.value, "json")

    def json_other_keys(self, value: ColumnElement[Any], storage: Storage, keys: Sequence[str]) -> ColumnElement[bool]:
        """Whether the object without `keys` is not empty."""
        names = sa.cast(sa.literal(list(keys), ARRAY(Text)), ARRAY(Text))
        rest = sa.cast(value, _JSONB).op("-", return_type=_JSONB)(names)
        return rest != word("'{}'::pg_catalog.jsonb", _JSONB)

    def json_change(self, value: ColumnElement[Any], column: Column, changes: Changes) -> ColumnElement[Any]:
        """Change the document with jsonb_set_lax(). Text and json columns are rewritten in jsonb's spelling."""
        changed = value if column.storage == "jsonb" else sa.cast(value, _JSONB)
        for path, new in changes:
            keys = sa.cast(sa.literal(list(path), ARRAY(Text)), ARRAY(Text))
            changed = func.jsonb_set_lax(
                changed, keys, sa.cast(new, _JSONB), sa.true(), word("'return_target'", Text), type_=_JSONB
            )
        return changed if column.storage == "jsonb" else sa.cast(changed, _JSON if column.storage == "json" else Text)

    def as_number(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """Convert exactly to numeric.

        A number that may exceed a double becomes NaN, since a comparison may use doubles.
        """
        short = sa.case((text.op("~")(word("'[eE]'", Text)), _POWERS), else_=_DIGITS_MOST)
        fits = sa.and_(func.length(text) <= short, text.op("!~", return_type=sa.Boolean())(_HUGE))
        return sa.case((fits, sa.cast(text, sa.Numeric)), else_=sa.cast(word("'NaN'"), sa.Numeric))

    def same_bytes(self, left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[bool]:
        """Compare as text under the collation "C". The trailing blanks of `character(n)` do not count."""
        return sa.cast(left, Text).collate("C") == sa.cast(right, Text).collate("C")


def _kind(value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
    """Return PostgreSQL's own name of the JSON type. For `json` only the first token is read."""
    return (func.jsonb_typeof if storage == "jsonb" else func.json_typeof)(value, type_=Text)


def _readable(value: ColumnElement[Any], storage: Storage) -> ColumnElement[bool]:
    """Whether PostgreSQL's functions can read the document: a `json` column accepts escapes that they refuse."""
    text = sa.cast(value, Text)
    if storage == "text":
        return is_json(text)
    return sa.or_(func.strpos(text, word("'\\u'", Text)) == 0, is_json(text))


def _walk(value: ColumnElement[Any], path: Sequence[str], kind: Verbatim) -> ColumnElement[Any]:
    for key in path:
        value = value.op("->", return_type=kind)(sa.literal(key, Text))
    return value
