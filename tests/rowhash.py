"""What every row of a database looks like, byte for byte, told by plain drivers and no code of trueup's."""

import hashlib
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql

from tests.engines import Database

#: Tables, each with its rows: the primary key as text (or a number for rows without one), and a hash of all columns.
Image = Mapping[str, Mapping[str, str]]

#: Rows as read: their key, and the bytes that stand for all their columns.
Rows = list[tuple[list[Any], bytes]]

JOURNAL = "_trueup_"


def row_hashes(database: Database) -> Image:
    """The image of every table except the journal's. Rows without a key are told apart by their hash and a count."""
    read = {"sqlite": _sqlite, "postgresql": _postgresql, "mysql": _mysql, "mariadb": _mysql}[database.engine]
    return {table: _image(rows) for table, rows in read(database).items() if not table.startswith(JOURNAL)}


def changed_rows(before: Image, after: Image) -> dict[str, set[str]]:
    """The keys of rows that differ, came or went, by table; tables that are the same are left out."""
    differ: dict[str, set[str]] = {}
    for table in {*before, *after}:
        ours, theirs = before.get(table, {}), after.get(table, {})
        keys = {key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)}
        if keys or (table in before) != (table in after):
            differ[table] = keys
    return differ


def execute(database: Database, statements: Iterable[str]) -> None:
    """Run statements by the engine's own driver, each committed."""
    connection: Any
    if database.engine == "sqlite":
        connection = sqlite3.connect(database.path, isolation_level=None)
    elif database.engine == "postgresql":
        connection = psycopg.connect(database.url, autocommit=True)
    else:
        connection = _connect_mysql(database)
    try:
        cursor = connection.cursor()
        if isinstance(connection, pymysql.Connection):
            # one spelling of a script for all engines: a backslash is a backslash
            cursor.execute("SET sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')")
        for statement in statements:
            cursor.execute(statement)
    finally:
        connection.close()


def _image(rows: Rows) -> dict[str, str]:
    image: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for key, data in rows:
        told = hashlib.sha256(data).hexdigest()
        name = "/".join(str(part) for part in key)
        if not key:
            seen[told] += 1
            name = f"{told}#{seen[told]}"
        image[name] = told
    return image


class _Text(bytes):
    """Bytes that SQLite holds as text, to be told from a blob."""


def _sqlite(database: Database) -> dict[str, Rows]:
    connection = sqlite3.connect(f"file:{database.path}?mode=ro", uri=True)
    connection.text_factory = _Text
    try:
        found: dict[str, Rows] = {}
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            table = name.decode()
            if table.startswith("sqlite_"):
                continue
            quoted = '"' + table.replace('"', '""') + '"'
            columns = connection.execute(f"PRAGMA table_info({quoted})").fetchall()
            keys = [one[0] for one in sorted(columns, key=lambda one: one[5]) if one[5]]
            data = connection.execute(f"SELECT * FROM {quoted}").fetchall()
            found[table] = [([_plain(row[key]) for key in keys], b"|".join(map(_sqlite_bytes, row))) for row in data]
        return found
    finally:
        connection.close()


def _plain(value: Any) -> Any:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


def _sqlite_bytes(value: Any) -> bytes:
    if value is None:
        return b"N"
    if isinstance(value, float):
        return f"R{struct.pack('>d', value).hex()}".encode()
    if isinstance(value, int):
        return f"I{value}".encode()
    return f"{'T' if isinstance(value, _Text) else 'B'}{value.hex()}".encode()


def _postgresql(database: Database) -> dict[str, Rows]:
    pinned = (
        "SET extra_float_digits = 3; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; "
        "SET TimeZone = 'UTC'; SET bytea_output = 'hex'"
    )
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(pinned)
        tables = connection.execute(
            "SELECT c.oid, n.nspname, c.relname, c.oid::regclass::text FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' "
            "AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'trueup') AND n.nspname NOT LIKE 'pg\\_%'"
        ).fetchall()
        found: dict[str, Rows] = {}
        for oid, schema, table, spelled in tables:
            names = connection.execute(
                "SELECT quote_ident(a.attname) FROM pg_index i "
                "CROSS JOIN unnest(i.indkey::int[]) WITH ORDINALITY AS k(number, place) "
                "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number "
                "WHERE i.indisprimary AND i.indrelid = %s ORDER BY k.place",
                [oid],
            ).fetchall()
            key = ", ".join(f"t.{name}::text" for (name,) in names)
            rows = connection.execute(f"SELECT t::text, ARRAY[{key}]::text[] FROM {spelled} AS t".encode()).fetchall()
            label = table if schema == "public" else f"{schema}.{table}"
            found[label] = [(list(parts), text.encode()) for text, parts in rows]
        return found


def _connect_mysql(database: Database) -> Any:
    url = urlsplit(database.url)
    return pymysql.connect(
        host=url.hostname,
        port=url.port or 3306,
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        database=url.path.lstrip("/"),
        charset="utf8mb4",
        autocommit=True,
    )


def _mysql(database: Database) -> dict[str, Rows]:
    connection = _connect_mysql(database)
    try:
        cursor = connection.cursor()
        cursor.execute("SET time_zone = '+00:00', group_concat_max_len = 1000000")
        cursor.execute(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
        )
        return {table: _mysql_rows(cursor, table) for (table,) in cursor.fetchall()}
    finally:
        connection.close()


def _mysql_rows(cursor: Any, table: str) -> Rows:
    cursor.execute(
        "SELECT column_name, data_type, column_key FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position",
        [table],
    )
    columns = cursor.fetchall()
    quoted = {name: "`" + name.replace("`", "``") + "`" for name, _, _ in columns}
    keys = [quoted[name] for name, _, key in columns if key == "PRI"]
    parts = ", ".join(_mysql_bytes(quoted[name], kind.lower()) for name, kind, _ in columns)
    shown = "".join(f", HEX(CAST({key} AS CHAR CHARACTER SET utf8mb4))" for key in keys)
    name = "`" + table.replace("`", "``") + "`"
    cursor.execute(f"SELECT SHA2(CONCAT_WS('|', {parts}), 256){shown} FROM {name}")
    return [
        # MariaDB's text may hold what is no UTF-8
        ([bytes.fromhex(part).decode(errors="backslashreplace") for part in row[1:]], row[0].encode())
        for row in cursor.fetchall()
    ]


def _mysql_bytes(column: str, kind: str) -> str:
    if kind in ("float", "double"):
        # as text FLOAT has six digits
        value = f"HEX(CAST(CAST({column} AS DOUBLE) AS CHAR))"
    elif kind in ("enum", "set"):
        value = f"CONCAT({column} + 0, ':', HEX(CAST({column} AS BINARY)))"
    elif kind == "bit":
        value = f"HEX({column} + 0)"
    elif kind == "json":
        value = f"CONCAT(JSON_TYPE({column}), ':', HEX(CAST({column} AS CHAR CHARACTER SET utf8mb4)))"
    else:
        value = f"HEX(CAST({column} AS BINARY))"
    return f"IF({column} IS NULL, 'N', CONCAT('v', {value}))"
