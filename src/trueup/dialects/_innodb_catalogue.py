"""The catalogue of MySQL and MariaDB: `information_schema`, read for what SQLAlchemy's reflection leaves out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import mysql
from sqlalchemy.types import NullType, TypeEngine

from trueup.codec import digest
from trueup.dialects import _catalogue as shared
from trueup.dialects._guards import is_guard
from trueup.dialects._innodb_sql import kind_of
from trueup.tables import Column, Family, Reference, Storage, Table

#: Up to this many rows a table is counted; above, the engine's estimate will do.
COUNTED = 100_000
#: Where a `Table.sql` holds the name of its key's index, in `info`.
KEY_INDEX = "trueup_key_index"

_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "integer", "bigint"})
_NUMBERS = _INTEGERS | {"decimal", "numeric", "float", "double", "real"}
_TEXT = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
_BINARY = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"})
_SPATIAL = frozenset(
    {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
     "geometrycollection", "geomcollection"}
)  # fmt: skip
_TEMPORAL = frozenset({"date", "datetime", "timestamp", "time"})
# a TEXT or BLOB key holds a prefix only, a float has no text that finds it again, JSON and shapes are no keys
_NO_KEY = frozenset({"float", "double", "real", "json", "vector"}) | _SPATIAL | (_TEXT | _BINARY) - {
    "char", "varchar", "binary", "varbinary"}  # fmt: skip


def known(connection: Connection, prefix: str) -> dict[str, shared.Place]:
    """The base tables of the current database, without the journal's."""
    rows = connection.execute(
        sa.text(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() "
            "AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')"
        )
    )
    return shared.names((None, str(row[0])) for row in rows if not str(row[0]).startswith(prefix))


def table(connection: Connection, prefix: str, name: str, *, mariadb: bool) -> Table:
    """Read one base table."""
    places = known(connection, prefix)
    name = shared.resolve(places, name)
    about = _rows(
        connection,
        "SELECT ENGINE, TABLE_TYPE, TABLE_ROWS, TABLE_COLLATION FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :name",
        name,
    )[0]
    columns = _columns(connection, name, mariadb=mariadb)
    keys = _keys(connection, name)
    references, referenced_by = _references(connection, name)
    # SQLAlchemy's inspector reads SHOW CREATE TABLE, and leaves back-ticks in names doubled
    found = shared.Outline(
        name=name,
        place=places[name],
        columns=tuple({"name": column.name} for column in columns),
        types={column.name: _type(column) for column in columns},
        primary=keys.primary,
        uniques=keys.uniques,
        indexes=keys.indexes,
        references=tuple(references),
        referenced_by=tuple(referenced_by),
    )
    triggers = _triggers(connection, name)
    made = shared.table_of(
        found,
        columns,
        usable=lambda column: column.name not in keys.prefixed and kind_of(column.ddl).word not in _NO_KEY,
        obstacles=_obstacles(connection, about, triggers),
        rows=_count(connection, found.place[1], int(about[2] or 0)),
        more={
            "engine": str(about[0]),
            "collation": str(about[3]),
            "triggers": triggers,
            "checks": _checks(connection, name, mariadb=mariadb),
            "partitions": _partitions(connection, name),
        },
    )
    made.sql.info[KEY_INDEX] = keys.index_of(made.key)
    return made


def stamp(connection: Connection, names: Sequence[str]) -> str:
    """The shape of tables in one word, by what costs least: their definitions and their triggers."""
    parts: list[str] = []
    for name in names:
        quoted = connection.dialect.identifier_preparer.quote_identifier(name)
        definition = str(connection.exec_driver_sql(f"SHOW CREATE TABLE {quoted}").one()[1])
        # the next number to give out is no part of the shape
        parts += [re.sub(r"(\n\).*?) AUTO_INCREMENT=\d+", r"\1", definition), repr(_triggers(connection, name))]
    return digest("\n".join(parts).encode())


def _rows(connection: Connection, statement: str, name: str) -> Sequence[Any]:
    return connection.execute(sa.text(statement), {"name": name}).all()


def _columns(connection: Connection, name: str, *, mariadb: bool) -> list[Column]:
    json = _guarded_json(connection, name) if mariadb else frozenset()
    rows = _rows(
        connection,
        "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, CHARACTER_SET_NAME, COLLATION_NAME, COLUMN_DEFAULT, EXTRA "
        "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :name "
        "ORDER BY ORDINAL_POSITION",
        name,
    )
    return [_column(*(None if part is None else str(part) for part in row), json=json) for row in rows]


