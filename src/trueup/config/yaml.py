"""Parses YAML into plain items that know their line: one document, no anchors, aliases, tags or duplicate keys.

Nothing is converted to a Python type here: a scalar stays the text that was written, so that the reader of the item
decides what `010`, `no` and `1e3` mean. `${NAME}` is replaced from the environment after parsing, so a value cannot
become YAML; `$${` stands for `${`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from trueup.errors import ConfigError

#: The largest file in bytes and the deepest nesting that are read; more is refused.
LARGEST = 1_000_000
DEEPEST = 20

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Messages of PyYAML, and their meaning for someone who wrote the file by hand.
_PLAINLY = {
    "single document": "a second document begins here; only one is read",
    "while scanning a simple key": "a key without its colon",
    "mapping values are not allowed": "a ':' that cannot stand here; mind the indentation, quote text with ': '",
    "<block end>": "the indentation does not fit the lines above",
    "\\t": "a tab where YAML wants spaces",
    "unexpected end of stream": "a quotation mark that is never closed",
    "found '<stream end>'": "a bracket that is never closed",
    "got '<stream end>'": "a bracket that is never closed",
    "cannot start any token": "text that begins with a special character; put it in quotes",
}
#: Matches a quoted piece of the file in a message of PyYAML, but not a single character or `<block end>`.
_QUOTED = re.compile(r"'(?!<)[^']{2,}'")
_NULLS = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One value and its place (`trueup.yaml:7`): a scalar has `text`, a list `items`, a mapping `pairs`.

    `quoted` text is never a number, a boolean or null. `shown` is what messages may repeat: the text as written,
    without anything from the environment. The pairs of a mapping are (key, value).
    """

    place: str
    text: str | None = None
    quoted: bool = False
    shown: str = ""
    items: tuple[Item, ...] | None = None
    pairs: tuple[tuple[Item, Item], ...] | None = None

    @property
    def null(self) -> bool:
        """Whether the value is null (`~`, `null`, or nothing at all)."""
        return self.text in _NULLS and not self.quoted

    def error(self, message: str) -> ConfigError:
        """Return a `ConfigError` that begins with this item's place."""
        return ConfigError(f"{self.place}: {message}" if self.place else message)

    def __str__(self) -> str:
        if self.items is not None:
            return "a list"
        if self.pairs is not None:
            return "a mapping"
        return "empty" if self.null and not self.shown else repr(self.shown)


def read_yaml(data: bytes, path: str, environ: Mapping[str, str]) -> Item:
    """Parse `data`; `path` begins each message. Raises `ConfigError` for all that is not plain YAML."""
    if len(data) > LARGEST:
        raise ConfigError(f"{path}: the file has {len(data):,} bytes; at most {LARGEST:,} are read")
    try:
        loader = _Plain(data)
        loader.path = path
        node = loader.get_single_node()
    except yaml.reader.ReaderError as error:
        line = data[: error.position].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: a character that YAML forbids; write the file as UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_sentence(path, error)) from None
    if node is None:
        raise ConfigError(f"{path}: the file is empty")
    return _item(node, path, environ)


class _Plain(yaml.SafeLoader):
    """Refuses YAML that repeats a value elsewhere or gives it another type than it looks like."""

    path = ""
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave the parser untyped
        place = f"{self.path}:{event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            # its name is not repeated, nor those below: text without quotes may be a password that begins with a sign
            raise ConfigError(f"{place}: an alias (*name) is not read; write the value out, or put text in quotes")
        if getattr(event, "anchor", None) is not None:
            raise ConfigError(f"{place}: an anchor (&name) is not read; write the value out where it is used")
        if getattr(event, "tag", None) not in (None, "!"):
            raise ConfigError(f"{place}: a tag (!name) is not read; write the value without it, or put text in quotes")
        if self.depth >= DEEPEST:
            raise ConfigError(f"{place}: nested deeper than {DEEPEST} levels")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _sentence(path: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line = f":{mark.line + 1}" if mark is not None else ""
    problem = error.problem or "it is not YAML"
    told = f"{error.context} {problem}"
    plainly = next((words for sign, words in _PLAINLY.items() if sign in told), _QUOTED.sub("...", problem))
    return f"{path}{line}: not readable as YAML: {plainly}"


def _item(node: yaml.Node, path: str, environ: Mapping[str, str]) -> Item:
    place = f"{path}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.ScalarNode):
        shown = _whole(node.value, place)
        return Item(place=place, text=_filled(shown, place, environ), quoted=node.style is not None, shown=shown)
    if isinstance(node, yaml.SequenceNode):
        return Item(place=place, items=tuple(_item(child, path, environ) for child in node.value))
    return Item(place=place, pairs=tuple(_pairs(node, path, environ)))


def _pairs(node: yaml.Node, path: str, environ: Mapping[str, str]) -> Iterator[tuple[Item, Item]]:
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError(f"{path}:{line}: a key must be text")
        word = _whole(key_node.value, f"{path}:{line}")
        if word in seen:
            raise ConfigError(f"{path}:{line}: {word!r} is said twice; line {seen[word]} has it already")
        seen[word] = line
        key = Item(place=f"{path}:{line}", text=word, quoted=True, shown=word)
        yield key, _item(value_node, path, environ)


def _whole(text: str, place: str) -> str:
    """Return `text` with each escaped surrogate pair joined to one character, as in JSON."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise ConfigError(f"{place}: half of a surrogate pair (\\ud800 to \\udfff) is no character") from None


def _filled(text: str, place: str, environ: Mapping[str, str]) -> str:
    """Return `text` with `${NAME}` replaced. A value from the environment is not searched again."""
    parts: list[str] = []
    rest = text
    while (at := rest.find("${")) >= 0:
        if at and rest[at - 1] == "$":
            parts.append(rest[: at - 1] + "${")
            rest = rest[at + 2 :]
            continue
        name, brace, after = rest[at + 2 :].partition("}")
        if not brace or not _NAME.fullmatch(name):
            # the text there is not repeated: it may be part of a password
            raise ConfigError(
                f"{place}: a '${{' that begins no ${{NAME}} of an environment variable; for the text write $${{"
            )
        if name not in environ:
            raise ConfigError(f"{place}: the environment variable {name} is not set")
        parts += [rest[:at], environ[name]]
        rest = after
    return "".join([*parts, rest])


def from_json(value: Any, place: str = "") -> Item:
    """Return a JSON value (no floats) as the item that reads back as the same value."""
    if isinstance(value, Mapping):
        pairs = ((from_json(str(key), place), from_json(item, place)) for key, item in value.items())
        return Item(place=place, pairs=tuple(pairs))
    if isinstance(value, list | tuple):
        return Item(place=place, items=tuple(from_json(item, place) for item in value))
    if isinstance(value, str):
        return Item(place=place, text=value, quoted=True, shown=value)
    if value is None:
        return Item(place=place, text="null", shown="null")
    if isinstance(value, int):
        text = str(value).lower()  # True as well
        return Item(place=place, text=text, shown=text)
    raise Item(place=place).error(f"{type(value).__name__} is no type of an option")
