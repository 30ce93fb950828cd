"""Reads the catalogue of MySQL and MariaDB: `information_schema`, for what SQLAlchemy's reflection leaves out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import mysql
from sqlalchemy.types import NullType, TypeEngine

from trueup.codec import digest
from trueup.engines import _catalogue as shared
from trueup.engines._innodb.computed import computed
from trueup.engines._innodb.keys import identity, inward_stamp, keys_of, links_of, unseen
from trueup.engines._innodb.rights import grant, rights
from trueup.engines._innodb.sql import Members, kind_of
from trueup.engines._innodb.steady import bent
from trueup.engines._innodb.triggers import triggers_of
from trueup.engines._innodb.zone import zoned
from trueup.errors import UsageError
from trueup.sql.tables import Column, Family, Storage, Table

#: A table of up to this many rows is counted; above that the engine's estimate is used.
COUNTED = 100_000
#: Where a `Table.sql` holds the name of its key's index, in `info`.
KEY_INDEX = "trueup_key_index"
#: Its key's columns, and the other indexes that foreign keys may refer to, with the columns that they refer to.
KEY = "trueup_key"
REFERENCED = "trueup_referenced"
#: Of a second, and of what a file's time lags behind the clock.
_MICROSECONDS = 1_000_000 + 20_000
_OF_TABLE = "FROM information_schema.TABLES WHERE TABLE_SCHEMA = :schema AND TABLE_NAME = :name"

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
    """Return the base tables of the current database, without the journal's."""
    return shared.names((None, name) for name in _named(connection, "TABLE_SCHEMA = DATABASE()", prefix))


def _named(connection: Connection, where: str, prefix: str, **values: str) -> list[str]:
    statement = f"SELECT TABLE_NAME FROM information_schema.TABLES WHERE {where} AND TABLE_TYPE IN :kinds"  # noqa: S608
    kinds: sa.BindParameter[Any] = sa.bindparam("kinds", ["BASE TABLE", "SYSTEM VERSIONED"], expanding=True)
    rows = connection.execute(sa.text(statement).bindparams(kinds), values)
    return [str(row[0]) for row in rows if not str(row[0]).startswith(prefix)]


def _place(connection: Connection, prefix: str, name: str) -> tuple[str, shared.Place]:
    """Return the name and the place of a table. `database.table` finds one of another database, as foreign keys may."""
    places = known(connection, prefix)
    if name not in places:
        for dot in (number for number, letter in enumerate(name) if letter == "."):
            schema, table = name[:dot], name[dot + 1 :]
            found = _named(
                connection, "TABLE_SCHEMA = :schema AND TABLE_NAME = :name", prefix, schema=schema, name=table
            )
            if table in found:
                return name, (schema, table)
        here = str(connection.exec_driver_sql("SELECT DATABASE()").scalar_one())
        if not rights(connection).on("SELECT", here, name):
            raise UsageError(
                f"there is no table {name!r}, or the account may not see it ({grant('SELECT', here, name)})"
            )
    name = shared.resolve(places, name)
    return name, places[name]


def table(connection: Connection, prefix: str, name: str, *, mariadb: bool) -> Table:
    """Read one base table."""
    name, place = _place(connection, prefix, name)
    schema = place[0] or str(connection.exec_driver_sql("SELECT DATABASE()").scalar_one())
    bare = place[1]
    about = _rows(
        connection,
        "SELECT ENGINE, TABLE_TYPE, TABLE_ROWS, TABLE_COLLATION, CREATE_TIME FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = :schema AND TABLE_NAME = :name",
        schema,
        bare,
    )[0]
    columns = _columns(connection, schema, bare, mariadb=mariadb)
    keys = keys_of(connection, schema, bare)
    links = links_of(connection, schema, bare)
    # SQLAlchemy's inspector reads SHOW CREATE TABLE, and leaves back-ticks in names doubled
    found = shared.Outline(
        name=name,
        place=place,
        columns=tuple({"name": column.name} for column in columns),
        types={column.name: _type(column) for column in columns},
        primary=keys.primary,
        uniques=keys.uniques,
        indexes=keys.indexes,
        references=links.outward,
        referenced_by=links.inward,
    )
    triggers = triggers_of(connection, schema, bare)
    obstacles = _obstacles(connection, schema, bare, about, triggers)
    made_of = computed(connection, schema, bare, mariadb=mariadb)
    obstacles += zoned(made_of, columns)
    number = identity(connection, schema, bare, mariadb=mariadb)
    if not number and rights(connection).server("PROCESS") and str(about[0]).lower() == "innodb":
        obstacles.append("another table in its place would not be told from it: InnoDB's own list does not name it")
    if place[0] is not None:
        obstacles.append(f"it stands in the database {schema!r}, and the URL names another")
    made = shared.table_of(
        found,
        columns,
        usable=lambda column: column.name not in keys.prefixed and kind_of(column.ddl).word not in _NO_KEY,
        obstacles=obstacles,
        unseen=unseen(connection, schema, bare, links, mariadb=mariadb) + keys.unheld(links.inward),
        unheld=_unheld(about),
        computed=made_of.kept([column.name for column in columns]),
        bent=bent(made_of, columns),
        identity=number,
        rows=_count(connection, place, int(about[2] or 0)),
        more=_facts(connection, schema, bare, about, triggers, mariadb=mariadb),
    )
    index = keys.index_of(made.key)
    wanted = {reference.parent_columns for reference in links.inward}
    found_by = [(other, columns) for columns in sorted(wanted) for other in keys.that_begin(columns) if other != index]
    made.sql.info.update({KEY_INDEX: index, KEY: made.key, REFERENCED: found_by})
    return made


