"""The keys of MySQL and MariaDB: a table's own, those that refer to it from anywhere on the server, and its number.

What tells a table from another under its name, as tried on MySQL 9.7 and MariaDB 10.11 (alike on both):

| after | its number (TABLE_ID) | CREATE_TIME |
|---|---|---|
| INSERT, ANALYZE, CHECK, FLUSH, CREATE TRIGGER, a key of another table, a restart | same | same |
| ALTER that is INSTANT or in place: columns, indexes, names, defaults | same | new |
| RENAME to another name and back | same | same; new on MariaDB |
| TRUNCATE | new | same |
| OPTIMIZE, FORCE, ENGINE=InnoDB, ALGORITHM=COPY, ADD CHECK: a new table with the old rows | new | new |
| DROP and CREATE, RENAME of another table in its place (gh-ost, pt-online-schema-change) | new | the other's |

So the number is the identity; it takes PROCESS to read it. CREATE_TIME is among the facts as `altered`: a column that
was dropped and added again at once looks the same in everything else. It has no fractions of a second: before its first
chunk a run waits until the second of the last ALTER is over.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from trueup.engines._innodb.rights import grant, rights
from trueup.engines._innodb.sql import Kind, alike, kind_of
from trueup.sql.tables import Reference

_PROCESS = "GRANT PROCESS ON *.*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys of a table by whole columns. Of the columns in `prefixed` the primary key holds only the beginning.

    `names` and `whole` are the indexes that a statement may name, `ignored` those that it must not (MariaDB).
    """

    primary: tuple[str, ...]
    prefixed: frozenset[str]
    uniques: tuple[tuple[str, ...], ...]
    indexes: tuple[tuple[str, ...], ...]
    names: Mapping[tuple[str, ...], str]
    whole: Mapping[str, tuple[str, ...]]
    ignored: Mapping[str, tuple[str, ...]]

    def unheld(self, references: Sequence[Reference]) -> list[str]:
        """Return why an insert that refers to a row cannot be waited for: the index it locks is IGNORED."""
        wanted = {reference.parent_columns for reference in references}
        found = sorted(name for name, have in self.ignored.items() if any(have[: len(one)] == one for one in wanted))
        return [f"rows that refer to it may be found by its index {name!r}, which is IGNORED" for name in found]

    def that_begin(self, columns: tuple[str, ...]) -> list[str]:
        """Return the names of the indexes that begin with `columns`: a foreign key may use any of them."""
        return sorted(name for name, have in self.whole.items() if have[: len(columns)] == columns)

    def index_of(self, key: tuple[str, ...]) -> str | None:
        """Return the name of the unique index on `key`."""
        return "PRIMARY" if key and key == self.primary else self.names.get(key)


def keys_of(connection: Connection, schema: str, name: str) -> Keys:
    """Read the indexes of a table."""
    rows = connection.execute(
        sa.text(
            # all columns: IGNORED is there on newer MariaDB only
            "SELECT * FROM information_schema.STATISTICS "
            "WHERE TABLE_SCHEMA = :schema AND TABLE_NAME = :name ORDER BY INDEX_NAME, SEQ_IN_INDEX"
        ),
        {"schema": schema, "name": name},
    )
    columns: dict[str, list[str]] = defaultdict(list)
    partial, unique, prefixed, ignored = set[str](), set[str](), set[str](), set[str]()
    for row in rows.mappings():
        index, column, prefix, repeats = (row[name] for name in ("INDEX_NAME", "COLUMN_NAME", "SUB_PART", "NON_UNIQUE"))
        columns[str(index)].append(str(column))
        if row.get("IGNORED") == "YES":
            ignored.add(str(index))
        if not int(repeats):
            unique.add(str(index))
        if column is None or prefix is not None:  # an expression, or the beginning of a text
            partial.add(str(index))
        if prefix is not None and index == "PRIMARY":
            prefixed.add(str(column))
    primary = tuple(columns.pop("PRIMARY", ()))
    whole = {index: tuple(names) for index, names in columns.items() if index not in partial}
    read = {index: names for index, names in whole.items() if index not in ignored}
    return Keys(
        primary=primary,
        prefixed=frozenset(prefixed),
        uniques=tuple(sorted({names for index, names in whole.items() if index in unique})),
        indexes=tuple(sorted(set(whole.values()))),
        names={names: index for index, names in read.items() if index in unique},
        whole=read | ({"PRIMARY": primary} if primary and not prefixed else {}),
        ignored={index: names for index, names in whole.items() if index in ignored},
    )


