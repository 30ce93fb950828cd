"""Finds why a table of PostgreSQL cannot be repaired: side effects of a write, and rows this role cannot see."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from trueup.sql.tables import Need

_NAME = re.compile(r"_?trueup_guard\w*")
# what is quoted goes first: a backslash ends no plain literal, and a name in quotes may hold anything
_QUOTED = re.compile(r"(?<![\w$])[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", re.DOTALL)
_SHAPE = re.compile(
    r"BEGIN IF TG_OP = Q THEN IF NOT \([^;]*\) THEN RETURN new; END IF; END IF; IF [^;]* THEN "
    r"RAISE EXCEPTION USING ERRCODE = Q, CONSTRAINT = Q, MESSAGE = Q; END IF; RETURN new; END"
)
# a dollar quote or a comment could hide a statement from the shape
_HIDING = ("$", "--", "/*")
_CALL = re.compile(r"((?:\w+\s*\.\s*)+\w+|\bQ)\s*\(")

_PLACES = "SELECT to_regnamespace(:schema) IS NOT NULL, to_regclass(:table) IS NOT NULL"
_TABLE = "SELECT has_table_privilege(:table, :right)"
_ANY = "SELECT has_any_column_privilege(:table, :right)"
_COLUMN = "SELECT has_column_privilege(:table, :column, :right)"
_SCHEMA = "SELECT has_schema_privilege(:schema, :right)"
#: The privilege to disable system triggers, which enforce foreign keys; before this version only superusers have it.
_PARAMETER, _SINCE = "session_replication_role", 150000


def lacks(connection: Connection, needs: Sequence[Need]) -> list[str]:
    """See `Dialect.lacks`."""
    found = [sentence for need in needs for sentence in _lacks(connection, need)]
    return list(dict.fromkeys(found))


def _lacks(connection: Connection, need: Need) -> Iterator[str]:
    if need.right == "UNCHECKED":
        yield from _parameter(connection)
        return
    quoted = connection.dialect.identifier_preparer
    table, name = quoted.format_table(need.table), str(need.table.schema)
    schema = quoted.quote(name)
    place, there = connection.execute(sa.text(_PLACES), {"schema": schema, "table": table}).one()
    if not place:
        yield from _database(connection, name, schema)
        return
    if not _may(connection, _SCHEMA, "USAGE", schema=name):
        yield f"USAGE on the schema {name!r} (GRANT USAGE ON SCHEMA {schema})"
    if not there:
        if not _may(connection, _SCHEMA, "CREATE", schema=name):
            yield f"CREATE on the schema {name!r} (GRANT CREATE ON SCHEMA {schema})"
    elif need.right not in ("CREATE", "TRIGGER"):  # triggers are seen by all
        yield from _on_table(connection, need, table, [quoted.quote(column) for column in need.columns])


def _on_table(connection: Connection, need: Need, table: str, columns: Sequence[str]) -> Iterator[str]:
    right = need.right
    if right in ("LOCK", "SHARE"):
        if not _may(connection, _ANY, "UPDATE", table=table):
            yield f"UPDATE on any column of {table}, to lock its rows (GRANT UPDATE ({columns[0]}) ON {table})"
        return
    if right == "SELECT":
        denied, part = not _may(connection, _ANY, right, table=table), ""
    elif right == "DELETE" or not columns:
        denied, part = not _may(connection, _TABLE, right, table=table), ""
    else:
        lost = [
            spelled
            for column, spelled in zip(need.columns, columns, strict=True)
            if not _may(connection, _COLUMN, right, table=table, column=column)
        ]
        whole = right == "INSERT" and len(lost) == len(columns)
        denied, part = bool(lost), "" if whole else f" ({', '.join(lost)})"
    if denied:
        yield f"{right}{part} on {table} (GRANT {right}{part} ON {table})"


def _may(connection: Connection, question: str, right: str, **names: str) -> bool:
    return bool(connection.execute(sa.text(question), {**names, "right": right}).scalar())


def _database(connection: Connection, name: str, schema: str) -> Iterator[str]:
    may, database = connection.execute(
        sa.text("SELECT has_database_privilege(current_database(), 'CREATE'), quote_ident(current_database())")
    ).one()
    if not may:
        yield (
            f"CREATE on the database, to make the schema {name!r} (GRANT CREATE ON DATABASE {database}; or an "
            f"administrator makes it: CREATE SCHEMA {schema} AUTHORIZATION the role)"
        )


def _parameter(connection: Connection) -> Iterator[str]:
    version = int(connection.execute(sa.text("SELECT current_setting('server_version_num')")).scalar_one())
    ask = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
    if version >= _SINCE:
        ask = f"SELECT has_parameter_privilege('{_PARAMETER}', 'SET')"
    if not connection.execute(sa.text(ask)).scalar():
        gives = f"GRANT SET ON PARAMETER {_PARAMETER}" if version >= _SINCE else "a superuser's, before PostgreSQL 15"
        yield f"SET on the parameter {_PARAMETER}, to give back references that were broken before ({gives})"


def obstacles(
    name: str, about: Any, columns: Sequence[Mapping[str, Any]], triggers: Sequence[Any], rules: Sequence[str]
) -> list[str]:
    """Return the clauses for `Table.obstacles`."""
    found = []
    if about.kind == "p":
        parts = ", ".join(about.children[:3]) + (" ..." if len(about.children) > 3 else "")
        found.append(f"it is partitioned; name its partitions instead ({parts or 'it has none'})")
    elif about.children:
        found.append(f"it has inheritance children ({', '.join(about.children[:3])}), whose rows show in it")
    if about.hidden:
        found.append("row security hides rows of it from this role; a role with BYPASSRLS sees them")
    if not about.reached:
        schema = name.partition('"."')[0] + '"'
        found.append(f"this role may not look into its schema (GRANT USAGE ON SCHEMA {schema})")
    hidden = [row["name"] for row in columns if not row["readable"]]
    if hidden:
        listed = ", ".join(repr(column) for column in hidden[:3]) + (" ..." if len(hidden) > 3 else "")
        found.append(f"this role may not read its {_columns(hidden)} {listed} (GRANT SELECT ON {name})")
    found += [f"it has the rule {rule!r}, which rewrites statements" for rule in rules]
    found += [
        f"it has the trigger {row.name!r}, whose effects would not be journaled"
        for row in triggers
        # one on INSERT too: undoing a quarantine inserts; one for replicas too: undo may act as one
        if row.enabled != "D" and not is_guard(row)
    ]
    return found


def _columns(names: Sequence[str]) -> str:
    return "column" if len(names) == 1 else "columns"


def unseen(row: Any) -> Iterator[str]:
    """Return the clauses for `Table.unseen` about one foreign key that refers to the table."""
    if not row.readable:
        yield (
            f"rows of {row.child_spelled} may refer to it, which this role may not read"
            f" (GRANT USAGE ON the schema and SELECT ON {row.child_spelled})"
        )
    elif row.hidden:
        yield f"rows of {row.child_spelled} may refer to it, and row security hides them from this role"


def is_guard(trigger: Any) -> bool:
    """Whether a trigger is a guard of trueup: it has a guard's name, and its function is one condition and one refusal.

    The function must match as a whole and call only built-in functions. A trigger that does anything else is treated as
    the application's.
    """
    bare = " ".join(_QUOTED.sub("Q", trigger.body).split())
    settings = trigger.settings.split(";")
    return (
        _NAME.fullmatch(trigger.name) is not None
        and trigger.language == "plpgsql"
        # the search_path decides what a name without a schema means; functions are never looked for in pg_temp
        and not {'search_path=""', "search_path=pg_catalog, pg_temp"}.isdisjoint(settings)
        and not any(sign in bare for sign in _HIDING)
        and _SHAPE.fullmatch(bare) is not None
        and all(called.group(1).replace(" ", "").startswith("pg_catalog.") for called in _CALL.finditer(bare))
    )
