"""Reads PostgreSQL's catalogue under `search_path = ''`, so that every user-defined type comes with its schema."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from trueup.engines._catalogue import Outline, Place, names, resolve, sql_table, table_of
from trueup.engines._own_triggers import names_guard
from trueup.engines.postgresql import queries as ask
from trueup.engines.postgresql.rights import obstacles, unseen
from trueup.engines.postgresql.types import INTEGERS, numbers, type_of
from trueup.errors import UsageError
from trueup.sql.tables import Column, Family, LooseRule, Reference, Storage, Table

EXACT_ROWS = 100_000
_NAMING = "trueup_naming"
UNCOUNTED = "a rule of it calls a function, and with track_counts off nothing tells what that writes"

_ACTIONS = {"a": "", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_PATH = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,"]+?))\s*(?:,|$)')
_SPELLED = re.compile(r'"((?:[^"]|"")+)"\."((?:[^"]|"")+)"')


def known(connection: Connection, journal: str) -> tuple[dict[str, Place], list[str]]:
    """Return all application tables by name, and the names of those that are not partitions."""
    default = naming(connection)
    rows = connection.execute(ask.TABLES, {"journal": journal}).all()
    parts = {(row.schema, row.name) for row in rows if row.part}
    found = names(((row.schema, row.name) for row in rows), default)
    return found, [name for name, place in found.items() if place not in parts]


def naming(connection: Connection) -> str:
    """Return the schema that an unqualified table name means.

    It is the one that `name_by` set, else the first existing schema of the `search_path`.
    """
    said: str | None = connection.info.get(_NAMING)
    if said:
        return said
    about = connection.execute(ask.SCHEMAS).one()
    return next((schema for schema in _path(about.path, about.me) if schema in about.schemas), "public")


def name_by(connection: Connection, schema: str) -> None:
    """Make unqualified names mean tables of `schema`, whatever the `search_path` is."""
    connection.info[_NAMING] = schema


def _path(setting: str | None, me: str) -> list[str]:
    """Return the schemas of a `search_path` as the server reads it: an unquoted name is folded to lower case."""
    parts = _PATH.findall("public" if setting is None else setting)
    spelled = [quoted.replace('""', '"') or bare.lower() for quoted, bare in parts]
    return [me if schema == "$user" else schema for schema in spelled if schema]


def spelled(place: Place) -> str:
    """Return the quoted `"schema"."table"`, unambiguous whatever the `search_path`."""
    return ".".join('"' + str(part).replace('"', '""') + '"' for part in place)


def stamp(connection: Connection, tables: Sequence[Table]) -> str:
    """Return a digest of the shape of `tables` in the catalogue."""
    return str(connection.execute(ask.STAMP, {"oids": [int(table.identity) for table in tables]}).scalar_one())


def loose_rules(connection: Connection, table: Table) -> list[LooseRule]:
    """See `Dialect.loose_rules`."""
    rows = connection.execute(ask.LOOSE, {"oid": int(table.identity)})
    return [
        LooseRule(row.name, tuple(row.columns), row.condition or "") for row in rows if not names_guard(str(row.name))
    ]


def table(connection: Connection, journal: str, name: str) -> Table:
    """Read one table by its name or by `"schema"."name"`. Raises `UsageError` when there is none."""
    places, _ = known(connection, journal)
    if name not in places and (parts := _SPELLED.fullmatch(name)):
        return at(connection, journal, (parts[1].replace('""', '"'), parts[2].replace('""', '"')), places)
    return at(connection, journal, places[resolve(places, name)], places)


def at(connection: Connection, journal: str, place: Place, places: Mapping[str, Place] | None = None) -> Table:
    """Read the table with this schema and name, as the catalogue writes them. Raises `UsageError` when it is gone."""
    if places is None:
        places, _ = known(connection, journal)
    about = connection.execute(ask.CLASS, {"schema": place[0], "name": place[1]}).one_or_none()
    if about is None:
        raise UsageError(f"there is no table {spelled(place)} any more")
    mine = {"oid": about.oid}
    raw = [dict(row._mapping) for row in connection.execute(ask.COLUMNS, mine)]
    references = connection.execute(ask.REFERENCES, mine).all()
    triggers = connection.execute(ask.TRIGGERS, mine).all()
    rules = [[row.name, row.text] for row in connection.execute(ask.RULES, mine)]
    indexes = connection.execute(ask.INDEXES, mine).all()
    constraints = connection.execute(ask.CONSTRAINTS, mine).all()
    types = connection.execute(ask.TYPES, {"oids": [about.oid]}).all()
    calls = connection.execute(ask.CALLS, {"oids": [about.oid]}).one()
    named = [(_reference(row, places), row) for row in references]
    found = _outline(_displayed(places, place), place, raw, indexes, named)
    readable = about.reached and not about.hidden and any(row["readable"] for row in raw)
    return table_of(
        found,
        [_column(row, row["name"] in calls.naming) for row in raw],
        # 0.1 is not the same number in every place that reads it
        usable=lambda column: column.family not in ("float", "json"),
        obstacles=[
            *obstacles(spelled(place), about, raw, triggers, [name for name, _ in rules]),
            *([UNCOUNTED] if calls.calls and not calls.counted else []),
        ],
        calls_functions=calls.calls,
        # what comes with the server and is called immutable is
        computed={row["name"]: frozenset() for row in raw if row["generated"] and calls.calls},
        inherited=about.kind != "p" and bool(about.children),
        unseen=[clause for row in references if row.inward for clause in unseen(row)],
        identity=str(about.oid),
        rows=_rows(connection, sql_table(found), float(about.reltuples), readable),
        more={
            "engine": "postgresql",
            "kind": about.kind + about.persistence,
            "partition": [about.bound, list(about.parents)],
            "children": list(about.children),
            "row_security": [about.secured, about.forced],
            "policies": [list(row) for row in connection.execute(ask.POLICIES, mine)],
            "triggers": [[row.name, row.text, row.enabled, row.body, row.settings] for row in triggers],
            "rules": rules,
            "expressions": [[row["name"], row["expression"]] for row in raw if row["generated"]],
            "identity_columns": [[row["name"], row["identity"]] for row in raw if row["identity"]],
            "checks": [[row.name, row.text, row.validated] for row in constraints if row.kind in ("c", "x")],
            "keys": [[row.name, row.text] for row in constraints if row.kind in ("p", "u")],
            "unique_indexes": sorted(row.text for row in indexes if row.is_unique),
            **_types_of(types),
            # by place, not by a name that the search_path lends
            "references": sorted(_fact(row) for row in references if row.outward),
            "referenced_by": sorted(_fact(row) for row in references if row.inward),
        },
    )


def _types_of(types: Sequence[Any]) -> dict[str, Any]:
    """Return the user-defined types that the columns have."""
    return {
        "enums": [[row.name, list(row.labels)] for row in types if row.kind == "e"],
        "labels": [
            [row.number, [list(one) for one in zip(row.label_numbers, row.labels, strict=True)]]
            for row in types
            if row.kind == "e"
        ],
        "composites": [[row.name, list(row.columns), list(row.attributes)] for row in types if row.kind == "c"],
        "domains": [[row.name, row.required, list(row.rules)] for row in types if row.kind == "d"],
    }


def _displayed(places: Mapping[str, Place], place: Place) -> str:
    return next((name for name, one in places.items() if one == place), spelled(place))


def _fact(row: Any) -> list[Any]:
    child, parent = spelled((row.child_schema, row.child)), spelled((row.parent_schema, row.parent))
    return [row.name, child, list(row.columns), parent, list(row.parent_columns), row.text, row.valid and row.checked]


def _column(row: Mapping[str, Any], naming: bool) -> Column:
    base, category = row["base"], row["category"]
    storage: Storage | None = base if base in ("json", "jsonb") else None
    return Column(
        name=row["name"],
        ddl=row["type"] + (f" COLLATE {row['collation']}" if row["collation"] else ""),
        nullable=not row["required"],
        family=_family(base, row["kind"], category),
        storage=storage,
        generated=bool(row["generated"]),
        has_default=bool(row["identity"]) or (row["has_default"] and not row["generated"]),
        numeric=base in {*INTEGERS, "numeric", "float4", "float8"},
        integer=base in INTEGERS,
        temporal=category == "D" and base != "timetz",  # which has no date, and to_char() takes none
        boolean=base == "bool",
        identity=row["number"],
        base="" if row["base_type"] == row["type"] else row["base_type"],
        naming=naming and not numbers(row["base_type"]),
    )


def _family(base: str, kind: str, category: str) -> Family:
    exact: dict[str, Family] = {
        "json": "json",
        "jsonb": "json",
        "bytea": "binary",
        "float4": "float",
        "float8": "float",
        "bit": "bit",
        "varbit": "bit",
    }
    if base in exact:
        return exact[base]
    if kind == "e":
        return "enum"
    return "text" if category == "S" else "plain"


def _outline(
    name: str,
    place: Place,
    raw: Sequence[Mapping[str, Any]],
    rows: Sequence[Any],
    references: Sequence[tuple[Reference, Any]],
) -> Outline:
    indexes = [(tuple(row.columns), row) for row in rows if row.plain and row.columns]
    unique = [(columns, row) for columns, row in indexes if row.is_unique and not row.is_primary]
    return Outline(
        name=name,
        place=place,
        columns=tuple(raw),
        types={row["name"]: type_of(row) for row in raw},
        primary=next((columns for columns, row in indexes if row.is_primary), ()),
        uniques=tuple(sorted({columns for columns, row in unique if row.apart})),
        indexes=tuple(sorted({columns for columns, _ in indexes})),
        references=tuple(reference for reference, row in references if row.outward),
        referenced_by=tuple(reference for reference, row in references if row.inward),
    )


def _reference(row: Any, places: Mapping[str, Place]) -> Reference:
    return Reference(
        name=row.name,
        table=_displayed(places, (row.child_schema, row.child)),
        columns=tuple(row.columns),
        parent=_displayed(places, (row.parent_schema, row.parent)),
        parent_columns=tuple(row.parent_columns),
        on_delete=_ACTIONS.get(row.on_delete, row.on_delete),
        on_update=_ACTIONS.get(row.on_update, row.on_update),
        enforced=row.valid and row.checked,  # NOT VALID lets the rows be that were broken before
        checked=row.checked,
        equality=not row.period,
    )


def _rows(connection: Connection, relation: sa.Table, estimate: float, readable: bool) -> int:
    if estimate > EXACT_ROWS or not readable:
        return max(int(estimate), 0)
    some = sa.select(sa.literal_column("1")).select_from(relation).limit(EXACT_ROWS + 1).subquery("trueup_some")
    return int(connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0)
