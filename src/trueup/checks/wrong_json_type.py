"""JSON values of the wrong type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Text, and_, case, false, func, literal, null, or_, select

from trueup.check import ALL, Check, Database, Facts, Measures, Repair, Row, RowCheck
from trueup.repairs import nullify, sql_bool, sql_false
from trueup.sql.tables import JSON_TYPES, TEXT, Column, Table

#: The word for SQL NULL, and for a path that is not there.
SQL_NULL = "SQL NULL"
ABSENT = "absent"
WRAP_KEY = "raw_value"

_WORDS = {
    "object": "an object",
    "array": "an array",
    "string": "a string",
    "integer": "an integer",
    "double": "a double",
    "boolean": "a boolean",
    "number": "a number",
    "null": "JSON null",
    "invalid": "text that is not JSON",
}
_TYPES = (*JSON_TYPES[:-1], "number")
_SAMPLE = 5000
_ENOUGH = 5


@dataclass(frozen=True, kw_only=True)
class WrongJsonType(RowCheck):
    """A JSON column, or a path inside one, holds a value of another type than the application expects.

    **Why it is bad.** Code that reads `row.metadata["quiz_id"]` fails on the first row that holds a
    number or a list, and takes the whole job with it. Filters and aggregates on a key skip such rows silently.

    **How it happens.** `json.dumps` of what is written to a JSON column anyway (an object encoded twice is a
    string), migrations from text columns, edits by hand, bulk paths that pass by the model's validation.

    **Options.** `column` is a column, or a path inside it such as `metadata.time_spent_ms`. `expected` is one or
    many of object, array, string, integer, double, boolean, null, or number (integer or double). SQL NULL, and a
    path that is not there, are allowed unless `null: false`. JSON null is a value of its own and broken unless
    `expected` names it.

    **Repairs.** `decode` (lossless) takes off the second encoding where what is inside is of an expected type and
    the column keeps its numbers and keys.
    `wrap` (lossless) puts the value into an object under the key `raw_value`, where an object is expected.
    `nullify` (lossy) sets the column to SQL NULL, or a path to JSON null where `expected` allows it.

    **Example.**

    ```sql
    CREATE TABLE events (id INTEGER PRIMARY KEY, metadata TEXT);
    INSERT INTO events (id, metadata) VALUES
      (1, '{"quiz_id": 7}'), (2, '{"quiz_id": 8}'), (3, NULL), (4, '{}'), (5, '{}'), (6, '{}'), (7, '{}'),
      (8, '"{\\"quiz_id\\": 9}"'), (9, '42.5'), (10, 'null');
    ```

    ```yaml
    checks:
      - kind: wrong-json-type
        table: events
        column: metadata
        expected: object
    ```

    Finds 3.
    """

    kind: ClassVar[str] = "wrong-json-type"
    message_covers: ClassVar[tuple[str, ...]] = ALL

    column: str
    expected: tuple[str, ...]
    null: bool = True

    def __post_init__(self) -> None:
        if not self.expected:
            raise ValueError(f"{self.kind} needs a type in 'expected': {', '.join(_TYPES)}")
        for word in self.expected:
            if word not in _TYPES:
                near = get_close_matches(word, _TYPES, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(_TYPES)}"
                raise ValueError(f"{self.kind} knows no JSON type {word!r}{hint}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The column, or the path inside it."""
        return (self.column,)

    @property
    def types(self) -> tuple[str, ...]:
        """The expected JSON types; `number` stands for two."""
        words = [part for word in self.expected for part in (("integer", "double") if word == "number" else (word,))]
        return tuple(dict.fromkeys(words))

    def holds(self, row: Row) -> ColumnElement[bool]:
        """Present and of another type, or not there although it must be."""
        value = row.json(self.column)
        if self.null:
            return value.is_not(self.types)
        return or_(value.is_not(self.types), value.value.is_(None))

    def measures(self, row: Row) -> Measures:
        """Rows by JSON type: SQL NULL and each expected type but the first, which the rest of the healthy rows have.

        Inside a document no healthy row is counted by type: it would take out the value once more for each.
        """
        if self._path(row):
            return Measures(word=self._word(row))
        value = row.json(self.column)
        counted: dict[str, ColumnElement[bool]] = {SQL_NULL: value.value.is_(None)} if self.null else {}
        for word in self.types[1:]:
            counted[word] = func.coalesce(value.type() == word, false())
        return Measures(word=self._word(row), healthy_words=counted, ordinary_word=self.types[0])

    def evidence(self, row: Row) -> Facts:
        """The JSON type, whether JSON of an expected type hides in a string, and the value."""
        value = row.json(self.column)
        column = row.column(row.place(self.column)[0])
        shown = row.dialect.preview(column, row[column.name])
        if self._path(row):
            shown = row.dialect.preview(TEXT, value.text())
        return Facts(
            plain={"type": self._word(row), "encoded_twice": value.holds_json(self.types)}, values={"value": shown}
        )

    def message(self, evidence: Mapping[str, Any]) -> str:
        """`events.metadata holds an integer, not an object`; with the value where it is known."""
        place, wanted = f"{self.table}.{self.column}", " or ".join(_WORDS[word] for word in self.expected)
        word = str(evidence.get("type"))
        if word in (SQL_NULL, "None"):
            return f"{place} is NULL, not {wanted}"
        if word == ABSENT:
            return f"{place} is not there, it must be {wanted}"
        held = _WORDS.get(word, word)
        if evidence.get("encoded_twice"):
            held = f"{wanted if len(self.expected) == 1 else 'JSON'} encoded twice"
        if word != "null" and evidence.get("value") is not None:
            return f"{place} is {evidence['value']} ({held}), not {wanted}"
        return f"{place} holds {held}, not {wanted}"

    def repairs(self) -> Sequence[Repair]:
        """`decode`, `wrap` where an object is expected, `nullify` where NULL is allowed."""
        decode = Repair(name="decode", effect="lossless", fits=self._decodes, sets=self._decoded)
        wrap = Repair(name="wrap", effect="lossless", fits=self._wraps, sets=self._wrapped)
        forget = Repair(name="nullify", effect="lossy", fits=self._nullable, sets=self._nulled)
        return [decode, *([wrap] if "object" in self.types else []), forget]

    def breaking_values(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        """A value of another type: a number, a text or a list."""
        name, path = row.place(self.column)
        wrong = next(text for word, text in _SPOILED.items() if word not in self.types)
        for key in reversed(path):
            wrong = json.dumps({key: json.loads(wrong)})
        return {name: row.dialect.json_parse(literal(wrong, Text()), row.column(name))}

    @classmethod
    def propose(cls, database: Database) -> Iterator[Check]:
        """One for each column whose JSON is nearly always of one type, by a sample of its rows."""
        for table in database.tables():
            for column in table.stored():
                if column.storage or column.family == "text":
                    expected = _usual(database, table, column)
                    if expected:
                        yield cls(table=table.name, column=column.name, expected=expected)

    def _word(self, row: Row) -> ColumnElement[str]:
        """The JSON type, with words of their own for SQL NULL and for a path that is not there."""
        return func.coalesce(row.json(self.column).type(), literal(ABSENT if self._path(row) else SQL_NULL))

    def _path(self, row: Row) -> tuple[str, ...]:
        return row.place(self.column)[1]

    def _decodes(self, row: Row) -> ColumnElement[bool]:
        if self._path(row):
            return sql_false()
        held = row.json(self.column)
        keeps = row.dialect.json_keeps(held.text(), row.column(self.column))
        # looked at only where there is JSON within
        return case((held.holds_json(self.types), keeps), else_=sql_false())

    def _decoded(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        name, path = row.place(self.column)
        return {name: row[name] if path else row.dialect.json_parse(row.json(self.column).text(), row.column(name))}

    def _wraps(self, row: Row) -> ColumnElement[bool]:
        if self._path(row):
            return sql_false()
        # JSON null in an object says no more than NULL does, and what is not JSON cannot stand inside JSON
        return and_(self.holds(row), func.coalesce(row.json(self.column).type().not_in(["null", "invalid"]), False))

    def _wrapped(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        name, path = row.place(self.column)
        return {name: row[name] if path else row.dialect.json_wrap(WRAP_KEY, row[name], row.column(name))}

    def _nullable(self, row: Row) -> ColumnElement[bool]:
        name, path = row.place(self.column)
        if path:
            opens = row.dialect.json_opens(row[name], row.column(name))
            return and_(sql_bool("null" in self.types), row.json(self.column).value.is_not(None), opens)
        return and_(sql_bool(self.null), nullify(self.column).fits(row))

    def _nulled(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        name, path = row.place(self.column)
        if not path:
            return {name: null()}
        return {name: row.dialect.json_set_null(row[name], row.column(name), path)}


_SPOILED = {"integer": "42", "string": '"text"', "array": "[]", "object": "{}", "boolean": "true", "double": "0.5"}


def _usual(database: Database, table: Table, column: Column) -> tuple[str, ...]:
    """The type that nine in ten values of a sample have; none for few values, a mixture, or text that is no JSON."""
    relation = database.row(table.name).relation
    value = relation.c[column.name]
    sample = select(value.label("v")).where(value.is_not(None)).limit(_SAMPLE).subquery("trueup_sample")
    if column.storage is None:
        structured = case((or_(sample.c.v.like("{%"), sample.c.v.like("[%"), sample.c.v == "null"), 1), else_=0)
        ((rows, hits),) = database.ask(select(func.count(), func.sum(structured)).select_from(sample))
        if rows < _ENOUGH or int(hits) < 0.9 * rows:
            return ()
    word = database.dialect.json_type(sample.c.v, column.storage or "text")
    counts = {str(name): int(count) for name, count in database.ask(select(word, func.count()).group_by(word))}
    nulls = counts.pop("null", 0)
    rows = sum(counts.values())
    if rows < _ENOUGH:
        return ()
    if "integer" in counts and "double" in counts:
        counts["number"] = counts.pop("integer") + counts.pop("double")
    usual = max(counts, key=lambda name: counts[name])
    if counts[usual] < 0.9 * rows or usual == "invalid" or (column.storage is None and usual not in _NESTED):
        return ()
    # many ORMs write JSON null for None: where it is common, it is meant
    return (usual, "null") if nulls > 0.1 * (rows + nulls) else (usual,)


_NESTED = ("object", "array")
