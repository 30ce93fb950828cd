"""Every row of every table of every schema or database, exactly, and all that belongs to them; by plain drivers."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from typing import Any

from tests.chaos.plain import Session
from tests.chaos.worlds.model import Place

#: The rows of a table, each as what its columns hold in words that lose nothing; None is SQL NULL.
Rows = list[Mapping[str, str | None]]
Dump = Mapping[Place, Rows]

SYSTEM = ("mysql", "information_schema", "performance_schema", "sys")
_JOURNAL = re.compile(r"_?trueup(_.*)?$")


def journal(place: Place) -> bool:
    """Whether a table is trueup's own."""
    return place[0] == "trueup" or place[1].startswith("_trueup_")


class Reader:
    """Reads a whole server, again and again; of generated columns `gz` only, which follows from the session too."""

    def __init__(self, session: Session, url: str) -> None:
        self.session, self.url = session, url
        self.engine = session.engine

    def dump(self) -> Dump:
        """Every row as it is committed now."""
        if self.engine == "sqlite":
            return self._sqlite()
        return self._postgresql() if self.engine == "postgresql" else self._innodb()

    def belongings(self) -> list[str]:
        """Shapes, triggers, grants, owners, settings, publications, as the catalogue spells them; not the journal's."""
        if self.engine == "sqlite":
            found = self.session.rows("SELECT type, name, tbl_name, sql FROM sqlite_master")
            pragmas = [
                (name, self.session.rows(f"PRAGMA {name}")[0][0])
                for name in ("user_version", "application_id", "journal_mode", "encoding", "auto_vacuum")
            ]
            return sorted(map(str, [*(row for row in found if not str(row[2]).startswith("_trueup_")), *pragmas]))
        if self.engine == "postgresql":
            return sorted(str(row) for query in _POSTGRESQL for row in self.session.rows(query))
        return self._innodb_belongings()

    # -- SQLite -------------------------------------------------------------------------------------------------------
    def _sqlite(self) -> Dump:
        found: dict[Place, Rows] = {}
        connection = sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=10, isolation_level=None)
        connection.text_factory = lambda data: "t" + data.decode("utf-8", "surrogateescape")
        try:
            connection.execute("BEGIN")
            names = connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ).fetchall()
            for name, sql in ((name[1:], sql[1:]) for name, sql in names):
                if name.startswith("_trueup_") or sql.upper().startswith("CREATE VIRTUAL"):
                    continue
                columns = [
                    row[1][1:]
                    for row in connection.execute(f"PRAGMA table_xinfo({quoted(name)})")
                    if row[6] in (0, 1)  # without generated columns
                ]
                told = ", ".join(quoted(column) for column in columns)
                rows = connection.execute(f"SELECT {told} FROM {quoted(name)}").fetchall()
                found["main", name] = [dict(zip(columns, map(_sqlite_word, row), strict=True)) for row in rows]
            connection.execute("COMMIT")
        finally:
            connection.close()
        return found

    # -- PostgreSQL ---------------------------------------------------------------------------------------------------
    def _postgresql(self) -> Dump:
        found: dict[Place, Rows] = {}
        self.session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            tables: dict[Place, list[str]] = {}
            for schema, name, column in self.session.rows(_COLUMNS):
                tables.setdefault((schema, name), []).extend([column] if column else [])
            for place, columns in tables.items():
                told = ", ".join(f"{quoted(column)}::text" for column in columns) or "NULL"
                rows = self.session.rows(f"SELECT {told} FROM ONLY {quoted(place[0])}.{quoted(place[1])}")
                found[place] = [dict(zip(columns, row, strict=False)) for row in rows]
        finally:
            self.session.run("COMMIT")
        return found

    # -- MySQL and MariaDB --------------------------------------------------------------------------------------------
    def _innodb(self) -> Dump:
        found: dict[Place, Rows] = {}
        tables: dict[Place, list[tuple[str, str]]] = {}
        system = ", ".join(f"'{name}'" for name in SYSTEM)
        self.session.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        try:
            asked = (
                "SELECT c.table_schema, c.table_name, c.column_name, c.data_type FROM information_schema.columns c "
                "JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name "
                f"WHERE t.table_type = 'BASE TABLE' AND c.table_schema NOT IN ({system}) "
                "AND (c.extra NOT LIKE '% GENERATED%' OR c.column_name = 'gz') ORDER BY c.ordinal_position"
            )
            for schema, name, column, kind in self.session.rows(asked):
                if not journal((schema, name)):
                    tables.setdefault((schema, name), []).append((column, kind))
            for place, columns in tables.items():
                told = ", ".join(_innodb_word(column, kind) for column, kind in columns)
                rows = self.session.rows(f"SELECT {told} FROM {_innodb_name(place[0])}.{_innodb_name(place[1])}")
                names = [column for column, _ in columns]
                found[place] = [
                    {name: None if value is None else str(value) for name, value in zip(names, row, strict=True)}
                    for row in rows
                ]
        finally:
            self.session.run("COMMIT")
        return found

    def _innodb_belongings(self) -> list[str]:
        system = ", ".join(f"'{name}'" for name in SYSTEM)
        found: list[str] = []
        for schema, name in self.session.rows(
            "SELECT table_schema, table_name FROM information_schema.tables "
            f"WHERE table_schema NOT IN ({system}) AND table_type = 'BASE TABLE'"
        ):
            if not journal((schema, name)):
                made = str(self.session.rows(f"SHOW CREATE TABLE {_innodb_name(schema)}.{_innodb_name(name)}")[0][1])
                found.append(f"{schema} {re.sub(r' AUTO_INCREMENT=[0-9]+', '', made)}")
        for query in _INNODB:
            found += [str(row) for row in self.session.rows(query.replace("SYSTEM", system))]
        for user, host in self.session.rows("SELECT user, host FROM mysql.user WHERE user LIKE 'w\\_%'"):
            found += [str(row) for row in self.session.rows(f"SHOW GRANTS FOR '{user}'@'{host}'")]
        return sorted(found)


