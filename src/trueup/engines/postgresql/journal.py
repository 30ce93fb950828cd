"""The journal's objects on PostgreSQL: types independent of the application, owners, grants, publications, the lock."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection
from sqlalchemy.dialects.postgresql import ARRAY

from trueup.engines.postgresql.types import own, read, written
from trueup.sql.dialect import Dialect
from trueup.sql.tables import Column
from trueup.sql.writing import Kept

#: The comment with which the owner of the journal's schema allows its publication.
MAY_BE_PUBLISHED = "may be published"
LOCK_SECONDS = 30

# Superusers can do everything anyway, and the database's owner can drop it. Membership is not asked of
# pg_has_role(), which calls a superuser a member of every role.
_LOOK = sa.text(
    "WITH RECURSIVE mine AS (SELECT oid FROM pg_roles WHERE rolname = current_user UNION"
    " SELECT m.roleid FROM pg_auth_members m JOIN mine ON m.member = mine.oid WHERE"
    # from 16 on whoever may create roles is a member of those he made, in name only
    " coalesce(CAST(to_jsonb(m) ->> 'inherit_option' AS boolean), true)"
    " OR coalesce(CAST(to_jsonb(m) ->> 'set_option' AS boolean), true)),"
    " trusted AS (SELECT oid FROM mine UNION SELECT oid FROM pg_roles WHERE rolsuper OR rolname = 'pg_database_owner'"
    " UNION SELECT datdba FROM pg_database WHERE datname = current_database()),"
    " place AS (SELECT * FROM pg_namespace WHERE nspname = :schema),"
    " tables AS (SELECT c.* FROM pg_class c JOIN place ON c.relnamespace = place.oid WHERE c.relname = ANY (:names)"
    " AND c.relkind NOT IN ('i', 'I')), columns AS (SELECT a.*, t.relname FROM pg_attribute a"
    " JOIN tables t ON t.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped),"
    " owned AS (SELECT '' AS name, nspowner AS owner, nspacl AS acl FROM place"
    " UNION ALL SELECT relname, relowner, relacl FROM tables"
    " UNION ALL SELECT c.relname, t.relowner, c.attacl FROM columns c JOIN tables t ON t.oid = c.attrelid"
    " WHERE c.attacl IS NOT NULL), seen (name, what, one, two) AS ("
    "SELECT CAST(name AS text), 'there', '', '' FROM owned"
    " UNION ALL SELECT o.name, 'owner', pg_get_userbyid(o.owner), '' FROM owned o"
    " WHERE o.owner NOT IN (SELECT oid FROM trusted)"
    " UNION ALL SELECT o.name, 'grant', CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END,"
    " a.privilege_type FROM owned o, aclexplode(o.acl) a WHERE a.privilege_type NOT IN ('SELECT', 'USAGE')"
    " AND a.grantee <> o.owner AND a.grantee NOT IN (SELECT oid FROM trusted)"
    # whoever may create in the schema can put nothing in the place of a table that is there
    " AND (o.name <> '' OR a.grantee = 0)"
    " UNION ALL SELECT relname, 'kind', '', '' FROM tables WHERE relkind <> 'r' OR relpersistence <> 'p'"
    " OR relispartition OR EXISTS (SELECT FROM pg_inherits i WHERE tables.oid IN (i.inhrelid, i.inhparent))"
    " UNION ALL SELECT relname, 'security', '', '' FROM tables WHERE relrowsecurity"
    " UNION ALL SELECT t.relname, 'trigger', g.tgname, '' FROM pg_trigger g JOIN tables t ON t.oid = g.tgrelid"
    " WHERE NOT g.tgisinternal"
    " UNION ALL SELECT t.relname, 'rule', r.rulename, '' FROM pg_rewrite r JOIN tables t ON t.oid = r.ev_class"
    " UNION ALL SELECT t.relname, 'policy', p.polname, '' FROM pg_policy p JOIN tables t ON t.oid = p.polrelid"
    " UNION ALL SELECT t.relname, 'constraint', c.conname, '' FROM pg_constraint c"
    " JOIN tables t ON t.oid IN (c.conrelid, c.confrelid) WHERE c.contype NOT IN ('p', 'u', 'n')"
    " UNION ALL SELECT relname, 'default', attname, '' FROM columns WHERE atthasdef OR attidentity <> ''"
    " UNION ALL SELECT relname, 'foreign', attname, '' FROM columns WHERE atttypid >= 16384 OR attcollation >= 16384"
    " UNION ALL SELECT c.relname, 'column', c.attname, format_type(c.atttypid, c.atttypmod) || CASE WHEN c.attcollation"
    " <> t.typcollation THEN ' COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(o.collname) ELSE '' END"
    " || CASE WHEN c.attnotnull THEN ' NOT NULL' ELSE '' END FROM columns c JOIN pg_type t ON t.oid = c.atttypid"
    " LEFT JOIN pg_collation o ON o.oid = c.attcollation LEFT JOIN pg_namespace n ON n.oid = o.collnamespace"
    " UNION ALL SELECT t.relname, 'unique', (SELECT string_agg(CAST(a.attname AS text), ',' ORDER BY k.position)"
    " FROM unnest(CAST(i.indkey AS int2[])) WITH ORDINALITY AS k (number, position) JOIN pg_attribute a"
    " ON a.attrelid = i.indrelid AND a.attnum = k.number WHERE k.position <= i.indnkeyatts), '' FROM pg_index i"
    " JOIN tables t ON t.oid = i.indrelid WHERE i.indisunique AND i.indisvalid AND i.indimmediate"
    " AND i.indpred IS NULL AND i.indexprs IS NULL)"
    " SELECT DISTINCT name, what, CAST(one AS text), CAST(two AS text) FROM seen ORDER BY 1, 2, 3, 4"
).bindparams(sa.bindparam("names", type_=ARRAY(sa.Text)))
_FAULTS = {
    "owner": "belongs to the role {one!r}, who could have it do anything; let it belong to the role that runs trueup, "
    "a role that this one is a member of, or the database's owner",
    "grant": "may be changed by {one} ({two}); revoke that",
    "kind": "is not an ordinary table",
    "security": "has row security",
    "trigger": "has the trigger {one!r}, which is not trueup's; drop it",
    "rule": "has the rule {one!r}, which is not trueup's; drop it",
    "policy": "has the policy {one!r}, which is not trueup's; drop it",
    "constraint": "has the constraint {one!r}, which is not trueup's; drop it",
    "default": "has a default for {one!r}, which is not trueup's; drop it",
    "foreign": "has a type or a collation for {one!r} that is not PostgreSQL's own",
}
_PUBLISHED = (
    "SELECT CAST(p.pubname AS text), p.puballtables FROM pg_publication p"
    " WHERE (p.puballtables {more}) AND coalesce("
    "(SELECT obj_description(n.oid, 'pg_namespace') FROM pg_namespace n WHERE n.nspname = :schema), '') <> :said"
    " ORDER BY 1 LIMIT 1"
)
_WHOLE_SCHEMA = (
    "OR EXISTS (SELECT FROM pg_publication_namespace m JOIN pg_namespace n ON n.oid = m.pnnspid"
    " WHERE m.pnpubid = p.oid AND n.nspname = :schema)"
)
_OTHERS = sa.text(
    "SELECT CAST(c.relname AS text), CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE"
    " quote_ident(pg_get_userbyid(a.grantee)) END FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,"
    " aclexplode(c.relacl) a WHERE n.nspname = :schema AND c.relname = ANY (:names) AND a.grantee <> c.relowner"
    " UNION SELECT '', CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END"
    " FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = :schema AND a.grantee <> n.nspowner AND :place"
).bindparams(sa.bindparam("names", type_=ARRAY(sa.Text)), sa.bindparam("place", type_=sa.Boolean))
_OWNER = sa.text(
    "SELECT quote_ident(pg_get_userbyid(nspowner)) FROM pg_namespace WHERE nspname = :schema"
    " AND pg_get_userbyid(nspowner) <> current_user AND pg_has_role(nspowner,"
    " CASE WHEN CAST(current_setting('server_version_num') AS integer) < 160000 THEN 'MEMBER' ELSE 'SET' END)"
)


def image_type(column: Column) -> str:
    """Return a built-in type as it is, without a user-defined collation, and `text` for every other type.

    A domain over a type of pg_catalog is stored as that type: vacuumlo looks for large objects in columns of type oid.
    """
    if own(column):
        return "text"
    if column.base:
        return column.base
    return column.ddl if not _collation(column) or _collation(column).startswith("pg_catalog.") else _bare(column)


def into_image(value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
    """Return the value as its image stores it: a user-defined type as the text that its output function writes."""
    return written(value) if own(column) else value


def from_image(image: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
    """Convert an image back to the column's type and collation. Text is read by the type's input function."""
    value: ColumnElement[Any] = read(image, column) if own(column) else image
    collation = _collation(column)
    if collation and (column.base or own(column) or not collation.startswith("pg_catalog.")):
        value = value.op("COLLATE")(sa.literal_column(collation))
    return value


def _bare(column: Column) -> str:
    return column.ddl.partition(" COLLATE ")[0]


def _collation(column: Column) -> str:
    return column.ddl.partition(" COLLATE ")[2]


def kept(connection: Connection, schema: str, names: Sequence[str]) -> dict[str, Kept]:
    """Read the journal's schema and tables, who may change them, and what depends on them, with one query."""
    columns: dict[str, dict[str, str]] = defaultdict(dict)
    uniques: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    faults: dict[str, list[str]] = defaultdict(list)
    there: list[str] = []
    for name, what, one, two in connection.execute(_LOOK, {"schema": schema, "names": list(names)}):
        if what == "there":
            there.append(name)
        elif what == "column":
            columns[name][one] = two
        elif what == "unique":
            uniques[name].add(tuple(str(one).split(",")))
        else:  # the wrong owner comes first: the owner can correct everything else
            at = 0 if what == "owner" else len(faults[name])
            faults[name].insert(at, _FAULTS[what].format(one=one, two=two))
    return {name: Kept(columns[name], frozenset(uniques[name]), tuple(faults[name])) for name in there}


