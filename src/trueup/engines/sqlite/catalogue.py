"""Reads SQLite's catalogue with PRAGMA. The text of a CREATE statement decides only what no PRAGMA shows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import NullType, TypeEngine

from trueup.codec import canonical, digest
from trueup.engines._catalogue import Outline, Place, names, resolve, sql_table, table_of
from trueup.engines.sqlite.own_triggers import is_guard
from trueup.engines.sqlite.schema import Entry, fold, full_text
from trueup.sql.tables import Column, Family, Reference, Table

EXACT_ROWS = 100_000

_COLUMNS = sa.text('SELECT cid, name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(:name)')
_TABLES = "SELECT name, wr, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
_UNIQUES = sa.text(
    'SELECT i.name, i."unique", i.partial, x.name AS "column", x.cid, upper(x.coll) AS collation'
    " FROM pragma_index_list(:name) AS i, pragma_index_xinfo(i.name) AS x WHERE x.key ORDER BY i.name, x.seqno"
)
_KEY_INDEXES = sa.text("SELECT count(*) FROM pragma_index_list(:name) WHERE origin = 'pk'")
# a key may name a column twice, and then counts it twice
_PRIMARY = sa.text(
    "SELECT x.name FROM pragma_index_list(:name) AS i, pragma_index_xinfo(i.name) AS x"
    " WHERE i.origin = 'pk' AND x.key ORDER BY x.seqno"
)
_REFERENCES = sa.text(
    'SELECT t.name AS child, f.id, f."table" AS parent, f."from" AS "column", f."to" AS target,'
    " f.on_delete, f.on_update FROM sqlite_schema AS t, pragma_foreign_key_list(t.name) AS f WHERE t.type = 'table'"
    ' AND (t.name = :name COLLATE NOCASE OR f."table" = :name COLLATE NOCASE) ORDER BY t.name, f.id, f.seq'
)
# a trigger keeps its table's name as its own CREATE statement spells it, which need not be the table's
_SQL = sa.text(
    "SELECT type, name, sql FROM sqlite_schema"
    " WHERE tbl_name = :name COLLATE NOCASE AND type IN ('table', 'trigger') ORDER BY name"
)
# whether a collation takes 'a' for 'A', and for 'a '
_EQUAL = {"BINARY": (0, 0), "NOCASE": (1, 0), "RTRIM": (0, 1)}
_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid"


def known(connection: Connection, journal_prefix: str) -> dict[str, Place]:
    """Return the application's tables by name."""
    found = [str(row[0]) for row in connection.exec_driver_sql(_TABLES)]
    own = ("sqlite_", journal_prefix)
    return names((None, name) for name in found if not fold(name).startswith(own))


def table(connection: Connection, journal_prefix: str, name: str) -> Table:
    """Read one table. Raises `UsageError` when there is none."""
    name = resolve(known(connection, journal_prefix), name)
    strict = rowid = False
    for row in connection.exec_driver_sql(_TABLES):
        if row[0] == name:
            rowid, strict = not row[1], bool(row[2])
    raw = [dict(row._mapping) for row in connection.execute(_COLUMNS, {"name": name})]
    texts = [tuple(row) for row in connection.execute(_SQL, {"name": name})]
    create = next((str(sql) for kind, _, sql in texts if kind == "table"), "")
    primary = [str(column["name"]) for column in sorted(raw, key=lambda column: int(column["pk"])) if column["pk"]]
    # a key that is the rowid has no index of its own; INTEGER PRIMARY KEY DESC has one, and takes NULL and text
    indexed = connection.scalar(_KEY_INDEXES, {"name": name})
    alias = primary[0] if rowid and len(primary) == 1 and not indexed else ""
    columns = [_column(column, alias, create, rowid=rowid, strict=strict) for column in raw]
    found = _outline(connection, name, [column.name for column in columns], tuple(primary))
    triggers = sorted((str(row[1]), str(row[2])) for row in texts if row[0] == "trigger")
    # a guard of ours refuses bad values; it changes nothing
    foreign = [trigger for trigger in triggers if not is_guard(*trigger)]
    schema = _schema(connection)
    spying = _on_journal(schema, journal_prefix)
    readers = full_text(schema, name)
    return table_of(
        found,
        columns,
        usable=lambda _: True,
        types=_types(columns),
        obstacles=[
            *(f"it has the trigger {trigger!r}, whose effects would not be journaled" for trigger, _ in foreign),
            *(f"the journal's table {journal} has the trigger {trigger!r}" for _, trigger, journal, _ in spying),
            *(f"the full-text index {one!r} reads its rows from it, and would no longer match" for one in readers),
        ],
        computed={str(column["name"]): frozenset() for column in raw if column["hidden"] == 3},
        rows=_rows(connection, sql_table(found), rowid),
        identity=_identities(schema, journal_prefix)[fold(name)],
        more={
            "engine": "sqlite",
            "encoding": str(connection.exec_driver_sql("PRAGMA encoding").scalar_one()),
            "declared": [[str(column["name"]), str(column["type"]), str(column["dflt_value"])] for column in raw],
            "create": create,
            "triggers": [list(trigger) for trigger in foreign] + [[row[1], row[3]] for row in spying],
            "readers": readers,
            "guards": [list(trigger) for trigger in triggers if trigger not in foreign],
        },
    )


