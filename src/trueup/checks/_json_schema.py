"""The part of JSON Schema that a database can answer, read into nodes; no SQL here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from trueup.config.json_text import JsonText
from trueup.sql.regexes import portable

TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
WORDS = {
    "object": "an object",
    "array": "an array",
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "double": "a number",
    "boolean": "a boolean",
    "null": "null",
    "invalid": "text that is not JSON",
}
#: Keywords with a condition of their own, and the types that they say something about; none: about any.
CONDITIONS: Mapping[str, tuple[str, ...]] = {
    "enum": (),
    "const": (),
    "minimum": ("number",),
    "maximum": ("number",),
    "exclusiveMinimum": ("number",),
    "exclusiveMaximum": ("number",),
    "minLength": ("string",),
    "maxLength": ("string",),
    "pattern": ("string",),
    "minItems": ("array",),
    "maxItems": ("array",),
    "items": ("array",),
    "additionalProperties": ("object",),
}
SUPPORTED = ("type", "required", "properties", "default", *CONDITIONS)
#: Keywords that say nothing about what is valid.
_REMARKS = ("$schema", "$id", "$comment", "title", "description", "examples", "deprecated", "readOnly", "writeOnly")
#: Digits that a double keeps.
_EXACT = 2**53
_DEEPEST = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What one place must hold: `types` (empty: any) and `rules` (keyword to its value); `path` leads from the root.

    `required` says that an object around it must have it. `default` is what fills it when it is missing.
    """

    path: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    required: bool = True
    rules: Mapping[str, Any] = field(default_factory=dict)
    children: tuple[Node, ...] = ()
    default: JsonText | None = None

    @property
    def engine_types(self) -> tuple[str, ...]:
        """The JSON types as a dialect names them: `number` is `integer` or `double`."""
        words = [part for word in self.types for part in (("integer", "double") if word == "number" else (word,))]
        return tuple(dict.fromkeys(words))

    @property
    def nullable(self) -> bool:
        """Whether the node allows JSON null."""
        return "null" in self.types and len(self.types) > 1 and accepts(self, None)

    def as_root(self) -> Node:
        """The same, of a document of its own."""
        return self._below(len(self.path))

    def _below(self, depth: int) -> Node:
        return replace(self, path=self.path[depth:], children=tuple(child._below(depth) for child in self.children))

    def walk(self) -> Iterator[Node]:
        """This node and its descendants, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def aspects(self) -> list[str]:
        """What the node can violate: `type` (a missing key too) and each of its keywords."""
        return [*(["type"] if self.types or self.required else []), *self.rules]


def read(schema: Any) -> Node:
    """Read a schema; returns its root. Raises `ValueError`, in one line, for a keyword that trueup does not check."""
    return _node(schema, (), True)


def _node(schema: Any, path: tuple[str, ...], required: bool) -> Node:
    place = f" at {'.'.join(path)}" if path else ""
    if schema is True:
        return Node(path=path, required=required)
    if not isinstance(schema, dict):
        raise ValueError(f"a schema{place} must be a mapping, as in {{type: object}}")
    if len(path) > _DEEPEST:
        raise ValueError(f"the schema{place} goes deeper than {_DEEPEST} levels")
    for keyword in schema:
        if keyword not in SUPPORTED and keyword not in _REMARKS:
            near = get_close_matches(keyword, SUPPORTED, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it checks {', '.join(SUPPORTED)}"
            raise ValueError(f"wrong-json-shape does not check {keyword!r}{place}{hint}")
    properties, names = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict):
        raise ValueError(f"'properties'{place} must be a mapping of keys to schemas")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"'required'{place} must be a list of keys")
    for name in (*properties, *names):
        _printable(name, place)
    children = {name: _node(inner, (*path, name), name in names) for name, inner in properties.items()}
    children |= {name: Node(path=(*path, name)) for name in names if name not in children}
    rules = {word: _rule(word, schema[word], place) for word in CONDITIONS if word in schema}
    if rules.get("additionalProperties") is not None:
        rules["additionalProperties"] = tuple(properties)
    node = Node(
        path=path,
        types=_types(schema.get("type", []), place),
        required=required,
        rules={word: value for word, value in rules.items() if value is not None},
        children=tuple(children.values()),
    )
    if "default" in schema:
        if not accepts(node, schema["default"]):
            raise ValueError(f"the 'default'{place} does not meet its own schema")
        node = replace(node, default=JsonText.of(schema["default"]))
    return node


def _types(given: Any, place: str) -> tuple[str, ...]:
    words = given if isinstance(given, list) else [given]
    # YAML reads `type: null` as nothing at all
    types = tuple(dict.fromkeys("null" if word is None else word for word in words))
    for word in types:
        if word not in TYPES:
            near = get_close_matches(str(word), TYPES, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(TYPES)}"
            raise ValueError(f"JSON Schema knows no type {word!r}{place}{hint}")
    return types


def _printable(text: str, place: str) -> None:
    # what engines have no text for, or do not print in a statement
    if not text.isprintable():
        raise ValueError(f"{text!r}{place} has a character that cannot be asked for")


def _rule(word: str, value: Any, place: str) -> Any:
    """The value of a keyword as conditions take it; None where it asks for nothing."""
    if word in ("enum", "const"):
        return _members(word, [value] if word == "const" else value, place)
    if word == "items":
        node = _node(value, (), True)
        return node if node.types or node.rules or node.children else None
    if word == "pattern":
        if not isinstance(value, str):
            raise ValueError(f"'pattern'{place} must be text")
        portable(value)
        return value
    if word == "additionalProperties":
        if not isinstance(value, bool):
            raise ValueError(f"'additionalProperties'{place} may be true or false; a schema for them is not checked")
        return None if value else ()
    if word.endswith(("Length", "Items")):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _EXACT:
            raise ValueError(f"{word!r}{place} must be a whole number")
        return value
    return _number(word, value, place)


def _members(word: str, members: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(members, list) or not members:
        raise ValueError(f"'enum'{place} must be a list of values")
    for member in members:
        if isinstance(member, dict | list):
            raise ValueError(f"{word!r}{place} may list text, numbers, booleans and null, no object and no array")
        if isinstance(member, str):
            _printable(member, place)
        elif not isinstance(member, bool | None):
            _number(word, member, place)
    return tuple(members)


def _number(word: str, value: Any, place: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{word!r}{place} must be a number")
    number = Decimal(value)
    if abs(number) > Decimal("1e300") or number.as_tuple().exponent < -300:  # type: ignore[operator]  # it is finite
        raise ValueError(f"{word!r}{place} is a number that engines do not compare alike")
    return number


# -- judging a value in Python ----------------------------------------------------------------------------------------
def accepts(node: Node, value: Any) -> bool:
    """Whether a Python value satisfies a node."""
    held = set(kinds(value))
    if node.types and not held & set(node.types):
        return False
    for word, wanted in node.rules.items():
        about = CONDITIONS[word]
        if (not about or held & set(about)) and not _MET[word](value, wanted):
            return False
    if not isinstance(value, dict):
        return True
    return all(
        accepts(child, value[child.path[-1]]) if child.path[-1] in value else not child.required
        for child in node.children
    )


def kinds(value: Any) -> Iterator[str]:
    """The types of a value, `number` before `integer`."""
    if isinstance(value, bool):
        yield "boolean"
    elif isinstance(value, int | float | Decimal):
        yield "number"
        if value % 1 == 0:
            yield "integer"
    else:
        yield {"dict": "object", "list": "array", "str": "string"}.get(type(value).__name__, "null")


def _same(value: Any, member: Any) -> bool:
    if isinstance(value, bool) or isinstance(member, bool):
        return value is member
    return bool(value == member)


_MET: Mapping[str, Callable[[Any, Any], bool]] = {
    "enum": lambda value, members: any(_same(value, member) for member in members),
    "const": lambda value, members: _same(value, members[0]),
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
    "minLength": lambda value, count: len(value) >= count,
    "maxLength": lambda value, count: len(value) <= count,
    "pattern": lambda value, pattern: re.search(portable(pattern), value) is not None,
    "minItems": lambda value, count: len(value) >= count,
    "maxItems": lambda value, count: len(value) <= count,
    "items": lambda value, node: all(accepts(node, element) for element in value),
    "additionalProperties": lambda value, keys: set(value) <= set(keys),
}


# -- words ------------------------------------------------------------------------------------------------------------
def expected(node: Node) -> str:
    """The types of a node for a reader: `string or null`, `any`."""
    return " or ".join(node.types) or "any"


def told(node: Node, aspect: str, held: str) -> str:
    """What is wrong, after the name of the place: `is a string, must be a boolean`."""
    if aspect == "type":
        wanted = " or ".join(WORDS[word] for word in node.types)
        if held == "missing":
            return "is missing" if node.path else f"is NULL, must be {wanted or 'a document'}"
        return f"is {WORDS.get(held, held)}, must be {wanted or 'JSON'}"
    return _TOLD[aspect](node.rules[aspect])


def _listed(members: tuple[Any, ...]) -> str:
    shown = [JsonText.of(member) for member in members[:5]]
    return ", ".join(shown) + (" ..." if len(members) > len(shown) else "")


_TOLD: Mapping[str, Callable[[Any], str]] = {
    "enum": lambda members: f"is none of {_listed(members)}",
    "const": lambda members: f"is not {_listed(members)}",
    "minimum": lambda bound: f"is below the minimum {bound}",
    "maximum": lambda bound: f"is above the maximum {bound}",
    "exclusiveMinimum": lambda bound: f"is not above {bound}",
    "exclusiveMaximum": lambda bound: f"is not below {bound}",
    "minLength": lambda count: f"is shorter than {count} character{'' if count == 1 else 's'}",
    "maxLength": lambda count: f"is longer than {count} character{'' if count == 1 else 's'}",
    "pattern": lambda pattern: f"does not match the pattern {pattern!r}",
    "minItems": lambda count: f"has fewer than {count} element{'' if count == 1 else 's'}",
    "maxItems": lambda count: f"has more than {count} element{'' if count == 1 else 's'}",
    "items": lambda node: f"has an element that is not {_elements(node)}",
    "additionalProperties": lambda keys: (
        f"has a key that is not {' or '.join(map(repr, keys[:5])) or 'allowed'}" + (" ..." if len(keys) > 5 else "")
    ),
}


def _elements(node: Node) -> str:
    plain = node.types and not node.rules and not node.children
    return " or ".join(WORDS[word] for word in node.types) if plain else "as it must be"