def catalogued(ddl: str) -> str:
    """Return the type in the catalogue's words.

    SQLAlchemy writes our types in capitals; image types are the catalogue's.
    """
    return ddl.replace("VARCHAR(", "character varying(") if "VARCHAR(" in ddl else ddl.lower() if ddl.isupper() else ddl


def published(connection: Connection, schema: str) -> str:
    """Return a sentence about a publication that includes the journal, or ''.

    The owner of the journal's schema can allow the publication with a comment.
    """
    version = connection.dialect.server_version_info or ()
    asked = _PUBLISHED.format(more=_WHOLE_SCHEMA if version >= (15,) else "")
    found = connection.execute(sa.text(asked), {"schema": schema, "said": MAY_BE_PUBLISHED}).first()
    if found is None:
        return ""
    form = "FOR ALL TABLES" if found[1] else f"FOR TABLES IN SCHEMA {schema}"
    return (
        f"the publication {found[0]!r} ({form}) would publish trueup's journal, rows in quarantine included, and a "
        "subscriber stops at a table that it does not have; publish the application's tables by name or schema, or, "
        f"where the subscribers cope, CREATE SCHEMA IF NOT EXISTS {schema}; "
        f"COMMENT ON SCHEMA {schema} IS '{MAY_BE_PUBLISHED}'"
    )


