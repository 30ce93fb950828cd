"""The contract of an engine's JSON expressions, and the expressions that follow from them on every engine."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, and_, case, false, func, literal, or_, true, type_coerce

from trueup.sql.tables import Column, Storage

#: Paths in a JSON document, and what is to stand there.
Changes = Sequence[tuple[Sequence[str], ColumnElement[Any]]]


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a JSON array as rows: `value` is the JSON of one element, in `storage`."""

    relation: FromClause
    value: ColumnElement[Any]
    storage: Storage


class JsonDialect(ABC):
    """Builds an engine's JSON expressions. Arguments named `value` are expressions that hold JSON in `storage`."""

    @abstractmethod
    def json_type(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Return one of `JSON_TYPES`, SQL NULL for SQL NULL, and 'invalid' for text that does not parse."""

    def json_is_not(self, value: ColumnElement[Any], storage: Storage, types: Sequence[str]) -> ColumnElement[bool]:
        """Whether the value is not NULL and has none of the JSON types `types`.

        Exact, never NULL, in the engine's fastest way.
        """
        return func.coalesce(self.json_type(value, storage).not_in(list(types)), False)

    def json_readable_if(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[bool] | None:
        """Return the condition under which `json_path_is_not` may look into `value`; None where there is none."""
        return None

    def json_path_is_not(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], types: Sequence[str]
    ) -> ColumnElement[bool]:
        """Whether the value at `path` is not NULL and has none of `types`; false where `path` is missing.

        The document has passed `json_readable_if`.
        """
        return self.json_is_not(self.json_get(value, storage, path), storage, types)

    def json_path_type(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[str]:
        """Return the `json_type` of the value at `path` in any value; SQL NULL where the path is missing."""
        return self.json_type(self.json_get(value, storage, path), storage)

    @abstractmethod
    def json_get(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """Return the JSON value at `path` (keys of objects), in `storage`; SQL NULL where the path is missing."""

    def json_path_text(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[str]:
        """Return the `json_text` of the value at `path` in any value; SQL NULL where the path is missing.

        A number may be returned in any notation.
        """
        return self.json_text(self.json_get(value, storage, path), storage)

    def json_path_number(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """Return the number at `path` in any value; SQL NULL where there is none."""
        is_one = self.json_path_type(value, storage, path).in_(["integer", "double"])
        return case((is_one, self.as_number(self.json_path_text(value, storage, path))))

    @abstractmethod
    def json_text(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Return a scalar without its quotes, an object or array as its text, and SQL NULL for JSON null."""

    def json_string(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[str]:
        """Return the `json_text` of a value that is known to be a string."""
        return self.json_text(value, storage)

    @abstractmethod
    def json_valid(self, text: ColumnElement[str], types: Sequence[str]) -> ColumnElement[bool]:
        """Whether `text` parses as JSON of one of `types`; never NULL, never an error."""

    @abstractmethod
    def json_parse(self, text: ColumnElement[str], column: Column) -> ColumnElement[Any]:
        """Convert valid JSON text to a value for `column`."""

    @abstractmethod
    def json_wrap(self, key: str, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """Return an object that holds the value of `column` under `key`."""

    @abstractmethod
    def json_set_null(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[Any]:
        """Return the document with JSON null at `path`."""

    @abstractmethod
    def json_literal(self, value: ColumnElement[Any], column: Column) -> ColumnElement[str]:
        """Return the value of `column` as JSON text: a number, a string ...; SQL NULL for SQL NULL.

        A timestamp becomes a string in ISO 8601.
        """

    @abstractmethod
    def json_put(
        self, value: ColumnElement[Any], column: Column, path: Sequence[str], members: Mapping[str, ColumnElement[str]]
    ) -> ColumnElement[Any]:
        """Set `members` (JSON text by key, never NULL) in the object at `path` of a document that has one there."""

    def json_keeps(self, text: ColumnElement[str], column: Column) -> ColumnElement[bool]:
        """Whether `json_parse` keeps every digit and every key of `text`, which is JSON; true where it stays text."""
        return true()

    def json_rewritable(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether `json_put` can write the document, which is JSON, without losing any of its content."""
        return true()

    def json_opens(self, value: ColumnElement[Any], column: Column) -> ColumnElement[bool]:
        """Whether `json_set_null` can write into the document, which is JSON; never NULL."""
        return true()

    def json_set(
        self, value: ColumnElement[Any], column: Column, path: Sequence[str], members: Mapping[str, ColumnElement[str]]
    ) -> ColumnElement[Any]:
        """Set `members` (JSON text by key, never NULL) in the object at `path`.

        Objects that are missing, or null, are created; so is the document. It stays unchanged where `json_takes` is
        false.
        """
        ways: list[tuple[ColumnElement[bool], ColumnElement[Any]]] = []
        for depth, way in enumerate(self._json_ways(value, column, path)):
            rest = path[depth:]
            inside = {rest[0]: _nested(rest[1:], members)} if rest else members
            ways.append((way, self.json_put(value, column, path[:depth], inside)))
        made = self.json_parse(_nested(path, members), column)
        return case(*ways, (self._json_nothing(value, column, ()), made), else_=value)

    def json_takes(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[bool]:
        """Whether `json_set` can put members into the object at `path`; never NULL."""
        return or_(self._json_nothing(value, column, ()), *self._json_ways(value, column, path))

    def _json_ways(
        self, value: ColumnElement[Any], column: Column, path: Sequence[str]
    ) -> Iterator[ColumnElement[bool]]:
        """Yield, for each depth, the condition that an object exists there and no other value is in the way."""
        for depth in range(len(path) + 1):
            kind = self._json_kind(value, column, path[:depth])
            below = self._json_nothing(value, column, path[: depth + 1]) if depth < len(path) else true()
            rewritable = case((kind == "object", self.json_rewritable(value, column)), else_=false())
            yield and_(func.coalesce(rewritable, false()), below)

    def _json_nothing(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[bool]:
        return func.coalesce(self._json_kind(value, column, path), "null") == "null"

    def _json_kind(self, value: ColumnElement[Any], column: Column, path: Sequence[str]) -> ColumnElement[str]:
        storage: Storage = column.storage or "text"
        return self.json_path_type(value, storage, path) if path else self.json_type(value, storage)

    def json_inside(self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]) -> ColumnElement[Any]:
        """Return `json_get` for a document that has passed `json_readable_if`."""
        return self.json_get(value, storage, path)

    def json_path_lacks(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], types: Sequence[str]
    ) -> ColumnElement[bool]:
        """Return `json_path_is_not`, but true where the path is missing."""
        absent = self.json_inside(value, storage, path).is_(None)
        return or_(absent, self.json_path_is_not(value, storage, path, types))

    def json_inside_string(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]
    ) -> ColumnElement[str]:
        """Return the content of the value at `path`, which is known to be a string.

        The document has passed `json_readable_if`.
        """
        return self.json_string(self.json_inside(value, storage, path) if path else value, storage)

    def json_inside_one_of(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str], texts: Sequence[str]
    ) -> ColumnElement[bool]:
        """Whether the content of the value at `path`, known to be a string, is one of `texts`, byte for byte."""
        found = self.json_inside_string(value, storage, path)
        return or_(*(self.same_bytes(found, literal(text, Text())) for text in texts))

    @abstractmethod
    def json_number(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[Any]:
        """Return a value that is known to be a number, as a double of the engine or something more exact."""

    def json_inside_number(
        self, value: ColumnElement[Any], storage: Storage, path: Sequence[str]
    ) -> ColumnElement[Any]:
        """Return the `json_number` of the value at `path`, in a document that has passed `json_readable_if`."""
        return self.json_number(self.json_inside(value, storage, path) if path else value, storage)

    @abstractmethod
    def json_length(self, value: ColumnElement[Any], storage: Storage) -> ColumnElement[int]:
        """Return the number of elements of a value that is known to be an array."""

    @abstractmethod
    def json_elements(self, value: ColumnElement[Any], storage: Storage) -> Elements:
        """Return the elements of a value that is known to be an array, or is SQL NULL."""

    @abstractmethod
    def json_other_keys(self, value: ColumnElement[Any], storage: Storage, keys: Sequence[str]) -> ColumnElement[bool]:
        """Whether a value that is known to be an object has a key that is not in `keys`.

        Raises `NotChecked` for keys that the engine cannot express.
        """

    @abstractmethod
    def json_change(self, value: ColumnElement[Any], column: Column, changes: Changes) -> ColumnElement[Any]:
        """Set new values (as `json_parse` returns them) at paths in a document that is a `json_rewritable` object.

        The changes are made in order. A missing key is added; its parent must be an object. A change whose new value is
        SQL NULL is skipped.
        """

    @abstractmethod
    def as_number(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """Convert text that is a JSON number to a number."""

    @abstractmethod
    def same_bytes(self, left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether two texts are equal byte for byte, whatever their collation; NULL when one is NULL."""


def strings(text: ColumnElement[str]) -> ColumnElement[int]:
    """Return the number of quote characters in JSON text.

    Fewer after a rewrite means that a duplicate key was dropped.
    """
    bare = reduce(
        lambda found, sign: func.replace(found, literal(sign, Text), literal("", Text)), ("\\\\", '\\"'), text
    )
    return func.length(bare) - func.length(func.replace(bare, literal('"', Text), literal("", Text)))


def _nested(path: Sequence[str], members: Mapping[str, ColumnElement[str]]) -> ColumnElement[str]:
    """Return the JSON text of nested objects, the innermost with `members`."""
    parts: list[ColumnElement[str]] = []
    opening = "".join("{" + json.dumps(key, ensure_ascii=False) + ": " for key in path) + "{"
    for key, text in members.items():
        parts += [literal(opening + json.dumps(key, ensure_ascii=False) + ": ", Text), type_coerce(text, Text)]
        opening = ", "
    return reduce(add, [*parts, literal("}" * (len(path) + 1), Text)])