def _facts(
    connection: Connection, schema: str, bare: str, about: Sequence[Any], triggers: list[list[str]], *, mariadb: bool
) -> dict[str, Any]:
    """Return the other facts of the table's shape."""
    return {
        "engine": str(about[0]),
        "collation": str(about[3]),
        "altered": str(about[4]),
        "triggers": triggers,
        "checks": _checks(connection, schema, bare, mariadb=mariadb),
        "partitions": _partitions(connection, schema, bare),
        "generated": _generated(connection, schema, bare),
    }


def stamp(connection: Connection, tables: Sequence[Table], *, mariadb: bool) -> str:
    """Digest the shape of tables by the cheapest queries that still cover all of their facts.

    They read the definitions, the triggers, the foreign keys that refer to the tables, the tables' numbers, and when
    they were altered.
    """
    parts: list[str] = []
    quote = connection.dialect.identifier_preparer.quote_identifier
    for schema, name in _placed(connection, tables):
        definition = str(connection.exec_driver_sql(f"SHOW CREATE TABLE {quote(schema)}.{quote(name)}").one()[1])
        parts += [
            # the next AUTO_INCREMENT number is not part of the shape
            re.sub(r"(\n\).*?) AUTO_INCREMENT=\d+", r"\1", definition),
            repr(triggers_of(connection, schema, name)),
            repr(inward_stamp(connection, schema, name, mariadb=mariadb)),
            identity(connection, schema, name, mariadb=mariadb),
            repr(_rows(connection, f"SELECT CREATE_TIME {_OF_TABLE}", schema, name)),
        ]
    return digest("\n".join(parts).encode())


def outlast_alter(connection: Connection, tables: Sequence[Table]) -> None:
    """Wait until the second in which one of `tables` was altered is over: CREATE_TIME has no fractions.

    A column that is dropped and added again in that same second would look the same in everything.
    """
    since = f"SELECT TIMESTAMPDIFF(MICROSECOND, CREATE_TIME, NOW(6)) {_OF_TABLE}"
    for schema, name in _placed(connection, tables):
        for (passed,) in _rows(connection, since, schema, name):
            if passed is not None and 0 <= passed < _MICROSECONDS:
                time.sleep((_MICROSECONDS - passed) / 1e6)


def _placed(connection: Connection, tables: Sequence[Table]) -> list[tuple[str, str]]:
    """Return the schema and the name of each table."""
    here = str(connection.exec_driver_sql("SELECT DATABASE()").scalar_one())
    return [(table.place[0] or here, table.place[1]) for table in tables]


def _rows(connection: Connection, statement: str, schema: str, name: str) -> Sequence[Any]:
    return connection.execute(sa.text(statement), {"schema": schema, "name": name}).all()