def _column(
    name: str | None,
    ddl: str | None,
    nullable: str | None,
    charset: str | None,
    collation: str | None,
    default: str | None,
    extra: str | None,
    *,
    json: frozenset[str],
) -> Column:
    name, ddl, extra = name or "", ddl or "", (extra or "").lower()
    word = kind_of(ddl).word
    if charset and word != "json":
        ddl += f" CHARACTER SET {charset} COLLATE {collation}"
    if word == "timestamp":
        ddl += " NULL"  # else some servers make it NOT NULL and renew it with every update
    storage: Storage | None = "json" if word == "json" or name in json else None
    return Column(
        name=name,
        ddl=ddl,
        nullable=nullable == "YES",
        family=_family(word),
        storage=storage,
        generated="virtual generated" in extra or "stored generated" in extra,
        auto_update="on update" in extra,
        has_default=(default not in (None, "NULL")) or "auto_increment" in extra,
        numeric=word in _NUMBERS,
        integer=word in _INTEGERS,
        temporal=word in _TEMPORAL,
        boolean=ddl.lower().startswith("tinyint(1)"),
    )


def _family(word: str) -> Family:
    if word in _TEXT:
        return "text"
    if word in _BINARY or word in _SPATIAL:
        return "binary"
    if word == "float":
        return "float"
    if word in ("enum", "set"):
        return "enum"
    if word in ("json", "bit"):
        return "json" if word == "json" else "bit"
    return "plain"


class _Time(mysql.TIME):
    """TIME as the driver gives it: SQLAlchemy's fails on one of more than a day."""

    def result_processor(self, dialect: Any, coltype: Any) -> Callable[[Any], Any]:
        """Nothing to convert."""
        return lambda value: value


def _type(column: Column) -> TypeEngine[Any]:
    """A type without any conversion of its own: JSON is not parsed, an ENUM's stray value is no error."""
    kind = kind_of(column.ddl)
    if column.integer:
        return sa.BigInteger()
    if column.numeric:
        return sa.Double() if kind.word in ("float", "double", "real") else sa.Numeric()
    if column.temporal:
        moments: dict[str, TypeEngine[Any]] = {"date": sa.Date(), "time": _Time()}
        return moments.get(kind.word, sa.DateTime())
    return sa.Text(collation=kind.collation or None) if column.family in ("text", "enum") else NullType()


def _guarded_json(connection: Connection, name: str) -> frozenset[str]:
    """Text columns with CHECK (json_valid(column)), which is what JSON is on MariaDB."""
    clauses = _rows(
        connection,
        "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS "
        "WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME = :name",
        name,
    )
    found = (re.fullmatch(r"json_valid\(`((?:[^`]|``)*)`\)", str(clause), re.IGNORECASE) for (clause,) in clauses)
    return frozenset(match[1].replace("``", "`") for match in found if match)


@dataclass(frozen=True, slots=True)
class _Keys:
    """Keys by whole columns; `prefixed` are the columns of which the primary key holds only the beginning."""

    primary: tuple[str, ...]
    prefixed: frozenset[str]
    uniques: tuple[tuple[str, ...], ...]
    indexes: tuple[tuple[str, ...], ...]
    names: Mapping[tuple[str, ...], str]

    def index_of(self, key: tuple[str, ...]) -> str | None:
        """The name of the unique index that holds `key`."""
        return "PRIMARY" if key and key == self.primary else self.names.get(key)


def _keys(connection: Connection, name: str) -> _Keys:
    rows = _rows(
        connection,
        "SELECT INDEX_NAME, COLUMN_NAME, SUB_PART, NON_UNIQUE FROM information_schema.STATISTICS "
        "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :name ORDER BY INDEX_NAME, SEQ_IN_INDEX",
        name,
    )
    columns: dict[str, list[str]] = defaultdict(list)
    partial, unique, prefixed = set[str](), set[str](), set[str]()
    for index, column, prefix, repeats in rows:
        columns[str(index)].append(str(column))
        if not int(repeats):
            unique.add(str(index))
        if column is None or prefix is not None:  # an expression, or the beginning of a text
            partial.add(str(index))
        if prefix is not None and index == "PRIMARY":
            prefixed.add(str(column))
    primary = tuple(columns.pop("PRIMARY", ()))
    whole = {index: tuple(names) for index, names in columns.items() if index not in partial}
    return _Keys(
        primary=primary,
        prefixed=frozenset(prefixed),
        uniques=tuple(sorted({names for index, names in whole.items() if index in unique})),
        indexes=tuple(sorted(set(whole.values()))),
        names={names: index for index, names in whole.items() if index in unique},
    )