def stamp(connection: Connection, journal_prefix: str, tables: Collection[str]) -> str:
    """Digest the CREATE statements of `tables`, which is quicker than reading the tables by PRAGMA.

    Every table that refers to others counts, because it may refer to these. Other tables, indexes and views may come
    and go.
    """
    mine = {fold(name) for name in tables}
    schema = _schema(connection)
    facts: list[list[str]] = [
        [name, text] for name, text in _identities(schema, journal_prefix).items() if name in mine
    ]
    facts += [list(row) for row in _on_journal(schema, journal_prefix)]
    facts += [["full text", reader, name, ""] for name in mine for reader in full_text(schema, name)]
    for kind, name, table, text in schema:
        own = fold(table) in mine
        child = kind == "table" and "references" in fold(text) and not fold(table).startswith(journal_prefix)
        if own or child:
            facts.append([kind, name, table, text])
    return digest(canonical(sorted(facts)))


def _schema(connection: Connection) -> list[Entry]:
    """Return kind, name, table and CREATE statement of everything in the schema, the oldest first."""
    rows = connection.exec_driver_sql(_SCHEMA)
    return [(str(kind), str(name), str(table), str(sql or "")) for kind, name, table, sql in rows]


def _on_journal(schema: Iterable[Entry], journal_prefix: str) -> list[Entry]:
    """Return the triggers on the journal's own tables. Trueup creates none there."""
    return [row for row in schema if row[0] == "trigger" and fold(row[2]).startswith(journal_prefix)]


def _identities(schema: Iterable[Entry], journal_prefix: str) -> dict[str, str]:
    """Return, by table, what distinguishes it from a later table of the same name.

    It counts how many of the journal's tables, and of the tables with the same columns, are older. SQLite has no
    lasting number for a table: VACUUM moves tables to other pages and other rows of the schema. It keeps their order,
    though, and a new table comes last. So a table that was created again stands behind the journal's, and one that
    swapped its name with a table of the same columns has another place among these. Two cases cannot be recognised: a
    table that was created again while there was no journal, and a last column that was dropped and added again with the
    same words.
    """
    own = 0
    twins: dict[str, int] = {}
    found = {}
    for kind, name, _, text in schema:
        if kind == "table" and fold(name).startswith(journal_prefix):
            own += 1
        elif kind == "table":
            columns = text[text.find("(") :]
            found[fold(name)] = f"{own}.{twins.setdefault(columns, 0)}"
            twins[columns] += 1
    return found


def affinity(column: Column) -> str:
    """Return the affinity of a column, by which it converts a stored value: TEXT, NUMERIC, REAL or BLOB (unchanged)."""
    return {"text": "TEXT", "binary": "BLOB", "float": "REAL"}.get(column.family, "NUMERIC")


def _declared(declared: str, strict: bool) -> Family:
    """Return the affinity of a declared type, as the family that represents it.

    The rules are those of sqlite.org/datatype3.html.
    """
    name = fold(declared)
    if strict:
        strict_types: dict[str, Family] = {"any": "binary", "blob": "binary", "text": "text", "real": "float"}
        return strict_types.get(name, "plain")
    if "int" in name:
        return "plain"
    if any(part in name for part in ("char", "clob", "text")):
        return "text"
    if "blob" in name or not name:
        return "binary"
    return "float" if any(part in name for part in ("real", "floa", "doub")) else "plain"


def _column(raw: Mapping[str, Any], alias_name: str, create: str, *, rowid: bool, strict: bool) -> Column:
    name, declared = str(raw["name"]), str(raw["type"])
    upper = declared.upper()
    alias = name == alias_name
    checked = re.search(rf"json_valid\s*\(\s*[\"`\[]?{re.escape(fold(name))}[\"`\]]?\s*\)", fold(create))
    return Column(
        name=name,
        ddl="",  # an untyped column keeps the storage class of each value
        nullable=not (raw["notnull"] or alias or (not rowid and raw["pk"])),
        family=_declared(declared, strict),
        storage="text" if "JSON" in upper or checked else None,
        generated=raw["hidden"] in (2, 3),
        has_default=raw["dflt_value"] is not None or alias,
        numeric=any(part in upper for part in ("INT", "REAL", "FLOA", "DOUB", "NUM", "DEC")),
        integer="INT" in upper,
        typed=alias or (strict and upper != "ANY"),
        temporal="DATE" in upper or "TIME" in upper,
        boolean="BOOL" in upper,
        # a column that is dropped and added again comes last
        identity=f"{raw['cid']} {upper}",
    )


def _types(columns: list[Column]) -> dict[str, TypeEngine[Any]]:
    # SQLAlchemy's dates and numbers would choke on what SQLite lets a column hold
    return {column.name: sa.Text() if column.family == "text" else NullType() for column in columns}