@dataclass(frozen=True, slots=True)
class Links:
    """Declared foreign keys as far as the account sees them.

    `children` are (database, name) of the referring tables.
    """

    outward: tuple[Reference, ...]
    inward: tuple[Reference, ...]
    children: tuple[tuple[str, str], ...]


def links_of(connection: Connection, schema: str, name: str) -> Links:
    """Return the foreign keys of the table, and those that refer to it, from other databases too."""
    rows = connection.execute(
        sa.text(
            "SELECT k.CONSTRAINT_NAME, k.TABLE_SCHEMA, k.TABLE_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA, "
            "k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE "
            "FROM information_schema.KEY_COLUMN_USAGE k "
            # MariaDB shows the rules of a key to nobody who has rights on single tables only
            "LEFT JOIN information_schema.REFERENTIAL_CONSTRAINTS r ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA "
            "AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME "
            "WHERE (k.TABLE_SCHEMA = :schema AND k.TABLE_NAME = :name AND k.REFERENCED_TABLE_NAME IS NOT NULL) "
            "OR (k.REFERENCED_TABLE_SCHEMA = :schema AND k.REFERENCED_TABLE_NAME = :name) "
            "ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION"
        ),
        {"schema": schema, "name": name},
    )
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    for key, in_schema, table, column, of_schema, parent, parent_column, on_delete, on_update in rows:
        place = (str(key), str(in_schema), str(table), str(of_schema), str(parent), _act(on_delete), _act(on_update))
        groups[place].append((str(column), str(parent_column)))
    here, folded = connection.exec_driver_sql("SELECT DATABASE(), @@lower_case_table_names").one()

    def same(one: str, other: str) -> bool:
        # the catalogue of MariaDB calls T and t, o and ö equal, which may be two tables
        return one.lower() == other.lower() if int(folded) else one == other

    def label(database: str, table: str) -> str:
        return table if same(database, str(here)) else f"{database}.{table}"

    types = _types(connection, {(place[at], place[at + 1]) for place in groups for at in (1, 3)})
    outward, inward, children = [], [], []
    for (key, in_schema, table, of_schema, parent, on_delete, on_update), pairs in groups.items():
        reference = Reference(
            name=key,
            table=label(in_schema, table),
            columns=tuple(mine for mine, _ in pairs),
            parent=label(of_schema, parent),
            parent_columns=tuple(theirs for _, theirs in pairs),
            on_delete=on_delete,
            on_update=on_update,
            # the types of a table that the account may not read are not told; then nothing is deleted (`unseen`)
            equality=all(alike(*both) for both in _both(types, (in_schema, table), (of_schema, parent), pairs)),
        )
        if same(in_schema, schema) and same(table, name):
            outward.append(reference)
        if same(of_schema, schema) and same(parent, name):
            inward.append(reference)
            children.append((in_schema, table))
    return Links(tuple(outward), tuple(inward), tuple(children))


_Types = Mapping[tuple[str, str, str], Kind]


def _types(connection: Connection, tables: set[tuple[str, str]]) -> _Types:
    """Return the types of columns by database, table and name, in lower case, since a key may use another case."""
    statement = sa.text(
        "SELECT COLUMN_NAME, COLUMN_TYPE, COLLATION_NAME FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = :schema AND TABLE_NAME = :name"
    )
    found = {}
    for schema, name in tables:  # one by one: of conditions that join tables MariaDB opens every table of the server
        for column, ddl, collation in connection.execute(statement, {"schema": schema, "name": name}):
            words = f"{ddl} COLLATE {collation}" if collation else str(ddl)
            found[schema, name, str(column).lower()] = kind_of(words)
    return found


def _both(
    types: _Types, child: tuple[str, str], parent: tuple[str, str], pairs: Sequence[tuple[str, str]]
) -> Iterator[tuple[Kind, Kind]]:
    for mine, theirs in pairs:
        ours, above = types.get((*child, mine.lower())), types.get((*parent, theirs.lower()))
        if ours and above:
            yield ours, above


def _act(rule: Any) -> str:
    if rule is None:
        return "CASCADE"  # assumed, because the account may not see the rule
    # RESTRICT and NO ACTION are one here, and what a key does when nothing is said
    return "" if str(rule) in ("RESTRICT", "NO ACTION") else str(rule)


