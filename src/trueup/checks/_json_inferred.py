"""Infers a schema from a sample of documents: the keys and types that nearly all of them have."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, select

from trueup.check import Database
from trueup.checks._json_schema import kinds
from trueup.sql.tables import Column, Table

#: Documents read from either end of the table, and characters of the longest that is read.
_SAMPLE, _LONGEST = 1000, 10_000
#: Objects that say enough, and the share of them that makes a rule.
_ENOUGH, _NEARLY_ALL = 20, 0.95
#: The share of documents that must be objects, and that the values of a column must explain.
_MOST = 0.9
#: From this share on JSON null is taken to be meant, and a key is worth a word.
_MEANT, _COMMON = 0.01, 0.05
#: More keys than this are not keys but data; so are more values of a column than this.
_KEYS, _VALUES = 40, 12
_DEPTH = 3

Schema = dict[str, Any]


def inferred(database: Database, table: Table, column: Column) -> tuple[str, Mapping[str, Schema]] | None:
    """The column that selects the schema (empty: there is one schema), and the schemas by its values."""
    names = [one.name for one in table.stored() if _tells(one, table) and one.name != column.name]
    rows = _sample(database, table, column, names)
    objects = [(document, values) for document, values in rows if isinstance(document, dict)]
    if len(objects) < _ENOUGH or len(objects) < _MOST * len(rows):
        return None
    plain = _schema([document for document, _ in objects])
    best, chosen = len(plain.get("required", ())) + 1.0, ("", {"": plain})
    for place, name in enumerate(names):
        groups = _groups(objects, place)
        schemas = {value: _schema(documents) for value, documents in groups.items()}
        told = sum(len(schema.get("required", ())) * len(groups[value]) for value, schema in schemas.items())
        covered = sum(map(len, groups.values()))
        # each value must say at least one key more, on the average, than no value would
        if len(schemas) > 1 and covered >= _MOST * len(objects) and told / covered >= best:
            best, chosen = told / covered, (name, {value: one for value, one in schemas.items() if one})
    return chosen if any("required" in schema for schema in chosen[1].values()) else None


def _tells(column: Column, table: Table) -> bool:
    return column.family in ("text", "enum") and not column.storage and column.name not in table.key


def _sample(
    database: Database, table: Table, column: Column, names: Sequence[str]
) -> list[tuple[Any, tuple[str | None, ...]]]:
    """Documents of the oldest and of the newest rows, each with the values of `names`."""
    row = database.row(table.name)
    value = cast(row[column.name], Text)
    others = [row.dialect.preview(row.column(name), row[name]) for name in names]
    wanted = select(value, *others).select_from(row.relation)
    wanted = wanted.where(row[column.name].is_not(None), func.char_length(value) <= _LONGEST)
    key: list[ColumnElement[Any]] = [row[name] for name in table.key]
    found = list(database.ask(wanted.order_by(*key).limit(_SAMPLE)))
    if key and len(found) == _SAMPLE:
        found += database.ask(wanted.order_by(*(part.desc() for part in key)).limit(_SAMPLE))
    return [(_parsed(text), tuple(values)) for text, *values in found]


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _groups(objects: Iterable[tuple[Any, tuple[str | None, ...]]], place: int) -> Mapping[str, list[Any]]:
    """Documents grouped by a column, without small groups; empty when the column has too many values."""
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for document, values in objects:
        value = values[place]
        if value and value.isprintable() and value != "default":
            groups[value].append(document)
    if len(groups) > _VALUES:
        return {}
    return {value: documents for value, documents in sorted(groups.items()) if len(documents) >= _ENOUGH}


def _schema(objects: Sequence[Mapping[str, Any]], depth: int = 1) -> Schema:
    """The schema of nearly all of `objects`; empty when their keys are data and not names."""
    seen = Counter(key for one in objects for key in one)
    if len(seen) > _KEYS or not all(key.isprintable() for key in seen):
        return {}
    common = [key for key, count in seen.items() if count >= _COMMON * len(objects)]
    if len(common) < len(seen) / 2:
        return {}
    required = [key for key in common if seen[key] >= _NEARLY_ALL * len(objects)]
    told = {key: _told([one[key] for one in objects if key in one], depth) for key in common}
    properties = {key: schema for key, schema in told.items() if schema}
    found: Schema = {"required": sorted(required)} if required else {}
    return {**found, "properties": properties} if properties else found


def _told(values: Sequence[Any], depth: int) -> Schema:
    """The schema of the values at one key."""
    if len(values) < _ENOUGH:
        return {}
    seen = Counter(next(_kinds(value)) for value in values)
    types = _types(seen, len(values))
    if not types:
        return {}
    schema: Schema = {"type": types[0] if len(types) == 1 else types}
    objects = [value for value in values if isinstance(value, dict)]
    if "object" in types and depth < _DEPTH and len(objects) >= _ENOUGH:
        schema |= _schema(objects, depth + 1)
    return schema


def _kinds(value: Any) -> Iterator[str]:
    # the narrowest first: `integer` before `number`
    yield from reversed(list(kinds(value)))


def _types(seen: Counter[str], count: int) -> list[str]:
    """The type of nearly all values, with `null` if that is common; empty for a mixture."""
    found = Counter(seen)
    if "number" in found:
        found["number"] += found.pop("integer", 0)
    nulls = found.pop("null", 0)
    if not found:
        return []
    usual, most = found.most_common(1)[0]
    if most < _NEARLY_ALL * (count - nulls) or most < _ENOUGH:
        return []
    return [usual, "null"] if nulls >= _MEANT * count else [usual]