def _outline(connection: Connection, name: str, columns: list[str], primary: tuple[str, ...]) -> Outline:
    uniques: list[tuple[str, ...]] = []
    indexes: list[tuple[str, ...]] = []
    parts: dict[str, list[Any]] = {}
    for row in connection.execute(_UNIQUES, {"name": name}):
        parts.setdefault(row.name, []).append(row)
    loose = False
    for rows in parts.values():
        # cid -2 is an expression, -1 the rowid; a partial index proves nothing about the other rows
        if not rows[0].partial and all(row.cid >= 0 for row in rows):
            key = tuple(str(row.column) for row in rows)
            indexes.append(key)
            if rows[0].unique and not all(_tells_apart(connection, name, row) for row in rows):
                loose = loose or key == primary
            elif rows[0].unique:
                uniques.append(key)
    if loose and primary not in uniques:
        primary = ()
    uniques = [key for key in uniques if key != primary]
    references = _references(connection, name)
    return Outline(
        name=name,
        place=(None, name),
        columns=tuple({"name": column} for column in columns),
        types={},
        primary=primary,
        uniques=tuple(sorted(set(uniques))),
        indexes=tuple(sorted(set(indexes))),
        references=tuple(one for one in references if one.table == name),
        referenced_by=tuple(one for one in references if fold(one.parent) == fold(name)),
    )


def _tells_apart(connection: Connection, table: str, part: Any) -> bool:
    """Whether values that a unique index distinguishes also differ for `=`, which uses only the column's collation."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    column = quote(part.column)
    # of a UNION the columns are those of its first part, collation and all
    some = f"SELECT {column} FROM {quote(table)} WHERE FALSE UNION ALL SELECT 'a'"  # noqa: S608 - names, quoted
    try:
        found = connection.exec_driver_sql(f"SELECT {column} = 'A', {column} = 'a ' FROM ({some})").one()  # noqa: S608
    except OperationalError:
        return False  # a collation that the application brings: nobody else can compare by it
    return tuple(found) in (_EQUAL["BINARY"], _EQUAL.get(part.collation))


def _references(connection: Connection, name: str) -> list[Reference]:
    spelled = {fold(str(row[0])): str(row[0]) for row in connection.exec_driver_sql(_TABLES)}
    known: dict[str, list[Mapping[str, Any]]] = {}

    def columns(table: str) -> list[Mapping[str, Any]]:
        if table not in known:
            known[table] = [dict(row._mapping) for row in connection.execute(_COLUMNS, {"name": table})]
        return known[table]

    def named(table: str, wanted: Iterable[str]) -> tuple[str, ...]:
        # a REFERENCES clause may spell a column in its own way
        as_made = {fold(str(column["name"])): str(column["name"]) for column in columns(table)}
        return tuple(as_made.get(fold(str(one)), str(one)) for one in wanted)

    parts: dict[tuple[str, int], list[Any]] = {}
    for row in connection.execute(_REFERENCES, {"name": name}):
        parts.setdefault((row.child, row.id), []).append(row)
    found = []
    for (child, _), rows in parts.items():
        first = rows[0]
        parent = spelled.get(fold(str(first.parent)), str(first.parent))
        targets = [row.target for row in rows]
        if None in targets:  # REFERENCES without columns means the parent's primary key
            # a key that is the rowid has no index of its own, and one column
            targets = list(connection.execute(_PRIMARY, {"name": parent}).scalars())
            targets = targets or [column["name"] for column in columns(parent) if column["pk"]]
        if len(targets) != len(rows) or {fold(str(one)) for one in targets} - {
            fold(str(column["name"])) for column in columns(parent)
        }:
            continue  # to no table, or to no columns of it: SQLite enforces nothing, or refuses every write by itself
        found.append(
            Reference(
                name="",
                table=child,
                columns=named(child, [row.column for row in rows]),
                parent=parent,
                parent_columns=named(parent, targets),
                on_delete=str(first.on_delete).replace("NO ACTION", ""),
                on_update=str(first.on_update).replace("NO ACTION", ""),
                enforced=False,  # each connection decides for itself, and the default is not to
                checked=False,  # and then it counts orphans, so that one less makes up for one more
            )
        )
    return found


def _rows(connection: Connection, relation: sa.Table, rowid: bool) -> int:
    some = sa.select(sa.literal_column("1")).select_from(relation).limit(EXACT_ROWS + 1).subquery("trueup_some")
    count = int(connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0)
    taken = {fold(column.name) for column in relation.columns}
    free = [name for name in ("rowid", "_rowid_", "oid") if name not in taken]
    if count <= EXACT_ROWS:
        return count
    if rowid and free:  # both ends of the tree: quick, and exact unless rows were deleted
        number: sa.ColumnClause[int] = sa.literal_column(free[0], sa.Integer)
        # asked for together they are a scan of the whole table
        low, high = (
            sa.select(end(number)).select_from(relation).scalar_subquery() for end in (sa.func.min, sa.func.max)
        )
        return max(count, int(connection.scalar(sa.select(high - low + 1)) or 0))
    return int(connection.scalar(sa.select(sa.func.count()).select_from(relation)) or 0)
