"""The queries of PostgreSQL's guards to the system catalogues."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

PRESENT = sa.text(
    "WITH mine AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE CAST(:table AS text) IS NULL OR (n.nspname = :schema AND c.relname = :table))"
    " SELECT CAST(conname AS text) AS name, pg_get_constraintdef(oid) AS text FROM pg_constraint"
    " WHERE CAST(conname AS text) = ANY(:names) AND conrelid IN (SELECT oid FROM mine)"
    " UNION ALL SELECT CAST(t.tgname AS text), pg_get_triggerdef(t.oid) || ' ' || p.prosrc"
    " || CASE WHEN p.prosecdef THEN ' SECURITY DEFINER' ELSE '' END || ' ' || coalesce(CAST(p.proconfig AS text), '')"
    " FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE CAST(t.tgname AS text) = ANY(:names)"
    " AND t.tgenabled IN ('O', 'A') AND t.tgrelid IN (SELECT oid FROM mine)"
    " UNION ALL SELECT CAST(c.relname AS text), pg_get_indexdef(c.oid) FROM pg_class c JOIN pg_index i"
    " ON i.indexrelid = c.oid WHERE CAST(c.relname AS text) = ANY(:names) AND i.indisvalid"
    " AND i.indrelid IN (SELECT oid FROM mine)"
    " AND NOT EXISTS (SELECT 1 FROM pg_constraint o WHERE o.conindid = c.oid)"
)

# the columns that a guard's function reads; one that is gone has no number
_WANTED = (
    "wanted AS (SELECT c.oid, c.relowner, c.relrowsecurity, c.relforcerowsecurity, c.relnamespace, a.attnum, w.schema,"
    " w.name, w.field FROM unnest(CAST(:schemas AS text[]), CAST(:tables AS text[]), CAST(:fields AS text[]))"
    " AS w(schema, name, field) LEFT JOIN pg_namespace n ON n.nspname = w.schema"
    " LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name"
    " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = w.field)"
)
# the first thing that keeps the role `r` from reading all rows of them
_LACK = (
    "(SELECT min(CASE WHEN w.attnum IS NULL THEN 'does not find ' || w.schema || '.' || w.name || '.' || w.field"
    " WHEN NOT has_schema_privilege(r.oid, w.relnamespace, 'USAGE') THEN 'may not use the schema ' || w.schema"
    " WHEN NOT has_column_privilege(r.oid, w.oid, w.attnum, 'SELECT') THEN 'may not read ' || w.schema || '.'"
    " || w.name || '.' || w.field"
    " WHEN w.relrowsecurity AND NOT (r.rolsuper OR r.rolbypassrls OR (pg_has_role(r.oid, w.relowner, 'USAGE')"
    " AND NOT w.relforcerowsecurity)) THEN 'sees only some rows of ' || w.schema || '.' || w.name"
    " || ', by row security' END) FROM wanted w)"
)

#: Roles that may own a guard's function, the best first, with what each lacks. A table's owner exists as long as it.
OWNERS = sa.text(  # our own words
    f"WITH {_WANTED}, candidates AS (SELECT relowner AS oid, 1 AS rank FROM wanted WHERE relowner IS NOT NULL"  # noqa: S608
    " UNION ALL SELECT c.relowner, 2 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = :schema AND c.relname = :table"
    " UNION ALL SELECT oid, 3 FROM pg_roles WHERE rolname = current_user)"
    " SELECT CAST(r.rolname AS text) AS name, r.rolname = current_user AS me, (r.rolname = current_user OR"
    " pg_has_role(r.oid, CASE WHEN CAST(current_setting('server_version_num') AS integer) >= 160000 THEN 'SET'"
    " ELSE 'MEMBER' END)) AND (has_schema_privilege(r.oid, CAST(:schema AS text), 'CREATE')"
    " OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)) AS possible,"
    f" {_LACK} AS lacks FROM candidates c JOIN pg_roles r ON r.oid = c.oid"
    " GROUP BY r.oid, r.rolname, r.rolsuper, r.rolbypassrls ORDER BY min(c.rank), r.rolname"
)
LACKS = sa.text(f"WITH {_WANTED} SELECT {_LACK} FROM pg_roles r WHERE r.rolname = :role")  # noqa: S608

#: The role that the trigger of a guard runs as, where it is not the writer.
RUNS_AS = sa.text(
    "SELECT CAST(pg_get_userbyid(p.proowner) AS text) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
    " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE CAST(t.tgname AS text) = ANY(:names) AND n.nspname = :schema AND c.relname = :table AND p.prosecdef"
)

FUNCTION = sa.text(
    "SELECT CAST(CAST(p.oid AS regprocedure) AS text) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE n.nspname = :schema AND CAST(p.proname AS text) = :name LIMIT 1"
)

#: The application's roles on a table, with the columns that each may write.
WRITERS = sa.text(
    "SELECT CAST(r.rolname AS text) AS name, array_agg(CAST(a.attname AS text)) FILTER (WHERE"
    " has_column_privilege(r.oid, c.oid, a.attnum, 'INSERT')) AS inserts, array_agg(CAST(a.attname AS text)) FILTER"
    " (WHERE has_column_privilege(r.oid, c.oid, a.attnum, 'UPDATE')) AS updates FROM pg_roles r, pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
    " WHERE n.nspname = :schema AND c.relname = :table AND NOT r.rolsuper AND r.rolname !~ '^pg_'"
    " AND has_schema_privilege(r.oid, n.oid, 'USAGE') AND (has_any_column_privilege(r.oid, c.oid, 'INSERT')"
    " OR has_any_column_privilege(r.oid, c.oid, 'UPDATE')) GROUP BY r.rolname, r.rolcanlogin"
    " ORDER BY r.rolcanlogin DESC, r.rolname"
)


def wanted(reads: Sequence[tuple[str | None, str, str]]) -> dict[str, list[str]]:
    """Return the columns as query parameters."""
    schemas, tables, fields = zip(*reads, strict=True)
    return {"schemas": [str(one) for one in schemas], "tables": list(tables), "fields": list(fields)}
