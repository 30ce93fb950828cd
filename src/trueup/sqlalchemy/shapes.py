"""What JSON values must look like when they are written, by the unit of work, in bulk, or by Core.

A shape is one or many of the words of `wrong-json-type` (object, array, string, integer, double, number, boolean,
null), or a JSON Schema. Statements that are text are not looked into.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Table
from sqlalchemy.sql.dml import Insert, Update
from sqlalchemy.sql.elements import BindParameter, ClauseElement

from trueup.errors import UsageError
from trueup.sqlalchemy.columns import is_json

if TYPE_CHECKING:
    from trueup.config.config import Config

_WORDS = {
    "object": "an object",
    "array": "an array",
    "string": "a string",
    "integer": "an integer",
    "double": "a double",
    "number": "a number",
    "boolean": "a boolean",
    "null": "JSON null",
    "invalid": "text that is not JSON",
}
_TYPES = tuple(_WORDS)[:-1]
#: A key of the mapping is a mapped attribute, or `table.column`, or `table.column.key` inside a document.
Wanted = Mapping[Any, str | Sequence[str] | Mapping[str, Any]]
#: Given a value, and the row that it is written with: (path inside, what is wrong, the value there) of each mistake.
Test = Callable[[Any, Mapping[str, Any]], Iterator[tuple[tuple[Any, ...], str, Any]]]


class Shape(NamedTuple):
    """A test of one column's values. `told` is how messages name the column."""

    table: str
    column: str
    told: str
    test: Test


class Mistake(NamedTuple):
    """A value that is not of its shape. `place` is `Model.field['key']`."""

    place: str
    problem: str
    value: Any


class Shapes:
    """Shapes of columns, and the statements that write them."""

    def __init__(self, wanted: Wanted | Config) -> None:
        self._shapes = list(_of_mapping(wanted) if isinstance(wanted, Mapping) else _of_config(wanted))
        self._tables = {shape.table for shape in self._shapes}
        self._columns: WeakKeyDictionary[Table, dict[str, list[Shape]]] = WeakKeyDictionary()

    def mistakes(self, statement: object, rows: Sequence[Mapping[str, Any]]) -> Iterator[Mistake]:
        """What a statement is about to write that is not of its shape. `rows` are its parameters."""
        if not isinstance(statement, Insert | Update) or not isinstance(statement.table, Table):
            return
        table = statement.table
        if table.name not in self._tables:
            return
        known = self._known(table)
        for row in (*_inline(statement), *rows):
            for key in known.keys() & row.keys():
                value = _plain(row[key], table.c[key].type)
                if isinstance(value, ClauseElement):
                    continue  # worked out by the database
                for shape in known[key]:
                    for path, problem, held in shape.test(value, row):
                        yield Mistake(shape.told + "".join(f"[{part!r}]" for part in path), problem, held)

    def _known(self, table: Table) -> dict[str, list[Shape]]:
        known = self._columns.get(table)
        if known is None:
            known = self._columns[table] = {}
            for column in table.c:
                found = [shape for shape in self._shapes if (shape.table, shape.column) == (table.name, column.name)]
                if found:
                    known[column.key] = found
        return known


class _Null:
    """SQL NULL, which is not JSON null."""


_SQL_NULL = _Null()


def _plain(value: Any, kind: Any) -> Any:
    """What the database will hold: None is JSON null in a JSON column, and SQL NULL elsewhere; text is read."""
    if value is None:
        return None if getattr(kind, "should_evaluate_none", False) else _SQL_NULL
    if isinstance(value, str) and not is_json(kind):
        try:
            return json.loads(value)
        except ValueError:
            return _Invalid(value)
    return value


class _Invalid(str):
    """Text in a text column that is not JSON."""

    __slots__ = ()


def _inline(statement: Any) -> Iterator[dict[str, Any]]:
    """The rows that stand in a statement itself, by `values()`."""
    given = [statement._values, dict(getattr(statement, "_ordered_values", None) or ())]
    for values in statement._multi_values:
        given += values
    for row in given:
        if row:
            yield {
                getattr(key, "key", key): value.effective_value if isinstance(value, BindParameter) else value
                for key, value in row.items()
            }


