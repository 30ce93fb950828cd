"""Reads what every engine's catalogue has in common: names, keys, references, and the SQLAlchemy table."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SAWarning
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.types import NullType, TypeEngine

from trueup.errors import UsageError
from trueup.sql.tables import Column, Reference, Table

#: Schema (None where the connection has only one) and name of a table, in the catalogue's words.
Place = tuple[str | None, str]


def names(places: Iterable[Place], default: str | None = None) -> dict[str, Place]:
    """Map the name that a reader uses to each place: unqualified in the `default` schema, else `schema.table`.

    When an unqualified name holds a dot and so reads like another table's, the other one is `"schema"."table"`.
    """
    known: dict[str, Place] = {}
    foreign: list[tuple[str, str]] = []
    for schema, table in sorted(places, key=lambda place: (place[0] or "", place[1])):
        if schema is None or schema == default:
            known[table] = (schema, table)
        else:
            foreign.append((schema, table))
    for schema, table in foreign:
        name = f"{schema}.{table}"
        known[name if name not in known else f'"{schema}"."{table}"'] = (schema, table)
    return known


def resolve(known: Mapping[str, Place], name: str) -> str:
    """Return the one name in `known` that `name` means: itself, else the one with this `schema.table`.

    Raises `UsageError` that names the nearest tables when there is none.
    """
    if name in known:
        return name
    full = [key for key, (schema, table) in known.items() if schema is not None and f"{schema}.{table}" == name]
    if len(full) == 1:
        return full[0]
    near = get_close_matches(name, known, 3) or [key for key in known if key.casefold() == name.casefold()]
    near = near or [key for key in known if key.rpartition(".")[2] == name]
    if near:
        raise UsageError(f"there is no table {name!r}; did you mean {' or '.join(repr(key) for key in near)}?")
    some = ", ".join(list(known)[:10])
    raise UsageError(f"there is no table {name!r}; " + (f"there is {some}" if some else "the database has no tables"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """One table as SQLAlchemy's inspector reflects it. `types` is by column name, NullType for an unknown type."""

    name: str
    place: Place
    columns: tuple[Mapping[str, Any], ...]
    types: Mapping[str, TypeEngine[Any]]
    primary: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...]
    indexes: tuple[tuple[str, ...], ...]
    references: tuple[Reference, ...]
    referenced_by: tuple[Reference, ...]


def outline(
    connection: sa.Connection,
    known: Mapping[str, Place],
    name: str,
    *,
    uniques: Iterable[Sequence[str]] | None = None,
    references: Iterable[Reference] | None = None,
    referenced_by: Iterable[Reference] | None = None,
    enforced: bool = True,
) -> Outline:
    """Reflect the table that `name` means in `known`.

    A dialect with better knowledge passes `uniques` or the references; `enforced` is set on the declared references.
    Raises `UsageError` when there is no such table.
    """
    name = resolve(known, name)
    schema, table = known[name]
    inspector = sa.inspect(connection)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # a type, an index or a default that SQLAlchemy has no class for
        columns = inspector.get_columns(table, schema)
        primary = inspector.get_pk_constraint(table, schema)
        indexes = inspector.get_indexes(table, schema)
        constraints = inspector.get_unique_constraints(table, schema) if uniques is None else []
        if references is None:
            references = _outward(inspector, known, name, enforced)
        if referenced_by is None:
            referenced_by = _inward(inspector, known, name, enforced)
    whole = [entry for entry in indexes if _whole(entry)]
    if uniques is None:
        uniques = [_columns(entry) for entry in constraints] + [_columns(entry) for entry in whole if entry["unique"]]
    return Outline(
        name=name,
        place=(schema, table),
        columns=tuple(dict(column) for column in columns),
        types={column["name"]: column["type"] for column in columns},
        primary=tuple(primary.get("constrained_columns", ())),
        uniques=_distinct(uniques),
        indexes=_distinct(_columns(entry) for entry in whole),
        references=tuple(references),
        referenced_by=tuple(referenced_by),
    )


def _whole(index: Mapping[str, Any]) -> bool:
    """Whether an index covers every row by plain columns: partial and expression indexes prove nothing."""
    partial = any(key.endswith("_where") for key in index.get("dialect_options") or {})
    return not partial and "expressions" not in index and all(index["column_names"])


def _columns(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(column) for column in entry["column_names"])


def _distinct(lists: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted({tuple(columns) for columns in lists if columns}))


def _outward(inspector: sa.Inspector, known: Mapping[str, Place], name: str, enforced: bool) -> list[Reference]:
    schema, table = known[name]
    keys = inspector.get_foreign_keys(table, schema)
    return [_reference(key, known, name, enforced) for key in keys]