def seclude(connection: Connection, schema: str, names: Sequence[str], *, place: bool) -> None:
    """Give new tables to the schema's owner, and revoke what ALTER DEFAULT PRIVILEGES granted to others."""
    for owner in connection.execute(_OWNER, {"schema": schema}).scalars():
        for name in names:
            connection.exec_driver_sql(f'ALTER TABLE "{schema}"."{name}" OWNER TO {owner}')
    others = connection.execute(_OTHERS, {"schema": schema, "names": list(names), "place": place}).all()
    for name, role in others:
        what = f'TABLE "{schema}"."{name}"' if name else f'SCHEMA "{schema}"'
        connection.exec_driver_sql(f"REVOKE ALL ON {what} FROM {role.replace('%', '%%')}")


@contextmanager
def alone(connection: Connection, what: str) -> Iterator[None]:
    """Hold an advisory lock until the transaction ends. A lock of the session would stay behind in a pooler."""
    number = int.from_bytes(hashlib.sha256(f"trueup {what}".encode()).digest()[:8], signed=True)
    connection.execute(sa.select(sa.func.set_config("lock_timeout", f"{LOCK_SECONDS}s", sa.true())))
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.cast(number, sa.BigInteger))))
    yield


class PostgresqlJournal(Dialect):
    """The part of the dialect that the journal uses."""

    journal_schema: str = "trueup"
    journal_prefix = ""

    def image_type(self, column: Column) -> str:
        """Return a built-in type as it is, for a domain its base type, and `text` for every other type."""
        return image_type(column)

    def into_image(self, value: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """Convert the value to text where the image is text."""
        return into_image(value, column)

    def from_image(self, image: ColumnElement[Any], column: Column) -> ColumnElement[Any]:
        """Convert an image that is text back to the column's type."""
        return from_image(image, column)

    def kept(self, connection: Connection, names: Sequence[str]) -> Mapping[str, Kept]:
        """Include the schema, whose owner may put anything into it."""
        return kept(connection, self.journal_schema, names)

    def catalogued(self, ddl: str) -> str:
        """Return the type as `format_type` writes it."""
        return catalogued(ddl)

    def unfit(self, connection: Connection, names: Sequence[str]) -> str:
        """Refuse a publication FOR ALL TABLES, or of the journal's schema."""
        return published(connection, self.journal_schema)

    def seclude(self, connection: Connection, names: Sequence[str], *, place: bool = False) -> None:
        """Revoke what ALTER DEFAULT PRIVILEGES may have granted."""
        seclude(connection, self.journal_schema, names, place=place)

    def alone(self, connection: Connection, what: str) -> AbstractContextManager[None]:
        """Take `pg_advisory_xact_lock` in the transaction that commits the work."""
        return alone(connection, what)
