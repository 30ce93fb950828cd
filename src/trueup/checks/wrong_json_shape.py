"""JSON documents that lack a key, or hold a value that their schema does not allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import add
from typing import Any, ClassVar
from urllib.parse import quote

from sqlalchemy import ColumnElement, Text, and_, case, false, func, literal, not_, or_, true, type_coerce

from trueup.check import Check, Database, Facts, Measures, Part, Repair, Row, RowCheck
from trueup.checks import _json_shape as shape
from trueup.checks._json_inferred import inferred
from trueup.checks._json_schema import Node, accepts, expected, read, told
from trueup.checks._json_shape import At, Mending
from trueup.config.json_text import NOTHING, JsonText
from trueup.errors import Refused

DEFAULT = "default"
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class WrongJsonShape(RowCheck):
    """A JSON document lacks a key, or holds a value that its schema does not allow.

    **Why it is bad.** Code that reads `user.settings["theme"]` fails on the first document without it; a number that
    became text sorts as text, and adds up to nothing. The database keeps such a document without a word.

    **How it happens.** A change to a JSON value that the ORM did not see and did not save, a client of an older
    version, a form whose numbers arrive as text, edits by hand.

    **Options.** `column` holds the documents. `schema` is a JSON Schema, or a file of one (`.json`, `.yaml`) beside
    the configuration. It may use `type`, `required`, `properties`, `enum` and `const` (of text, numbers, booleans and
    null), `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `minLength`, `maxLength`, `pattern`, `items`,
    `minItems`, `maxItems`, `additionalProperties: false` and `default`; another keyword is refused, not passed over.
    With `by`, a column such as `event_type` says which of `schemas` is meant; `default` among them is for all other
    values, and rows without a schema are skipped and counted. SQL NULL is allowed unless `null: false`.

    The report shows, for each key, the share of documents in which it is as it must be.

    **Repairs.** `fill` (lossless) adds keys that are missing, where the schema has a `default` for them. `decode`
    (lossless) also turns text that spells an expected number or boolean (`"12.5"`) into it. `nullify` (lossy) also
    sets values to JSON null where the schema allows null. A row is only mended when nothing stays wrong in it. Where
    none is asked for by name, `decode` and `nullify` are tried, and write no `default`.

    **Example.**

    ```sql
    CREATE TABLE users (id INTEGER PRIMARY KEY, settings TEXT);
    INSERT INTO users (id, settings) VALUES
      (1, '{"theme": "dark", "beta": true}'), (2, '{"theme": "light", "beta": false}'), (3, NULL),
      (4, '{"theme": "dark", "beta": "true"}'), (5, '{"beta": true}'), (6, '{"theme": 7, "beta": true}'),
      (7, '{"theme": "dark", "beta": true}'), (8, '{"theme": "dark", "beta": true}');
    ```

    ```yaml
    checks:
      - kind: wrong-json-shape
        table: users
        column: settings
        schema:
          type: object
          required: [theme, beta]
          properties:
            theme: {enum: [dark, light]}
            beta: {type: boolean}
    ```

    Finds 3.
    """

    kind: ClassVar[str] = "wrong-json-shape"
    message_covers: ClassVar[tuple[str, ...]] = ("wrong",)

    column: str
    schema: JsonText = NOTHING
    by: str = ""
    schemas: Mapping[str, JsonText] = field(default_factory=dict)
    null: bool = True

    def __post_init__(self) -> None:
        if bool(self.schema) == bool(self.schemas) or bool(self.by) != bool(self.schemas):
            raise ValueError(f"{self.kind} needs 'schema', or 'by' and 'schemas'")
        for name, text in self.given.items():
            where = f"schema {name!r}: " if self.by else ""
            try:
                read(text.value())
            except ValueError as error:
                raise ValueError(f"{where}{error}") from None

    @property
    def given(self) -> Mapping[str, JsonText]:
        """The schemas by the value that asks for them; the only one has no name."""
        return self.schemas if self.by else {"": self.schema}

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of the documents, and the one that selects their schema."""
        return (self.column, self.by) if self.by else (self.column,)

    @cached_property
    def roots(self) -> Mapping[str, Node]:
        """The schemas, read."""
        return {name: read(text.value()) for name, text in self.given.items()}

    @cached_property
    def aspects(self) -> tuple[tuple[str, Node, str], ...]:
        """(schema, node, aspect) for everything that can be wrong."""
        return tuple(
            (name, node, aspect)
            for name, root in self.roots.items()
            for node in root.walk()
            for aspect in (node.aspects() if node.path else ["type", *node.rules])
        )

    @cached_property
    def labels(self) -> Mapping[str, tuple[str, Node, str]]:
        """The aspects by the words that the evidence has for them."""
        return {_label(name, node, aspect): (name, node, aspect) for name, node, aspect in self.aspects}

    def holds(self, row: Row) -> ColumnElement[bool]:
        """The document violates its schema."""
        at = self._at(row)
        found = {name: shape.broken(root, at, null_allowed=self.null) for name, root in self.roots.items()}
        return found[""] if not self.by else shape.by_value(at, self._cases(row, found))

    def evidence(self, row: Row) -> Facts:
        """What is wrong (`rank.level type=string; rank.share maximum`), and the document."""
        at = self._at(row)
        wrong = {name: self._wrong(name, root, at) for name, root in self.roots.items()}
        told = wrong[""] if not self.by else case(*self._cases(row, wrong), else_=_text(""))
        value = row.dialect.preview(row.column(self.column), row[self.column])
        return Facts(plain={"wrong": told}, values={"value": value})

    def message(self, evidence: Mapping[str, Any]) -> str:
        """`users.settings.beta is a string, must be a boolean; users.settings.theme is missing`."""
        said = []
        found = self._read(evidence)
        mistyped = {node.path for _, node, aspect, _ in found if aspect == "type"}
        for _, node, aspect, held in found:
            if aspect != "type" and node.path in mistyped:
                continue
            place = ".".join((self.table, self.column, *node.path))
            said.append(f"{place} {told(node, aspect, held)}")
        more = f"; and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
        return "; ".join(said[:_SHOWN]) + more if said else f"{self.table}.{self.column} does not meet its schema"

    def measures(self, row: Row) -> Measures:
        """The keys of the schemas, and in how many documents each is right."""
        meant = {} if not self.by else self._meant(row)
        unmeasured = None if not self.by or DEFAULT in self.schemas else f"their {self.by} has no schema"
        return Measures(
            parts=self._keys(),
            failed_parts=self._failed_keys,
            measured_rows=self._validated(row, meant),
            unmeasured=(_none_of(meant.values()), unmeasured) if unmeasured else None,
        )

    def _keys(self) -> Sequence[Part]:
        return [
            Part(".".join((self.column, *node.path)), expected(node), name)
            for name, root in self.roots.items()
            for node in root.walk()
            if node.path
        ]

    def _validated(self, row: Row, meant: Mapping[str, ColumnElement[bool]]) -> Mapping[str, ColumnElement[bool]]:
        """For each schema, the condition that a document counts: keys count in objects only."""
        there = row[self.column].is_not(None) if self.null else true()
        is_object = not_(self._at(row).lacks(("object",)))
        found = {name: there if root.types == ("object",) else is_object for name, root in self.roots.items()}
        return {name: and_(condition, found[name]) for name, condition in meant.items()} if self.by else found

    def _failed_keys(self, evidence: Mapping[str, Any]) -> frozenset[int]:
        """A key that is wrong, and all below it, for nothing there is as it must be."""
        found = [
            (name, node, aspect)
            for name, node, aspect, _ in self._read(evidence)
            # what need not be an object is validated only where it is one
            if node.path or self.roots[name].types == ("object",)
        ]
        places = [(name, node) for name, root in self.roots.items() for node in root.walk() if node.path]
        return frozenset(
            i
            for i, (name, node) in enumerate(places)
            if any(
                name == other and node.path[: len(above.path)] == above.path and (aspect == "type" or above == node)
                for other, above, aspect in found
            )
        )

    def repairs(self) -> Sequence[Repair]:
        """`fill`, `decode`, `nullify`: each does what those before it do."""
        return [
            self._repair("fill", decode=False, nullify=False),
            self._repair("decode", decode=True, nullify=False),
            self._repair("nullify", decode=True, nullify=True),
        ]

    def constraint(self, row: Row) -> None:
        """A condition on the row; not where elements of arrays are asked, for no constraint may hold a subquery."""
        if any("items" in node.rules for _, node, _ in self.aspects):
            raise Refused(f"{self.title} has no guard: no constraint can look at each of the 'items' of an array")

    def breaking_values(self, row: Row) -> Mapping[str, ColumnElement[Any]]:
        """The first of a few simple documents that does not meet the first schema."""
        name, root = next(iter(self.roots.items()))
        others: list[Any] = [7, "text", []]
        simple = [{}, *others, *({child.path[0]: value} for child in root.children for value in others)]
        wrong = next((value for value in simple if not accepts(root, value)), None)
        if wrong is None or (self.by and (name == DEFAULT or row.column(self.by).family != "text")):
            return {}
        document = row.dialect.json_parse(_text(JsonText.of(wrong)), row.column(self.column))
        return {self.column: document, **({self.by: _text(name)} if self.by else {})}

    @classmethod
    def propose(cls, database: Database) -> Iterator[Check]:
        """One for each column whose documents are nearly all alike, by a sample of its rows."""
        for table in database.tables():
            for column in table.stored():
                if column.storage or column.family == "text":
                    found = inferred(database, table, column)
                    if found is not None:
                        by, schemas = found
                        one = {} if by else {"schema": JsonText.of(schemas[""])}
                        many = {"by": by, "schemas": {name: JsonText.of(s) for name, s in schemas.items()}}
                        yield cls(table=table.name, column=column.name, **(many if by else one))

    # -- expressions ------------------------------------------------------------------------------------------------
    def _at(self, row: Row) -> At:
        return At(row.dialect, row[self.column], row.storage(self.column))

    def _meant(self, row: Row) -> Mapping[str, ColumnElement[bool]]:
        """For each schema name: whether the column `by` selects it. Never NULL."""
        column = row.column(self.by)
        value = row[self.by] if column.family == "text" else row.dialect.preview(column, row[self.by])
        same = {
            name: func.coalesce(row.dialect.same_bytes(value, _text(name)), false())
            for name in self.schemas
            if name != DEFAULT
        }
        return same if DEFAULT not in self.schemas else {**same, DEFAULT: _none_of(same.values())}

    def _cases(self, row: Row, found: Mapping[str, ColumnElement[Any]]) -> list[tuple[ColumnElement[bool], Any]]:
        return [(condition, found[name]) for name, condition in self._meant(row).items()]

    def _wrong(self, name: str, root: Node, at: At) -> ColumnElement[str]:
        def part(node: Node, aspect: str, condition: ColumnElement[bool]) -> ColumnElement[str]:
            label = _label(name, node, aspect)
            if aspect != "type":
                return case((condition, _text(f"{label}; ")), else_=_text(""))
            held = func.coalesce(at.inside(node.path).type(), "missing")
            return case((condition, _text(f"{label}=") + _as_text(held) + _text("; ")), else_=_text(""))

        outer = [part(*fault) for fault in shape.root_faults(root, at, null_allowed=self.null)]
        inner = [part(*fault) for child in root.children for fault in shape.faults(child, at, root, certain=False)]
        inside = shape.within(at, reduce(add, inner), _text("")) if inner else _text("")
        return reduce(add, [*outer, inside])

    def _read(self, evidence: Mapping[str, Any]) -> list[tuple[str, Node, str, str]]:
        """(schema, node, aspect, the type that is held where it is the type) of all that is wrong."""
        pairs = [part.partition("=") for part in str(evidence.get("wrong") or "").split("; ") if part]
        return [(*self.labels[label], held) for label, _, held in pairs]

    def _repair(self, name: str, *, decode: bool, nullify: bool) -> Repair:
        def mending(root: Node, row: Row) -> Mending:
            # where no repair is asked for by name no default is written: nobody knows that it is what was meant
            return Mending(
                root=root,
                document=self._at(row),
                column=row.column(self.column),
                decode=decode,
                nullify=nullify,
                fill=bool(self.repair),
            )

        def fits(row: Row) -> ColumnElement[bool]:
            found = {one: mending(root, row).fits() for one, root in self.roots.items()}
            return found[""] if not self.by else case(*self._cases(row, found), else_=false())

        def sets(row: Row) -> Mapping[str, ColumnElement[Any]]:
            found = {one: mending(root, row).made() for one, root in self.roots.items()}
            made = found[""] if not self.by else case(*self._cases(row, found), else_=row[self.column])
            return {self.column: made}

        return Repair(name=name, effect="lossy" if nullify else "lossless", fits=fits, sets=sets, made_up=not decode)


def _none_of(conditions: Iterable[ColumnElement[bool]]) -> ColumnElement[bool]:
    """None of `conditions`, each of which is never NULL."""
    return not_(or_(false(), *conditions))


def _label(name: str, node: Node, aspect: str) -> str:
    # a dot or a dollar of a key is not one of ours
    place = ".".join(quote(key, safe="/-_").replace(".", "%2E") for key in node.path) if node.path else "$"
    return f"{quote(name)}: {place} {aspect}" if name else f"{place} {aspect}"


def _text(text: str) -> ColumnElement[str]:
    return literal(text, Text())


def _as_text(value: ColumnElement[Any]) -> ColumnElement[str]:
    return type_coerce(value, Text())
