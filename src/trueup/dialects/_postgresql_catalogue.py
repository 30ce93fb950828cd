"""PostgreSQL's catalogue, read under `search_path = ''` so that every type of a user is qualified."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeEngine

from trueup.dialects._catalogue import Outline, Place, names, resolve, sql_table, table_of
from trueup.tables import Column, Family, Reference, Storage, Table

EXACT_ROWS = 100_000
_SHORTENED = re.compile(r"(character varying|bit varying|bit)\(\d+\)((?:\[\])*)")

_TABLES = sa.text(
    "SELECT n.nspname::text AS schema, c.relname::text AS name, c.relispartition AS part FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
    " AND left(n.nspname, 3) <> 'pg_' AND n.nspname NOT IN ('information_schema', :journal)"
    " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = CAST('pg_class' AS regclass) AND d.objid = c.oid"
    " AND d.deptype = 'e')"
)
_SCHEMAS = sa.text(
    "SELECT (SELECT s.reset_val FROM pg_settings s WHERE s.name = 'search_path') AS path, CAST(current_user AS text)"
    " AS me, ARRAY(SELECT CAST(nspname AS text) FROM pg_namespace) AS schemas"
)
_CLASS = sa.text(
    "SELECT CAST(c.oid AS bigint) AS oid, CAST(c.relkind AS text) AS kind, c.reltuples, c.relrowsecurity AS secured,"
    " c.relforcerowsecurity AS forced, row_security_active(c.oid) AS hidden, CAST(c.relpersistence AS text) AS"
    " persistence, ARRAY(SELECT CAST(CAST(i.inhrelid AS regclass) AS text) FROM pg_inherits i"
    " WHERE i.inhparent = c.oid ORDER BY 1) AS children, ARRAY(SELECT CAST(r.rulename AS text) FROM pg_rewrite r"
    " WHERE r.ev_class = c.oid ORDER BY 1) AS rules FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = :schema AND c.relname = :name"
)
_COLUMNS = sa.text(
    "WITH RECURSIVE based AS (SELECT t.oid AS start, t.oid, t.typtype, t.typbasetype, t.typnotnull FROM pg_type t"
    " WHERE t.oid IN (SELECT atttypid FROM pg_attribute WHERE attrelid = :oid) UNION ALL"
    " SELECT b.start, t.oid, t.typtype, t.typbasetype, b.typnotnull OR t.typnotnull FROM based b"
    " JOIN pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd')"
    " SELECT CAST(a.attname AS text) AS name, format_type(a.atttypid, a.atttypmod) AS type,"
    " a.attnotnull OR b.typnotnull AS required, CAST(a.attgenerated AS text) AS generated,"
    " CAST(a.attidentity AS text) AS identity, a.atthasdef AS has_default,"
    " pg_get_expr(d.adbin, d.adrelid) AS expression,"
    " CAST(t.typname AS text) AS base, CAST(t.typtype AS text) AS kind, CAST(t.typcategory AS text) AS category,"
    " CAST(tn.nspname AS text) AS base_schema, CASE WHEN a.attcollation <> own.typcollation THEN"
    " quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END AS collation,"
    " CASE WHEN a.attcollation <> own.typcollation AND cn.nspname = 'pg_catalog' THEN CAST(co.collname AS text) END"
    " AS collation_name FROM pg_attribute a JOIN pg_type own ON own.oid = a.atttypid"
    " JOIN based b ON b.start = a.atttypid AND b.typtype <> 'd' JOIN pg_type t ON t.oid = b.oid"
    " JOIN pg_namespace tn ON tn.oid = t.typnamespace LEFT JOIN pg_collation co ON co.oid = a.attcollation"
    " LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace"
    " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE a.attrelid = :oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)
_INDEXES = sa.text(
    "SELECT i.indisunique AS is_unique, i.indisprimary AS is_primary, ARRAY(SELECT CAST(a.attname AS text)"
    " FROM unnest(CAST(i.indkey AS int2[])) WITH ORDINALITY AS k (number, position) JOIN pg_attribute a"
    " ON a.attrelid = i.indrelid AND a.attnum = k.number WHERE k.position <= i.indnkeyatts ORDER BY k.position)"
    " AS columns FROM pg_index i WHERE i.indrelid = :oid AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL"
)
_REFERENCES = sa.text(
    "SELECT CAST(c.conname AS text) AS name, CAST(cn.nspname AS text) AS child_schema,"
    " CAST(ct.relname AS text) AS child,"
    " CAST(pn.nspname AS text) AS parent_schema, CAST(pt.relname AS text) AS parent, c.conrelid = :oid AS outward,"
    " c.confrelid = :oid AND c.conparentid = 0 AS inward, CAST(c.confdeltype AS text) AS on_delete,"
    " CAST(c.confupdtype AS text) AS on_update, c.convalidated AND coalesce(CAST(to_jsonb(c) ->> 'conenforced' AS"
    " boolean), true) AS valid, ARRAY(SELECT CAST(a.attname AS text) FROM unnest(c.conkey) WITH ORDINALITY AS"
    " k (number, position) JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.position)"
    " AS columns, ARRAY(SELECT CAST(a.attname AS text) FROM unnest(c.confkey) WITH ORDINALITY AS k (number, position)"
    " JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number ORDER BY k.position) AS parent_columns"
    " FROM pg_constraint c JOIN pg_class ct ON ct.oid = c.conrelid JOIN pg_namespace cn ON cn.oid = ct.relnamespace"
    " JOIN pg_class pt ON pt.oid = c.confrelid JOIN pg_namespace pn ON pn.oid = pt.relnamespace"
    " WHERE c.contype = 'f' AND (c.conrelid = :oid OR c.confrelid = :oid) ORDER BY c.conname, ct.oid"
)
_TRIGGERS = sa.text(
    "SELECT CAST(tgname AS text) AS name, pg_get_triggerdef(oid) AS text,"
    " CAST(tgenabled AS text) AS enabled FROM pg_trigger WHERE tgrelid = :oid AND NOT tgisinternal ORDER BY tgname"
)
_CHECKS = sa.text(
    "SELECT CAST(conname AS text), pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = :oid"
    " AND contype IN ('c', 'x') ORDER BY conname"
)
_STAMP = sa.text(
    "WITH mine AS (SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE (n.nspname, c.relname)"
    " IN (SELECT * FROM unnest(CAST(:schemas AS text[]), CAST(:tables AS text[])))), facts AS ("
    "SELECT CAST(row(c.oid, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity) AS text) AS fact FROM mine c"
    " UNION ALL SELECT CAST(row(a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attgenerated,"
    " a.attidentity, a.attcollation, a.attisdropped) AS text) FROM pg_attribute a WHERE a.attnum > 0"
    " AND a.attrelid IN (SELECT oid FROM mine) UNION ALL SELECT CAST(row(c.oid, c.conname, pg_get_constraintdef(c.oid))"
    " AS text) FROM pg_constraint c WHERE c.conrelid IN (SELECT oid FROM mine) OR c.confrelid IN (SELECT oid FROM mine)"
    " UNION ALL SELECT CAST(row(t.oid, t.tgenabled, pg_get_triggerdef(t.oid)) AS text) FROM pg_trigger t"
    " WHERE NOT t.tgisinternal AND t.tgrelid IN (SELECT oid FROM mine) UNION ALL"
    " SELECT CAST(row(i.indexrelid, pg_get_indexdef(i.indexrelid)) AS text) FROM pg_index i"
    " WHERE i.indisunique AND i.indrelid IN (SELECT oid FROM mine) UNION ALL"
    " SELECT CAST(row(r.oid, pg_get_ruledef(r.oid)) AS text) FROM pg_rewrite r"
    " WHERE r.ev_class IN (SELECT oid FROM mine) UNION ALL"
    " SELECT CAST(row(i.inhparent, i.inhrelid) AS text) FROM pg_inherits i WHERE i.inhparent IN (SELECT oid FROM mine))"
    " SELECT encode(sha256(convert_to(coalesce(string_agg(fact, '|' ORDER BY fact COLLATE \"C\"), ''), 'UTF8')), 'hex')"
    " FROM facts"
).bindparams(sa.bindparam("schemas", type_=ARRAY(sa.Text)), sa.bindparam("tables", type_=ARRAY(sa.Text)))

_ACTIONS = {"a": "", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_INTEGERS = {"int2", "int4", "int8"}

_TYPES: Mapping[str, TypeEngine[Any]] = {
    # as wide as can be: a bound of 10**12 must compare with an int4 instead of failing
    **dict.fromkeys(_INTEGERS, sa.BigInteger()),
    "numeric": sa.Numeric(),
    "float4": sa.Double(),
    "float8": sa.Double(),
    "bool": sa.Boolean(),
    "date": sa.Date(),
    "timestamp": sa.DateTime(),
    "timestamptz": sa.DateTime(timezone=True),
    "time": sa.Time(),
    "uuid": sa.Uuid(as_uuid=False),
    "bytea": sa.LargeBinary(),
}


class Verbatim(sa.types.UserDefinedType[Any]):
    """A type by the text of the catalogue; its values are never decoded by the driver.

    `equals` is the schema of its `=` where that is not `pg_catalog`: under an empty `search_path` it would
    not be found, and `citext` would be compared as text, without its index.
    """

    cache_ok = True
    render_bind_cast = True

    def __init__(self, ddl: str, equals: str = "") -> None:
        self.ddl = ddl
        self.equals = equals

    def get_col_spec(self, **_: Any) -> str:
        """The text itself."""
        return self.ddl

    class Comparator(sa.types.UserDefinedType.Comparator[Any]):
        """Says where `=` is to be found."""

        def operate(self, op: operators.OperatorType, *other: Any, **kwargs: Any) -> sa.ColumnElement[Any]:
            """`=` by its schema, all else as usual."""
            equals = getattr(self.type, "equals", "")
            if op is operators.eq and equals and other[0] is not None:
                quoted = equals.replace('"', '""')
                return self.expr.op(f'OPERATOR("{quoted}".=)', is_comparison=True, return_type=sa.Boolean())(other[0])
            return super().operate(op, *other, **kwargs)

    comparator_factory = Comparator


def known(connection: Connection, journal: str) -> tuple[dict[str, Place], list[str]]:
    """The tables of the application by name, and the names of those that are no partitions."""
    about = connection.execute(_SCHEMAS).one()
    path = [part.strip().strip('"').replace("$user", about.me) for part in str(about.path or "public").split(",")]
    default = next((schema for schema in path if schema in about.schemas), "public")
    rows = connection.execute(_TABLES, {"journal": journal}).all()
    parts = {(row.schema, row.name) for row in rows if row.part}
    found = names(((row.schema, row.name) for row in rows), default)
    return found, [name for name, place in found.items() if place not in parts]


def stamp(connection: Connection, tables: Sequence[Table]) -> str:
    """A digest of the shape of `tables` as the catalogue holds it."""
    places = {
        "schemas": [str(table.sql.schema) for table in tables],
        "tables": [str(table.sql.name) for table in tables],
    }
    return str(connection.execute(_STAMP, places).scalar_one())


def table(connection: Connection, journal: str, name: str) -> Table:
    """Read one table. Raises `UsageError` when there is none."""
    places, _ = known(connection, journal)
    name = resolve(places, name)
    schema, bare = places[name]
    about = connection.execute(_CLASS, {"schema": schema, "name": bare}).one()
    mine = {"oid": about.oid}
    raw = [dict(row._mapping) for row in connection.execute(_COLUMNS, mine)]
    columns = [_column(row) for row in raw]
    found = _outline(connection, places, name, mine, raw)
    triggers = connection.execute(_TRIGGERS, mine).all()
    return table_of(
        found,
        columns,
        # 0.1 is not the same number in every place that reads it
        usable=lambda column: column.family not in ("float", "json"),
        obstacles=[*_obstacles(about), *_fired(triggers)],
        rows=_rows(connection, sql_table(found), float(about.reltuples)),
        more={
            "engine": "postgresql",
            "kind": about.kind + about.persistence,
            "row_security": [about.secured, about.forced],
            "triggers": [[row.name, row.text, row.enabled] for row in triggers],
            "rules": list(about.rules),
            "children": list(about.children),
            "expressions": [[row["name"], row["expression"]] for row in raw if row["generated"]],
            "numbered": [[row["name"], row["identity"]] for row in raw if row["identity"]],
            "checks": [list(row) for row in connection.execute(_CHECKS, mine)],
        },
    )


def _column(row: Mapping[str, Any]) -> Column:
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
        numeric=base in {*_INTEGERS, "numeric", "float4", "float8"},
        integer=base in _INTEGERS,
        temporal=category == "D",
        boolean=base == "bool",
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


def _type(row: Mapping[str, Any]) -> TypeEngine[Any]:
    base = row["base"]
    if row["base_schema"] == "pg_catalog":
        if base in _TYPES:
            return _TYPES[base]
        if base in ("text", "varchar"):
            return sa.Text(collation=row["collation_name"])
        return Verbatim(row["type"])
    own_equals = row["kind"] == "b" and row["category"] != "A"
    return Verbatim(row["type"], row["base_schema"] if own_equals else "")


def _outline(
    connection: Connection,
    places: Mapping[str, Place],
    name: str,
    mine: Mapping[str, Any],
    raw: Sequence[Mapping[str, Any]],
) -> Outline:
    indexes = [(tuple(row.columns), row) for row in connection.execute(_INDEXES, mine) if row.columns]
    references = [(_reference(row, places), row) for row in connection.execute(_REFERENCES, mine)]
    return Outline(
        name=name,
        place=places[name],
        columns=tuple(raw),
        types={row["name"]: _type(row) for row in raw},
        primary=next((columns for columns, row in indexes if row.is_primary), ()),
        uniques=tuple(sorted({columns for columns, row in indexes if row.is_unique and not row.is_primary})),
        indexes=tuple(sorted({columns for columns, _ in indexes})),
        references=tuple(reference for reference, row in references if row.outward),
        referenced_by=tuple(reference for reference, row in references if row.inward),
    )


def _reference(row: Any, places: Mapping[str, Place]) -> Reference:
    back = {place: name for name, place in places.items()}
    child, parent = (row.child_schema, row.child), (row.parent_schema, row.parent)
    return Reference(
        name=row.name,
        table=back.get(child, ".".join(child)),
        columns=tuple(row.columns),
        parent=back.get(parent, ".".join(parent)),
        parent_columns=tuple(row.parent_columns),
        on_delete=_ACTIONS.get(row.on_delete, row.on_delete),
        on_update=_ACTIONS.get(row.on_update, row.on_update),
        enforced=row.valid,  # NOT VALID lets the rows be that were broken before
    )


def _obstacles(about: Any) -> list[str]:
    found = []
    if about.kind == "p":
        parts = ", ".join(about.children[:3]) + (" ..." if len(about.children) > 3 else "")
        found.append(f"it is partitioned; name its partitions instead ({parts or 'it has none'})")
    elif about.children:
        found.append(f"it has inheritance children ({', '.join(about.children[:3])}), whose rows show in it")
    if about.hidden:
        found.append("row security hides rows of it from this role")
    found += [f"it has the rule {rule!r}, which rewrites statements" for rule in about.rules]
    return found


def _fired(triggers: Sequence[Any]) -> list[str]:
    """Triggers that would fire on our writes; a guard of ours refuses bad values and changes nothing."""
    return [
        f"it has the trigger {row.name!r}, whose effects would not be journaled"
        for row in triggers
        # one on INSERT too: undoing a quarantine inserts; one for replicas too: undo may act as one
        if row.enabled != "D" and not _ours(row.name)
    ]


def _ours(name: str) -> bool:
    return re.match(r"_?trueup_", name) is not None


def _rows(connection: Connection, relation: sa.Table, estimate: float) -> int:
    if estimate > EXACT_ROWS:
        return int(estimate)
    some = sa.select(sa.literal_column("1")).select_from(relation).limit(EXACT_ROWS + 1).subquery()
    return int(connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0)


def whole(ddl: str) -> Verbatim:
    """A type that a CAST takes: without its collation, and without a length that would cut silently."""
    bare = ddl.rpartition(" COLLATE ")[0] if ddl.endswith('"') and " COLLATE " in ddl else ddl
    bare = re.sub(r" COLLATE [^ ]+$", "", bare)
    shortened = _SHORTENED.fullmatch(bare)
    if shortened:
        return Verbatim(shortened[1].replace("bit", "bit varying").replace("varying varying", "varying") + shortened[2])
    return Verbatim(bare)