def quoted(name: str) -> str:
    """A name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def _sqlite_word(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return "b" + value.hex()
    return f"i{value}" if isinstance(value, int) else f"f{value!r}"


def _innodb_name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _innodb_word(column: str, kind: str) -> str:
    name = _innodb_name(column)
    if kind in ("float", "double"):
        return f"CAST({name} AS DOUBLE)" if kind == "float" else name
    if kind in ("char", "varchar", "text", "tinytext", "mediumtext", "longtext", "enum", "set", "json"):
        return f"CAST({name} AS CHAR)" if kind == "json" else f"CONCAT('t', {name}, ' ', HEX({name}))"
    if kind in ("binary", "varbinary", "blob", "bit", "tinyblob", "mediumblob", "longblob"):
        return f"HEX({name})"
    return f"CAST({name} AS CHAR)"


def plain(engine: str, word: str | None) -> str | None:
    """What a word of a dump says, as text."""
    if word is None or engine == "postgresql":
        return word
    if engine == "sqlite":
        return word[1:]
    return word[1:].rpartition(" ")[0] if re.fullmatch(r"t.* [0-9A-F]*", word, re.DOTALL) else word


_COLUMNS = """
SELECT n.nspname, c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
AND (a.attgenerated = '' OR a.attname = 'gz')
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'trueup')
AND n.nspname NOT LIKE 'pg\\_%'
ORDER BY 1, 2, a.attnum
"""
_OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'trueup') AND n.nspname NOT LIKE 'pg\\_%'"
_NAMED = f"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND {_OURS}"
_POSTGRESQL = (
    f"""SELECT 'column', n.nspname, relname, attname, format_type(atttypid, atttypmod), attnotnull, attcollation,
    attacl::text, pg_get_expr(adbin, adrelid) {_NAMED} JOIN pg_attribute a ON c.oid = attrelid
    LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum WHERE attnum > 0 AND NOT attisdropped""",
    f"""SELECT 'class', n.nspname, relname, relkind, pg_get_userbyid(relowner), relacl::text, relrowsecurity,
    relforcerowsecurity, relispartition, reloptions::text, relreplident {_NAMED}""",
    f"""SELECT 'constraint', conrelid::regclass::text, conname, convalidated, pg_get_constraintdef(k.oid) {_NAMED}
    JOIN pg_constraint k ON conrelid = c.oid""",
    f"""SELECT 'trigger', pg_get_triggerdef(t.oid), tgenabled {_NAMED} JOIN pg_trigger t ON c.oid = tgrelid
    WHERE NOT tgisinternal""",
    "SELECT 'rule', definition FROM pg_rules WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    "SELECT 'policy', schemaname, tablename, policyname, qual, with_check FROM pg_policies",
    "SELECT 'publication', pubname, puballtables, pubinsert, pubupdate, pubdelete FROM pg_publication",
    "SELECT 'published', pubname, schemaname, tablename FROM pg_publication_tables WHERE schemaname <> 'trueup'",
    "SELECT 'setting', setdatabase, setrole, setconfig::text FROM pg_db_role_setting",
    "SELECT 'role', rolname, rolsuper, rolconfig::text FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%'",
    f"SELECT 'schema', nspname, pg_get_userbyid(nspowner), nspacl::text FROM pg_namespace n WHERE {_OURS}",
    f"""SELECT 'type', n.nspname, typname, typacl::text FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
    AND {_OURS}""",
    "SELECT 'label', enumtypid::regtype::text, enumlabel FROM pg_enum",
    "SELECT 'default', defaclacl::text FROM pg_default_acl",
)
_INNODB = (
    """SELECT 'trigger', trigger_schema, trigger_name, event_manipulation, action_statement, definer FROM
    information_schema.triggers WHERE trigger_schema NOT IN (SYSTEM)""",
    "SELECT 'event', event_schema, event_name, status, event_definition FROM information_schema.events",
    """SELECT 'view', table_schema, table_name, view_definition FROM information_schema.views
    WHERE table_schema NOT IN (SYSTEM)""",
    "SELECT 'database', schema_name, default_character_set_name FROM information_schema.schemata",
    "SELECT 'global', @@GLOBAL.sql_mode, @@GLOBAL.time_zone, @@GLOBAL.foreign_key_checks, @@GLOBAL.event_scheduler",
)