def _inward(inspector: sa.Inspector, known: Mapping[str, Place], name: str, enforced: bool) -> list[Reference]:
    back = {place: key for key, place in known.items()}
    found = []
    for schema in sorted({schema or "" for schema, _ in known.values()}):
        for (_, table), keys in inspector.get_multi_foreign_keys(schema=schema or None).items():
            child = back.get((schema or None, table))
            if child is not None:
                found += [_reference(key, known, child, enforced) for key in keys]
    return [reference for reference in found if reference.parent == name]


def _reference(key: Mapping[str, Any], known: Mapping[str, Place], child: str, enforced: bool) -> Reference:
    schema = known[child][0] if key["referred_schema"] is None else key["referred_schema"]
    back = {place: name for name, place in known.items()}
    parent = back.get((schema, key["referred_table"]))
    if parent is None:  # outside of what is listed: a partition, another database, a table that is gone
        parent = ".".join(part for part in (schema, key["referred_table"]) if part)
    options = key.get("options") or {}
    return Reference(
        name=key["name"] or "",
        table=child,
        columns=tuple(key["constrained_columns"]),
        parent=parent,
        parent_columns=tuple(key["referred_columns"]),
        on_delete=str(options.get("ondelete") or ""),
        on_update=str(options.get("onupdate") or ""),
        enforced=enforced,
    )


def key_of(found: Outline, columns: Mapping[str, Column], usable: Callable[[Column], bool]) -> tuple[str, ...]:
    """Return the primary key, else the unique key that identifies a row; empty when there is none.

    Only columns that are `usable` count and, outside of a primary key, that are NOT NULL. Of several unique keys the
    shortest is taken, then the one of integers, then the first by name, so that the choice is always the same.
    """
    if found.primary and all(usable(columns[name]) for name in found.primary):
        return found.primary
    fit = [
        unique
        for unique in found.uniques
        if all(name in columns and not columns[name].nullable and usable(columns[name]) for name in unique)
    ]
    return min(fit, key=lambda key: (len(key), not all(columns[n].integer for n in key), key), default=())


def sql_table(found: Outline, types: Mapping[str, TypeEngine[Any]] | None = None) -> sa.Table:
    """Return a SQLAlchemy table in its own `MetaData`, with every name quoted as the catalogue has it.

    `types` replaces reflected types by column name. Foreign keys and defaults are left out: statements need neither.
    """
    chosen = {**found.types, **(types or {})}
    schema, table = found.place
    return sa.Table(
        quoted_name(table, quote=True),
        sa.MetaData(),
        *(
            sa.Column(quoted_name(column["name"], quote=True), chosen.get(column["name"], NullType()), quote=True)
            for column in found.columns
        ),
        schema=None if schema is None else quoted_name(schema, quote=True),
    )


def facts_of(found: Outline, columns: Iterable[Column], **more: Any) -> dict[str, Any]:
    """Return the facts that a schema digest covers, as JSON without floats; `more` are the engine's own."""

    def flat(reference: Reference) -> list[Any]:
        return [
            reference.name,
            reference.table,
            list(reference.columns),
            reference.parent,
            list(reference.parent_columns),
            reference.on_delete,
            reference.on_update,
            reference.enforced,
            reference.equality,
        ]

    return {
        "columns": [
            [c.name, c.ddl, c.nullable, c.generated, c.auto_update, c.has_default, c.identity] for c in columns
        ],
        "primary": list(found.primary),
        "uniques": [list(unique) for unique in found.uniques],
        "indexes": [list(index) for index in found.indexes],
        "references": sorted(flat(reference) for reference in found.references),
        "referenced_by": sorted(flat(reference) for reference in found.referenced_by),
        **more,
    }


def table_of(
    found: Outline,
    columns: Iterable[Column],
    *,
    usable: Callable[[Column], bool],
    types: Mapping[str, TypeEngine[Any]] | None = None,
    obstacles: Sequence[str] = (),
    unseen: Sequence[str] = (),
    calls_functions: bool = False,
    inherited: bool = False,
    unheld: str = "",
    computed: Mapping[str, frozenset[str]] | None = None,
    bent: Mapping[str, frozenset[str]] | None = None,
    identity: str = "",
    rows: int = 0,
    more: Mapping[str, Any] | None = None,
) -> Table:
    """Build a `Table`; `more` are the engine's own facts for the schema digest."""
    by_name = {column.name: column for column in columns}
    return Table(
        name=found.name,
        sql=sql_table(found, types),
        columns=by_name,
        key=key_of(found, by_name, usable),
        references=found.references,
        referenced_by=found.referenced_by,
        uniques=found.uniques,
        indexes=found.indexes,
        obstacles=tuple(obstacles),
        unseen=tuple(unseen),
        calls_functions=calls_functions,
        inherited=inherited,
        unheld=unheld,
        computed=computed or {},
        bent=bent or {},
        rows=rows,
        place=found.place,
        identity=identity,
        facts=facts_of(found, by_name.values(), place=list(found.place), identity=identity, **(more or {})),
    )