def _of_mapping(wanted: Wanted) -> Iterator[Shape]:
    for key, shape in wanted.items():
        if isinstance(key, str):
            table, _, rest = key.partition(".")
            column, *path = rest.split(".")
            if not column:
                raise UsageError(f"a shape is given for a mapped attribute or 'table.column', not {key!r}")
            yield Shape(table, column, f"{table}.{column}", _test(key, shape, tuple(path)))
        else:
            place = key.property.columns[0]
            told = f"{key.class_.__name__}.{key.key}"
            yield Shape(place.table.name, place.name, told, _test(told, shape, ()))


def _of_config(config: Config) -> Iterator[Shape]:
    """The checks of a configuration that say what JSON must look like."""
    for check in config.checks:
        some: Any = check
        if check.kind not in ("wrong-json-type", "wrong-json-shape"):
            continue
        column, *path = some.column.split(".")
        if check.kind == "wrong-json-type":
            test = _types(tuple(some.expected), tuple(path), null=some.null)
        else:
            tests = {name: _schema(text.value(), null=some.null) for name, text in some.given.items()}
            test = _chosen(tests, some.by) if some.by else tests[""]
        yield Shape(check.table, column, f"{check.table}.{column}", test)


def _test(told: str, shape: str | Sequence[str] | Mapping[str, Any], path: tuple[str, ...]) -> Test:
    if isinstance(shape, Mapping):
        if path:
            raise UsageError(f"the schema of {told} belongs to the whole column")
        return _schema(shape, null=True)
    words = (shape,) if isinstance(shape, str) else tuple(shape)
    for word in words:
        if word not in _TYPES:
            raise UsageError(f"the shape of {told} names no JSON type: {word!r}; there is {', '.join(_TYPES)}")
    return _types(words, path, null=True)


def _types(words: tuple[str, ...], path: tuple[str, ...], *, null: bool) -> Test:
    """By the type of a value, or of what stands at a path inside it."""
    allowed = {part for word in words for part in (("integer", "double") if word == "number" else (word,))}
    must = " or ".join(_WORDS[word] for word in words)

    def test(value: Any, _: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], str, Any]]:
        for key in path:
            value = value.get(key, _SQL_NULL) if isinstance(value, Mapping) else _SQL_NULL
        if value is _SQL_NULL:
            if not null:
                yield path, f"is not there, must be {must}", None
            return
        word = _word(value)
        if word and word not in allowed:
            yield path, f"is {_WORDS[word]}, must be {must}", value

    return test


def _schema(schema: Mapping[str, Any], *, null: bool) -> Test:
    """By a JSON Schema, with `jsonschema`."""
    try:
        from jsonschema import validators
    except ImportError:
        raise UsageError("shapes that are JSON Schemas need jsonschema: pip install jsonschema") from None
    validator: Any = validators.validator_for(schema)(schema)

    def test(value: Any, _: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], str, Any]]:
        if value is _SQL_NULL:
            if not null:
                yield (), "is NULL, which is not allowed", None
            return
        for error in validator.iter_errors(value):
            # the library's own sentence shows the value
            path, problem = tuple(error.absolute_path), f"does not keep to {error.validator!r} of its schema"
            if error.validator == "type":
                must = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
                held, wanted = _WORDS.get(_word(error.instance)), " or ".join(_WORDS.get(word, word) for word in must)
                problem = f"is {held}, must be {wanted}"
            elif error.validator == "required":
                missing = [name for name in error.validator_value if name not in error.instance]
                problem = f"has no {', '.join(map(repr, missing))}"
            yield path, problem, error.instance

    return test


def _chosen(tests: Mapping[str, Test], by: str) -> Test:
    """By the schema that another column of the same row chooses; a row that does not say it is not looked at."""

    def test(value: Any, row: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], str, Any]]:
        if by in row:
            one = tests.get(str(row[by]), tests.get("default"))
            yield from one(value, row) if one else ()

    return test


def _word(value: Any) -> str:
    """The JSON type of a Python value; empty for what only the column's type can tell."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, _Invalid):
        return "invalid"
    for kind, word in ((int, "integer"), (float, "double"), (str, "string"), (Mapping, "object")):
        if isinstance(value, kind):
            return word
    return "array" if isinstance(value, list | tuple) else ""
