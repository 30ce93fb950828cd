"""Queries to PostgreSQL's catalogue. They identify tables by oid: a name can mean another table a moment later."""

# ruff: noqa: S608 - nothing but constants goes into these texts
from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

TABLES = sa.text(
    "SELECT n.nspname::text AS schema, c.relname::text AS name, c.relispartition AS part FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
    " AND left(n.nspname, 3) <> 'pg_' AND n.nspname NOT IN ('information_schema', :journal)"
    " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = CAST('pg_class' AS regclass) AND d.objid = c.oid"
    " AND d.deptype = 'e')"
)
SCHEMAS = sa.text(
    "SELECT (SELECT s.reset_val FROM pg_settings s WHERE s.name = 'search_path') AS path, CAST(current_user AS text)"
    " AS me, ARRAY(SELECT CAST(nspname AS text) FROM pg_namespace WHERE has_schema_privilege(oid, 'USAGE')) AS"
    " schemas"
)
CLASS = sa.text(
    "SELECT CAST(c.oid AS bigint) AS oid, CAST(c.relkind AS text) AS kind, c.reltuples, c.relrowsecurity AS secured,"
    " c.relforcerowsecurity AS forced, row_security_active(c.oid) AS hidden, CAST(c.relpersistence AS text) AS"
    " persistence, pg_get_expr(c.relpartbound, c.oid) AS bound,"
    " has_schema_privilege(n.oid, 'USAGE') AS reached,"
    " ARRAY(SELECT CAST(CAST(i.inhrelid AS regclass) AS text) FROM pg_inherits i"
    " WHERE i.inhparent = c.oid ORDER BY 1) AS children,"
    " ARRAY(SELECT CAST(CAST(i.inhparent AS regclass) AS text) FROM pg_inherits i"
    " WHERE i.inhrelid = c.oid ORDER BY 1) AS parents FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = :schema AND c.relname = :name AND c.relkind IN ('r', 'p')"
)
# a domain's length stands with the domain, not with the type beneath it
COLUMNS = sa.text(
    "WITH RECURSIVE based AS (SELECT a.attnum, t.oid, a.atttypmod AS mod, t.typtype, t.typbasetype, t.typtypmod,"
    " t.typnotnull FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = :oid UNION ALL"
    " SELECT b.attnum, t.oid, b.typtypmod, t.typtype, t.typbasetype, t.typtypmod, b.typnotnull OR t.typnotnull"
    " FROM based b JOIN pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd')"
    " SELECT CAST(a.attname AS text) AS name, CAST(a.attnum AS text) AS number,"
    " format_type(a.atttypid, a.atttypmod) AS type, format_type(b.oid, b.mod) AS base_type,"
    " a.attnotnull OR b.typnotnull AS required, CAST(a.attgenerated AS text) AS generated,"
    " CAST(a.attidentity AS text) AS identity, a.atthasdef AS has_default,"
    " has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable,"
    " pg_get_expr(d.adbin, d.adrelid) AS expression,"
    " CAST(t.typname AS text) AS base, CAST(t.typtype AS text) AS kind, CAST(t.typcategory AS text) AS category,"
    " CAST(tn.nspname AS text) AS base_schema,"
    " quote_ident(cn.nspname) || '.' || quote_ident(co.collname) AS rule,"
    " CASE WHEN a.attcollation <> own.typcollation THEN"
    " quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END AS collation,"
    " CASE WHEN a.attcollation <> own.typcollation AND cn.nspname = 'pg_catalog' THEN CAST(co.collname AS text) END"
    " AS collation_name FROM pg_attribute a JOIN pg_type own ON own.oid = a.atttypid"
    " JOIN based b ON b.attnum = a.attnum AND b.typtype <> 'd' JOIN pg_type t ON t.oid = b.oid"
    " JOIN pg_namespace tn ON tn.oid = t.typnamespace LEFT JOIN pg_collation co ON co.oid = a.attcollation"
    " LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace"
    " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE a.attrelid = :oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)
# `apart`: what it keeps unique differs for `=` of the column too, which goes by the column's own collation
INDEXES = sa.text(
    "SELECT i.indisunique AS is_unique, i.indisprimary AS is_primary, pg_get_indexdef(i.indexrelid) AS text,"
    " i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AS plain, i.indimmediate AS immediate,"
    " ARRAY(SELECT CAST(a.attname AS text)"
    " FROM unnest(CAST(i.indkey AS int2[])) WITH ORDINALITY AS k (number, position) JOIN pg_attribute a"
    " ON a.attrelid = i.indrelid AND a.attnum = k.number WHERE k.position <= i.indnkeyatts ORDER BY k.position)"
    " AS columns, NOT EXISTS (SELECT FROM generate_series(0, i.indnkeyatts - 1) AS k JOIN pg_attribute a"
    " ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k] JOIN pg_opclass o ON o.oid = i.indclass[k]"
    " LEFT JOIN pg_collation c ON c.oid = a.attcollation WHERE NOT o.opcdefault"
    " OR (i.indcollation[k] <> a.attcollation AND NOT c.collisdeterministic)) AS apart"
    " FROM pg_index i WHERE i.indrelid = :oid ORDER BY i.indexrelid"
)
# A key between partitioned tables is there once more for each partition: of the copies that a table's own partitions or
# the partitions of the table it refers to have, only the topmost says anything new.
REFERENCES = sa.text(
    "SELECT CAST(c.conname AS text) AS name, CAST(cn.nspname AS text) AS child_schema,"
    " CAST(ct.relname AS text) AS child,"
    " CAST(pn.nspname AS text) AS parent_schema, CAST(pt.relname AS text) AS parent,"
    " c.conrelid = :oid AND above.conrelid IS DISTINCT FROM c.conrelid AS outward,"
    " c.confrelid = :oid AND above.confrelid IS DISTINCT FROM c.confrelid AS inward,"
    " CAST(c.confdeltype AS text) AS on_delete, CAST(c.confupdtype AS text) AS on_update,"
    " c.convalidated AS valid, coalesce(CAST(to_jsonb(c) ->> 'conenforced' AS boolean), true) AS checked,"
    " coalesce(CAST(to_jsonb(c) ->> 'conperiod' AS boolean), false) AS period, pg_get_constraintdef(c.oid) AS text,"
    " CAST(ct.oid AS bigint) AS child_oid, CAST(CAST(ct.oid AS regclass) AS text) AS child_spelled,"
    " has_schema_privilege(cn.oid, 'USAGE') AND (has_table_privilege(ct.oid, 'SELECT') OR NOT EXISTS (SELECT FROM"
    " unnest(c.conkey) AS k (number) WHERE NOT has_column_privilege(c.conrelid, k.number, 'SELECT'))) AS readable,"
    " row_security_active(ct.oid) AS hidden,"
    " ARRAY(SELECT CAST(a.attname AS text) FROM unnest(c.conkey) WITH ORDINALITY AS"
    " k (number, position) JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY"
    " k.position)"
    " AS columns, ARRAY(SELECT CAST(a.attname AS text) FROM unnest(c.confkey) WITH ORDINALITY AS k (number, position)"
    " JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number ORDER BY k.position) AS parent_columns"
    " FROM pg_constraint c JOIN pg_class ct ON ct.oid = c.conrelid JOIN pg_namespace cn ON cn.oid = ct.relnamespace"
    " JOIN pg_class pt ON pt.oid = c.confrelid JOIN pg_namespace pn ON pn.oid = pt.relnamespace"
    " LEFT JOIN pg_constraint above ON above.oid = c.conparentid"
    " WHERE c.contype = 'f' AND (c.conrelid = :oid OR c.confrelid = :oid) ORDER BY c.conname, ct.oid"
)
TRIGGERS = sa.text(
    "SELECT CAST(t.tgname AS text) AS name, pg_get_triggerdef(t.oid) AS text, CAST(t.tgenabled AS text) AS enabled,"
    " p.prosrc AS body, CAST(l.lanname AS text) AS language,"
    " coalesce(array_to_string(p.proconfig, ';'), '') AS settings FROM pg_trigger t JOIN pg_proc p ON p.oid ="
    " t.tgfoid"
    " JOIN pg_language l ON l.oid = p.prolang WHERE t.tgrelid = :oid AND NOT t.tgisinternal ORDER BY t.tgname"
)
RULES = sa.text(
    "SELECT CAST(r.rulename AS text) AS name, pg_get_ruledef(r.oid) AS text FROM pg_rewrite r"
    " WHERE r.ev_class = :oid ORDER BY r.rulename"
)
POLICIES = sa.text(
    "SELECT CAST(p.polname AS text), CAST(p.polcmd AS text), p.polpermissive, ARRAY(SELECT CAST(pg_get_userbyid(r) AS"
    " text) FROM unnest(p.polroles) AS r ORDER BY 1), pg_get_expr(p.polqual, p.polrelid),"
    " pg_get_expr(p.polwithcheck, p.polrelid) FROM pg_policy p WHERE p.polrelid = :oid ORDER BY p.polname"
)
CONSTRAINTS = sa.text(
    "SELECT CAST(conname AS text) AS name, CAST(contype AS text) AS kind, pg_get_constraintdef(oid) AS text,"
    " convalidated AS validated FROM pg_constraint"
    " WHERE conrelid = :oid AND contype IN ('c', 'x', 'p', 'u') ORDER BY conname"
)
# A rule over the whole row counts as one over every column. Its text is not enough where it names the row itself, whose
# type is the table's, or a computed column. MATCH FULL takes no key that is NULL in part, which is a rule of its own.
LOOSE = sa.text(
    "SELECT CAST(f.conname AS text) AS name, (SELECT 'num_nulls(' || string_agg(quote_ident(a.attname), ', ')"
    " || ') IN (0, ' || count(*) || ')' FROM pg_attribute a WHERE a.attrelid = f.conrelid AND a.attnum ="
    " ANY(f.conkey))"
    " AS condition, ARRAY(SELECT CAST(a.attname AS text) FROM pg_attribute a WHERE a.attrelid = f.conrelid"
    " AND a.attnum = ANY(f.conkey)) AS columns FROM pg_constraint f WHERE f.conrelid = :oid AND f.contype = 'f'"
    " AND f.confmatchtype = 'f' AND NOT f.convalidated"
    " AND coalesce(CAST(to_jsonb(f) ->> 'conenforced' AS boolean), true)"
    " UNION ALL SELECT CAST(c.conname AS text) AS name, CASE WHEN c.contype = 'n' THEN quote_ident((SELECT a.attname"
    " FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = c.conkey[1])) || ' IS NOT NULL'"
    " WHEN c.contype = 'c' AND NOT EXISTS (SELECT FROM unnest(c.conkey) AS k (number) LEFT JOIN pg_attribute a"
    " ON a.attrelid = c.conrelid AND a.attnum = k.number WHERE k.number <= 0 OR a.attgenerated <> '')"
    " THEN pg_get_expr(c.conbin, c.conrelid) END AS condition,"
    " ARRAY(SELECT CAST(a.attname AS text) FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum > 0"
    " AND NOT a.attisdropped AND (a.attnum = ANY(c.conkey) OR 0 = ANY(c.conkey)) ORDER BY a.attnum) AS columns"
    " FROM pg_constraint c WHERE c.conrelid = :oid AND c.contype IN ('c', 'f', 'n') AND NOT c.convalidated"
    " AND coalesce(CAST(to_jsonb(c) ->> 'conenforced' AS boolean), true) ORDER BY 1, 2"
)
# What the type of a column (`root`) may rest on: domains down to their base, elements of arrays, parts of composites,
# what ranges are of, and the ranges of multiranges, which PostgreSQL has from version 14 on.
_USED = (
    "used AS (SELECT CAST(a.attname AS text) AS root, a.atttypid AS oid FROM pg_attribute a"
    " WHERE a.attrelid = ANY(CAST(:oids AS oid[])) AND a.attnum > 0 AND NOT a.attisdropped"
    " UNION SELECT u.root, beneath.oid FROM used u JOIN pg_type t ON t.oid = u.oid CROSS JOIN LATERAL"
    " (SELECT t.typbasetype AS oid UNION ALL SELECT t.typelem UNION ALL SELECT a.atttypid FROM pg_attribute a"
    " WHERE t.typrelid <> 0 AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped"
    " UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid"
    " UNION ALL SELECT r.rngtypid FROM pg_range r WHERE t.typtype = 'm'"
    " AND to_jsonb(r) ->> 'rngmultitypid' = CAST(t.oid AS text)) AS beneath"
    " WHERE beneath.oid <> 0)"
)
_TYPE = (
    "format_type(t.oid, NULL) AS name, CAST(t.typtype AS text) AS kind, t.typnotnull AS required,"
    " CAST(t.oid AS text) AS number, ARRAY(SELECT u.root FROM used u WHERE u.oid = t.oid ORDER BY 1) AS columns,"
    " ARRAY(SELECT CAST(e.enumlabel AS text)"
    " FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,"
    " ARRAY(SELECT CAST(e.oid AS text)"
    " FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS label_numbers,"
    " ARRAY(SELECT a.attnum || ' ' || quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)"
    " FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)"
    " AS attributes, ARRAY(SELECT CAST(c.conname AS"
    " text) || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint c WHERE c.contypid = t.oid ORDER BY 1) AS rules"
    " FROM pg_type t WHERE t.oid IN (SELECT oid FROM used) AND t.typtype IN ('c', 'd', 'e')"
)
_OIDS = sa.bindparam("oids", type_=ARRAY(sa.BigInteger))
TYPES = sa.text(f"WITH RECURSIVE {_USED} SELECT {_TYPE} ORDER BY 1").bindparams(_OIDS)
# Relations that a write to one of these tables locks: its partitions too.
_WRITTEN = (
    "written AS (SELECT CAST(unnest(CAST(:oids AS bigint[])) AS oid) AS oid UNION SELECT i.inhrelid FROM written w"
    " JOIN pg_inherits i ON i.inhparent = w.oid)"
)
# Functions that compare what is written: those of the operator classes of indexes, of the keys that partitions are
# told by, of types and of what they rest on, and those of foreign keys. No dependency tells of them where somebody
# added them to a family that comes with the server.
_COMPARING = (
    "around AS (SELECT oid FROM written UNION SELECT CAST(a.relid AS oid) FROM written w"
    " CROSS JOIN LATERAL pg_partition_ancestors(w.oid) AS a (relid)), families AS (SELECT opcfamily AS oid"
    " FROM pg_opclass WHERE (opcdefault AND opcintype IN (SELECT oid FROM used)) OR oid IN (SELECT"
    " unnest(CAST(i.indclass AS oid[])) FROM pg_index i WHERE i.indrelid IN (SELECT oid FROM written) UNION ALL"
    " SELECT unnest(CAST(p.partclass AS oid[])) FROM pg_partitioned_table p WHERE p.partrelid IN (SELECT oid"
    " FROM around)"
    " UNION ALL SELECT r.rngsubopc FROM pg_range r WHERE r.rngtypid IN (SELECT oid FROM used))),"
    " comparing AS (SELECT CAST(p.amproc AS oid) AS oid FROM pg_amproc p WHERE p.amprocfamily IN (SELECT oid FROM"
    " families) UNION SELECT CAST(o.oprcode AS oid) FROM pg_operator o WHERE o.oid IN (SELECT a.amopopr FROM"
    " pg_amop a"
    " WHERE a.amopfamily IN (SELECT oid FROM families) UNION ALL"
    " SELECT unnest(c.conpfeqop || c.conppeqop || c.conffeqop) FROM pg_constraint c WHERE c.contype = 'f' AND"
    " (c.conrelid IN (SELECT oid FROM around)"
    " OR c.confrelid IN (SELECT oid FROM around))))"
)
# Whether a check, an index, a generated column or a domain calls what somebody made: of what comes with the server
# no dependency is kept. Those functions may write, and all that tells is the count of this transaction's rows.
# `naming` are the columns in whose values the catalogue's objects are named.
CALLS = sa.text(
    f"WITH RECURSIVE {_USED}, {_WRITTEN}, {_COMPARING}, rules AS (SELECT"
    " CAST('pg_constraint' AS regclass) AS kind, c.oid FROM pg_constraint c WHERE c.contype IN ('c', 'x') AND"
    " (c.conrelid IN (SELECT oid FROM written)"
    " OR c.contypid IN (SELECT oid FROM used)) UNION ALL SELECT 'pg_class', i.indexrelid FROM pg_index i"
    " WHERE i.indrelid IN (SELECT oid FROM written) UNION ALL SELECT 'pg_class', oid FROM around"
    " UNION ALL SELECT 'pg_attrdef', d.oid FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid"
    " AND a.attnum = d.adnum WHERE a.attgenerated <> '' AND a.attrelid IN (SELECT oid FROM written))"
    " SELECT EXISTS (SELECT FROM pg_depend d JOIN rules r ON r.kind = d.classid AND r.oid = d.objid"
    " WHERE d.refclassid IN (CAST('pg_proc' AS regclass), CAST('pg_operator' AS regclass)))"
    " OR EXISTS (SELECT FROM comparing f JOIN pg_proc p ON p.oid = f.oid JOIN pg_language l ON l.oid = p.prolang"
    " WHERE l.lanname NOT IN ('internal', 'c')) AS calls,"
    " current_setting('track_counts') = 'on' AS counted,"
    " ARRAY(SELECT u.root FROM used u JOIN pg_type t ON t.oid = u.oid WHERE t.typnamespace ="
    " CAST('pg_catalog' AS regnamespace) AND left(t.typname, 3) = 'reg') AS naming"
).bindparams(_OIDS)
# the catalogue's own tables too: a function may make, alter or truncate a table
ROWS_WRITTEN = sa.text(
    "SELECT CAST(coalesce(sum(pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid)"
    " + pg_stat_get_xact_tuples_deleted(c.oid)), 0) AS bigint) FROM pg_class c JOIN pg_namespace n"
    " ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname <> :journal"
)
STAMP = sa.text(
    f"WITH RECURSIVE {_USED}, mine AS (SELECT c.*, n.nspname FROM pg_class c JOIN pg_namespace n"
    " ON n.oid = c.relnamespace WHERE c.oid = ANY(CAST(:oids AS oid[]))), facts AS ("
    "SELECT CAST(row(c.oid, c.nspname, c.relname, c.relkind, c.relpersistence, c.relowner, c.relrowsecurity,"
    " c.relforcerowsecurity, c.relispartition, pg_get_expr(c.relpartbound, c.oid)) AS text) AS fact FROM mine c"
    " UNION ALL SELECT CAST(row(a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull,"
    " a.attgenerated,"
    " a.attidentity, a.attcollation, a.attisdropped, a.atthasdef, a.attgenerated <> '' AND"
    " pg_get_expr(d.adbin, d.adrelid) IS NOT NULL, CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin,"
    " d.adrelid)"
    " END) AS text) FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE a.attnum > 0 AND a.attrelid IN (SELECT oid FROM mine)"
    " UNION ALL SELECT CAST(row(c.oid, c.conname, CAST(c.conrelid AS regclass), CAST(c.confrelid AS regclass),"
    " c.conparentid, pg_get_constraintdef(c.oid)) AS text) FROM pg_constraint c"
    " WHERE c.conrelid IN (SELECT oid FROM mine) OR c.confrelid IN (SELECT oid FROM mine)"
    " UNION ALL SELECT CAST(row(t.oid, t.tgenabled, pg_get_triggerdef(t.oid), p.prosrc, p.proconfig) AS text)"
    " FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
    " WHERE NOT t.tgisinternal AND t.tgrelid IN (SELECT oid FROM mine) UNION ALL"
    " SELECT CAST(row(i.indexrelid, i.indisvalid, pg_get_indexdef(i.indexrelid)) AS text) FROM pg_index i"
    " WHERE i.indisunique AND i.indrelid IN (SELECT oid FROM mine) UNION ALL"
    " SELECT CAST(row(r.oid, pg_get_ruledef(r.oid)) AS text) FROM pg_rewrite r"
    " WHERE r.ev_class IN (SELECT oid FROM mine) UNION ALL"
    " SELECT CAST(row(p.oid, p.polname, p.polcmd, p.polpermissive, p.polroles, pg_get_expr(p.polqual, p.polrelid),"
    " pg_get_expr(p.polwithcheck, p.polrelid)) AS text) FROM pg_policy p WHERE p.polrelid IN (SELECT oid FROM mine)"
    " UNION ALL SELECT CAST(row(CAST(i.inhparent AS regclass), CAST(i.inhrelid AS regclass)) AS text)"
    " FROM pg_inherits i WHERE i.inhparent IN (SELECT oid FROM mine) OR i.inhrelid IN (SELECT oid FROM mine)"
    f" UNION ALL SELECT CAST(row(kinds.*) AS text) FROM (SELECT {_TYPE}) AS kinds)"
    " SELECT encode(sha256(convert_to(coalesce(string_agg(fact, '|' ORDER BY fact COLLATE \"C\"), ''),"
    " 'UTF8')), 'hex')"
    " FROM facts"
).bindparams(_OIDS)
WRITERS = sa.text(
    f"WITH RECURSIVE {_WRITTEN} SELECT l.virtualtransaction AS id, CAST(min(CAST(l.relation AS bigint)) AS bigint) AS"
    " oid, bool_or(l.pid IS NULL) AS prepared, coalesce(bool_or(pg_backend_pid() = ANY (pg_blocking_pids(l.pid))),"
    " false) AS behind FROM pg_locks l WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM"
    " pg_backend_pid() AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
    " AND l.relation IN (SELECT oid FROM written) GROUP BY l.virtualtransaction"
).bindparams(_OIDS)