def _columns(connection: Connection, schema: str, name: str, *, mariadb: bool) -> list[Column]:
    json = _guarded_json(connection, schema, name) if mariadb else frozenset()
    rows = _rows(
        connection,
        "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, CHARACTER_SET_NAME, COLLATION_NAME, COLUMN_DEFAULT, EXTRA "
        "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = :schema AND TABLE_NAME = :name "
        "ORDER BY ORDINAL_POSITION",
        schema,
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
    """TIME as the driver returns it: SQLAlchemy's type fails on one of more than a day."""

    def result_processor(self, dialect: Any, coltype: Any) -> Callable[[Any], Any]:
        """Convert nothing."""
        return lambda value: value


def _type(column: Column) -> TypeEngine[Any]:
    """Return a type without any conversion: JSON is not parsed, an invalid ENUM value is no error."""
    kind = kind_of(column.ddl)
    if column.integer:
        return sa.BigInteger()
    if column.numeric:
        return sa.Double() if kind.word in ("float", "double", "real") else sa.Numeric()
    if column.temporal:
        moments: dict[str, TypeEngine[Any]] = {"date": sa.Date(), "time": _Time()}
        return moments.get(kind.word, sa.DateTime())
    if column.family == "enum":
        return Members(column.ddl, kind.collation or None)
    return sa.Text(collation=kind.collation or None) if column.family == "text" else NullType()


def _guarded_json(connection: Connection, schema: str, name: str) -> frozenset[str]:
    """Return the text columns with CHECK (json_valid(column)), which is how MariaDB stores JSON."""
    clauses = _rows(
        connection,
        "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS "
        "WHERE CONSTRAINT_SCHEMA = :schema AND TABLE_NAME = :name",
        schema,
        name,
    )
    found = (re.fullmatch(r"json_valid\(`((?:[^`]|``)*)`\)", str(clause), re.IGNORECASE) for (clause,) in clauses)
    return frozenset(match[1].replace("``", "`") for match in found if match)


def _unheld(about: Any) -> str:
    if str(about[0]).lower() == "innodb":
        return ""
    return f"its storage engine is {about[0]}, which has no transactions that trueup trusts; InnoDB has"


def _obstacles(
    connection: Connection, schema: str, name: str, about: Any, triggers: Sequence[Sequence[str]]
) -> list[str]:
    found = [
        f"the trigger {trigger!r} runs {when} {event} and may change what the journal does not see"
        # triggers on INSERT too: undoing a quarantine inserts
        for trigger, when, event, _, ours in triggers
        if not (ours and when == "BEFORE")
    ]
    if unheld := _unheld(about):
        found.append(unheld)
    if about[1] == "SYSTEM VERSIONED":
        found.append("it is system-versioned: every change leaves rows of history that undo cannot take back")
    mine = rights(connection)
    # the catalogue shows no trigger and no column to an account that has no right on it, and says nothing
    if not mine.on("TRIGGER", schema, name):
        needed = grant("TRIGGER", schema, name)
        found.append(f"its triggers cannot be seen: the account needs the TRIGGER privilege ({needed})")
    if not mine.on("SELECT", schema, name):
        needed = grant("SELECT", schema, name)
        found.append(f"its columns may not all be seen: the account needs SELECT on the whole table ({needed})")
    return found


def _checks(connection: Connection, schema: str, name: str, *, mariadb: bool) -> list[list[str]]:
    if mariadb:
        statement = (
            "SELECT CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS "
            "WHERE CONSTRAINT_SCHEMA = :schema AND TABLE_NAME = :name"
        )
    else:
        statement = (
            "SELECT c.CONSTRAINT_NAME, CONCAT(c.CHECK_CLAUSE, ' ', t.ENFORCED) "
            "FROM information_schema.CHECK_CONSTRAINTS c JOIN information_schema.TABLE_CONSTRAINTS t "
            "ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME "
            "WHERE t.TABLE_SCHEMA = :schema AND t.TABLE_NAME = :name AND t.CONSTRAINT_TYPE = 'CHECK'"
        )
    return sorted([str(key), str(clause)] for key, clause in _rows(connection, statement, schema, name))


def _partitions(connection: Connection, schema: str, name: str) -> list[str]:
    rows = _rows(
        connection,
        "SELECT CONCAT_WS(' ', PARTITION_METHOD, PARTITION_EXPRESSION) FROM information_schema.PARTITIONS "
        "WHERE TABLE_SCHEMA = :schema AND TABLE_NAME = :name AND PARTITION_NAME IS NOT NULL",
        schema,
        name,
    )
    return sorted({str(row[0]) for row in rows})


def _generated(connection: Connection, schema: str, name: str) -> list[list[str]]:
    """Return the expressions of the generated columns."""
    rows = _rows(
        connection,
        "SELECT COLUMN_NAME, GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = :schema "
        "AND TABLE_NAME = :name AND GENERATION_EXPRESSION <> '' ORDER BY COLUMN_NAME",
        schema,
        name,
    )
    return [[str(column), str(expression)] for column, expression in rows]


def _count(connection: Connection, place: shared.Place, estimate: int) -> int:
    if estimate >= COUNTED:
        return estimate
    schema, name = place
    whole = sa.table(
        sa.sql.quoted_name(name, quote=True), schema=None if schema is None else sa.sql.quoted_name(schema, quote=True)
    )
    return int(connection.execute(sa.select(sa.func.count()).select_from(whole)).scalar_one())