def _references(connection: Connection, name: str) -> tuple[list[Reference], list[Reference]]:
    """Declared foreign keys of the table, and those that point at it, from other databases too."""
    rows = _rows(
        connection,
        "SELECT k.CONSTRAINT_NAME, k.TABLE_SCHEMA, k.TABLE_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA, "
        "k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE, DATABASE() "
        "FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r "
        "ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME "
        "AND r.TABLE_NAME = k.TABLE_NAME "
        "WHERE (k.TABLE_SCHEMA = DATABASE() AND k.TABLE_NAME = :name AND k.REFERENCED_TABLE_NAME IS NOT NULL) "
        "OR (k.REFERENCED_TABLE_SCHEMA = DATABASE() AND k.REFERENCED_TABLE_NAME = :name) "
        "ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION",
        name,
    )
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    for key, schema, table, column, parent_schema, parent_table, parent_column, on_delete, on_update, here in rows:
        child = table if schema == here else f"{schema}.{table}"
        parent = parent_table if parent_schema == here else f"{parent_schema}.{parent_table}"
        place = (str(key), str(child), str(parent), _act(on_delete), _act(on_update))
        groups[place].append((str(column), str(parent_column)))
    found = [
        Reference(key, child, tuple(a for a, _ in pairs), parent, tuple(b for _, b in pairs), on_delete, on_update)
        for (key, child, parent, on_delete, on_update), pairs in groups.items()
    ]
    same = str.lower  # with lower_case_table_names the spellings may differ
    return (
        [reference for reference in found if same(reference.table) == same(name)],
        [reference for reference in found if same(reference.parent) == same(name)],
    )


def _act(rule: Any) -> str:
    # RESTRICT and NO ACTION are one here, and what a key does when nothing is said
    return "" if str(rule) in ("RESTRICT", "NO ACTION") else str(rule)


def _triggers(connection: Connection, name: str) -> list[list[str]]:
    """Name, time, event, text (as a digest), and whether it is a guard of ours, of each trigger that may be seen."""
    rows = _rows(
        connection,
        "SELECT TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT FROM information_schema.TRIGGERS "
        "WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = :name ORDER BY TRIGGER_NAME",
        name,
    )
    return [
        [str(name), str(when), str(event), digest(str(text).encode()), _ours(name, text)]
        for name, when, event, text in rows
    ]


def _ours(name: Any, text: Any) -> str:
    return "guard" if is_guard(str(name), str(text)) else ""


def _obstacles(connection: Connection, about: Any, triggers: Sequence[Sequence[str]]) -> list[str]:
    found = [
        f"the trigger {name!r} runs {when} {event} and may change what the journal does not see"
        # one on INSERT too: undoing a quarantine inserts
        for name, when, event, _, ours in triggers
        if not (ours and when == "BEFORE")
    ]
    if str(about[0]).lower() != "innodb":
        found.append(f"its storage engine is {about[0]}, which has no transactions that trueup trusts; InnoDB has")
    if about[1] == "SYSTEM VERSIONED":
        found.append("it is system-versioned: every change leaves rows of history that undo cannot take back")
    if not triggers and not _sees_triggers(connection):
        found.append("its triggers cannot be seen: the account needs the TRIGGER privilege")
    return found


def _sees_triggers(connection: Connection) -> bool:
    """Whether the account may see triggers: without the privilege the catalogue shows none, and says nothing."""
    granted = connection.exec_driver_sql(
        "SELECT (SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'TRIGGER') "
        "+ (SELECT COUNT(*) FROM information_schema.SCHEMA_PRIVILEGES WHERE PRIVILEGE_TYPE = 'TRIGGER' "
        "AND DATABASE() LIKE TABLE_SCHEMA) "
        "+ (SELECT COUNT(*) FROM information_schema.TABLE_PRIVILEGES WHERE PRIVILEGE_TYPE = 'TRIGGER' "
        "AND TABLE_SCHEMA = DATABASE())"
    ).scalar_one()
    if int(granted):
        return True
    # a privilege that comes with a role stands in none of those on MySQL
    grants = " ".join(str(row[0]).upper() for row in connection.exec_driver_sql("SHOW GRANTS"))
    return "TRIGGER" in grants or "ALL PRIVILEGES" in grants


def _checks(connection: Connection, name: str, *, mariadb: bool) -> list[list[str]]:
    if mariadb:
        statement = (
            "SELECT CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS "
            "WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME = :name"
        )
    else:
        statement = (
            "SELECT c.CONSTRAINT_NAME, CONCAT(c.CHECK_CLAUSE, ' ', t.ENFORCED) "
            "FROM information_schema.CHECK_CONSTRAINTS c JOIN information_schema.TABLE_CONSTRAINTS t "
            "ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME "
            "WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME = :name AND t.CONSTRAINT_TYPE = 'CHECK'"
        )
    return sorted([str(key), str(clause)] for key, clause in _rows(connection, statement, name))


def _partitions(connection: Connection, name: str) -> list[str]:
    rows = _rows(
        connection,
        "SELECT CONCAT_WS(' ', PARTITION_METHOD, PARTITION_EXPRESSION) FROM information_schema.PARTITIONS "
        "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :name AND PARTITION_NAME IS NOT NULL",
        name,
    )
    return sorted({str(row[0]) for row in rows})


def _count(connection: Connection, name: str, estimate: int) -> int:
    if estimate >= COUNTED:
        return estimate
    whole = sa.table(sa.sql.quoted_name(name, quote=True))
    return int(connection.execute(sa.select(sa.func.count()).select_from(whole)).scalar_one())
