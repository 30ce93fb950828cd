"""Reads the options of a unit into the fields of its dataclass from YAML items, and writes them back as JSON."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from trueup.config.json_text import JsonText
from trueup.config.yaml import Item, read_yaml
from trueup.errors import ConfigError

T = TypeVar("T")

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a clause that helps with an unknown word: `; did you mean 'x'?`, or `; there is a, b, c`."""
    words = list(known)
    near = get_close_matches(word, words, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(words) or 'none'}"


def option_name(field: Field[Any]) -> str:
    """Return the option's name: the field's, without the underscore that keeps it from being a Python keyword."""
    return field.name.rstrip("_")


def read_options(unit: type[T], kind: str, item: Item, *, ignore: tuple[str, ...] = ()) -> T:
    """Build a `unit` (a dataclass) from the mapping `item`; keys in `ignore` belong to others.

    Raises `ConfigError`, with the line, for an unknown, missing or ill-typed option.
    """
    known = {option_name(field): field for field in fields(unit) if field.init}  # type: ignore[arg-type]  # a dataclass
    hints = get_type_hints(unit)
    given: dict[str, Any] = {}
    for key, value in pairs(item, f"a {kind}"):
        word = key.text or ""
        if word in known:
            field = known[word]
            given[field.name] = read_value(hints[field.name], value, word)
        elif word not in ignore:
            raise key.error(f"unknown option of {kind} {word!r}{nearest(word, [*ignore, *known])}")
    missing = [
        repr(word)
        for word, field in known.items()
        if field.name not in given and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise item.error(f"{kind} needs {' and '.join(missing)}")
    try:
        return unit(**given)
    except (ConfigError, ValueError) as error:
        raise item.error(str(error)) from None


def unreadable(unit: type[Any]) -> str:
    """The first option whose type no value in a file can have, as a clause; empty where there is none."""
    hints = get_type_hints(unit)
    for field in fields(unit):
        if field.init and not _readable(hints[field.name]):
            shown = getattr(hints[field.name], "__name__", hints[field.name])
            return f"an option {option_name(field)!r} of type {shown}"
    return ""


def _readable(annotation: Any) -> bool:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return all(one is type(None) or _readable(one) for one in arguments)
    if origin is tuple:
        return len(arguments) == 2 and arguments[1] is Ellipsis and _readable(arguments[0])
    if origin is not None and issubclass_safe(origin, Mapping):
        return arguments[0] is str and _readable(arguments[1])
    return origin is Literal or annotation in (str, int, bool, JsonText)


def pairs(item: Item, what: str) -> tuple[tuple[Item, Item], ...]:
    """Return the pairs of a mapping. Raises `ConfigError` when the item is not a mapping."""
    if item.pairs is None:
        raise item.error(f"{what} must be a mapping (name: value), it is {item}")
    return item.pairs


def read_value(annotation: Any, item: Item, word: str) -> Any:
    """Convert `item` to a value of `annotation`. Raises `ConfigError` that says what it must be."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        if item.null and type(None) in arguments:
            return None
        return read_value(next(one for one in arguments if one is not type(None)), item, word)
    if origin is tuple:
        # `expected: null` and `[object, null]` name the word null
        parts = (item,) if item.items is None else item.items
        return tuple(_part(arguments[0], part, word) for part in parts)
    if origin is not None and issubclass_safe(origin, Mapping):
        return {key.text or "": read_value(arguments[1], value, word) for key, value in pairs(item, repr(word))}
    if origin is Literal:
        return _choice(arguments, item, word)
    return _scalar(annotation, item, word)


def issubclass_safe(candidate: Any, parent: type) -> bool:
    """Return `issubclass`, or false for a value that is not a class."""
    return isinstance(candidate, type) and issubclass(candidate, parent)


def _part(annotation: Any, item: Item, word: str) -> Any:
    if annotation is str and item.null and item.shown:
        return item.shown
    return read_value(annotation, item, word)


def _choice(choices: tuple[Any, ...], item: Item, word: str) -> Any:
    for choice in choices:
        if item.text == str(choice):
            return choice
    raise item.error(f"{word!r} must be one of {', '.join(map(str, choices))}; it is {item}")


def _scalar(annotation: Any, item: Item, word: str) -> Any:
    if annotation is JsonText:
        return _json_text(item, word)
    if annotation is str:
        if item.text is None or item.null:
            raise item.error(f"{word!r} must be text, it is {item}")
        return item.text
    if annotation is int:
        if item.quoted or not _INTEGER.fullmatch(item.text or ""):
            raise item.error(f"{word!r} must be a whole number, it is {item}")
        return int(item.text or "")
    if annotation is bool:
        if item.quoted or (item.text or "").lower() not in _BOOLEANS:
            raise item.error(f"{word!r} must be true or false, it is {item}")
        return _BOOLEANS[(item.text or "").lower()]
    raise TypeError(f"an option may not be annotated {annotation!r}")  # a mistake in the unit, not in the file


def _json_text(item: Item, word: str) -> JsonText:
    """Read a mapping or a list as JSON. Text is the JSON itself, or the path of a JSON or YAML file beside this one."""
    if item.text is None:
        return JsonText(_as_json(item))
    if item.text == "" or item.text.lstrip().startswith(("{", "[")):
        return JsonText(item.text)
    if not item.place or not item.text.endswith((".json", ".yaml", ".yml")):
        raise item.error(f"{word!r} must be a mapping, or a file .json or .yaml that holds one; it is {item}")
    path = Path(item.place.rpartition(":")[0]).parent / item.text
    try:
        data = path.read_bytes()
    except OSError as error:
        raise item.error(f"{word!r}: {item} cannot be read: {error.strerror or type(error).__name__}") from None
    return JsonText(_as_json(read_yaml(data, str(path), {})))


def _as_json(item: Item) -> str:
    """Convert an item to JSON: an unquoted scalar is a boolean, null or a number where JSON would read it so."""
    if item.pairs is not None:
        return "{" + ", ".join(f"{_quoted(key.text)}: {_as_json(value)}" for key, value in item.pairs) + "}"
    if item.items is not None:
        return "[" + ", ".join(map(_as_json, item.items)) + "]"
    if item.null:
        return "null"
    plain = not item.quoted and (item.text in ("true", "false") or _NUMBER.fullmatch(item.text or ""))
    return item.text or "" if plain else _quoted(item.text)


def _quoted(text: str | None) -> str:
    return json.dumps(text or "", ensure_ascii=False)


def write_options(unit: Any) -> dict[str, Any]:
    """Return all options of a dataclass as JSON without floats; the inverse of `read_options` over `from_json`."""
    return {option_name(field): _json(getattr(unit, field.name)) for field in fields(unit) if field.init}


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"an option cannot hold {type(value).__name__}")