def unseen(connection: Connection, schema: str, name: str, links: Links, *, mariadb: bool) -> list[str]:
    """Return why rows that refer to the table may be hidden.

    An account sees only tables on which it has a privilege.
    """
    mine = rights(connection)
    clauses = []
    if mine.server("PROCESS"):
        keys = _inward(connection, schema, name, mariadb=mariadb)
        there, seen = Counter[str](), Counter[str]()
        for _, child, columns, _ in keys:
            there[_decoded(str(child))] += int(columns)
        for (database, table), reference in zip(links.children, links.inward, strict=True):
            seen[f"{database}/{table}"] += len(reference.columns)
        if (len(keys), there.total()) != (len(links.inward), seen.total()):
            named = " and ".join(repr(one.replace("/", ".", 1)) for one in sorted(there) if there[one] != seen[one])
            clauses.append(f"rows of {named} may refer to it, which the account cannot see: it needs SELECT there")
    elif not mine.every_database("SELECT"):
        clauses.append(
            f"which tables of other databases refer to it cannot be seen: the account needs PROCESS ({_PROCESS})"
        )
    for database, table in sorted(set(links.children)):
        if not mine.on("SELECT", database, table):
            needed = grant("SELECT", database, table)
            clauses.append(f"rows of '{database}.{table}' may refer to it, which the account may not read ({needed})")
    return clauses


def inward_stamp(connection: Connection, schema: str, name: str, *, mariadb: bool) -> Sequence[Any]:
    """Return a text that changes with the foreign keys that refer to a table."""
    if rights(connection).server("PROCESS"):
        return _inward(connection, schema, name, mariadb=mariadb)
    return links_of(connection, schema, name).inward


def _inward(connection: Connection, schema: str, name: str, *, mariadb: bool) -> list[tuple[Any, ...]]:
    """Read InnoDB's own list of the foreign keys that refer to a table: constraint, table, number of columns, rules."""
    if mariadb:  # its names are those of files
        source, parent = "INNODB_SYS_FOREIGN", f"CONCAT({_file('schema')}, '/', {_file('name')})"
    else:
        source, parent = "INNODB_FOREIGN", "CONCAT(:schema, '/', :name)"
    statement = (
        f"SELECT ID, FOR_NAME, N_COLS, TYPE FROM information_schema.{source} "  # noqa: S608
        f"WHERE CAST(REF_NAME AS BINARY) = CAST({parent} AS BINARY) ORDER BY ID"
    )
    return [tuple(row) for row in connection.execute(sa.text(statement), {"schema": schema, "name": name})]


def _file(parameter: str) -> str:
    return f"CAST(CONVERT(:{parameter} USING filename) AS BINARY)"


def _decoded(name: str) -> str:
    """Decode `app/c@0020h` to `app/c h`. Letters beyond ASCII stay encoded."""
    return re.sub(r"@([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), name)


def identity(connection: Connection, schema: str, name: str, *, mariadb: bool) -> str:
    """Return the number of a table, for a partitioned one that of its oldest partition; '' where it may not be read.

    The oldest partition stays when others are added.
    """
    if not rights(connection).server("PROCESS"):
        return ""
    if int(connection.exec_driver_sql("SELECT @@lower_case_table_names").scalar_one()):
        schema, name = schema.lower(), name.lower()
    ours, known = "INNODB_TABLES", "NAME"
    whole = "CAST(CONCAT(:schema, '/', :name) AS BINARY)"
    if mariadb:
        ours = "INNODB_SYS_TABLES"
        whole = f"CAST(CONCAT({_file('schema')}, '/', {_file('name')}) AS BINARY)"
    elif schema.isascii() and name.isascii():
        schema, name = _encoded(schema), _encoded(name)
    else:
        # MySQL tells nobody how it spells these in the names of files; a table's space has the name as it is
        ours, known = "INNODB_TABLES JOIN information_schema.INNODB_TABLESPACES_BRIEF s USING (SPACE)", "s.NAME"
    found = connection.execute(
        sa.text(
            f"SELECT MIN(TABLE_ID) FROM information_schema.{ours} "  # noqa: S608
            f"WHERE CAST({known} AS BINARY) = {whole} OR LOCATE(CONCAT({whole}, '#P#'), CAST({known} AS BINARY)) = 1 "
            f"OR LOCATE(CONCAT({whole}, '#p#'), CAST({known} AS BINARY)) = 1"
        ),
        {"schema": schema, "name": name},
    ).scalar()
    return "" if found is None else str(found)


def _encoded(name: str) -> str:
    return "".join(letter if re.match(r"\w", letter, re.ASCII) else f"@{ord(letter):04x}" for letter in name)
