"""Reads the triggers of a table of MySQL or MariaDB, and recognises guards that can do nothing but refuse."""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy import Connection

from trueup.codec import digest
from trueup.engines._innodb.own_triggers import is_guard

#: Words that may precede a bracket in the condition of a guard. A stored function, which may write, cannot have the
#: name of one of the server's own unless it is called with its database.
_ASKS = frozenset(
    """abs and as ascii between binary case cast char char_length coalesce columns concat convert count date datetime
    decimal double else exists float floor greatest hex if ifnull in instr is json_array json_contains
    json_contains_path json_exists json_extract json_keys json_length json_object json_quote json_remove json_search
    json_table json_type json_unquote json_valid json_value least left length like locate lower ltrim max min mod not
    nullif octet_length on or quote regexp regexp_instr regexp_like regexp_replace regexp_substr repeat replace reverse
    right rlike round rtrim select sha2 sign substr substring substring_index sum then time timestamp trim unhex upper
    using varchar when where xor""".split()  # noqa: SIM905 - as a list it takes a line a word
)
_TEXT = re.compile(r"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\"", re.DOTALL)
_NAME = re.compile(r"`((?:[^`]|``)*)`")
_DOES = re.compile(r"\b(?:NEXT|PREVIOUS|INTO|PROCEDURE)\b|:=|/\*|--|#", re.IGNORECASE)
_SOURCE = re.compile(r"\b(?:FROM|JOIN)\b\s*(?:<(\d+)>(?!\s*\.)|(JSON_TABLE)\s*\(|)", re.IGNORECASE)
_SEVERAL = re.compile(r"\bFROM\b(?:(?!\bWHERE\b)[^(),])*,(?!\s*JSON_TABLE\b)", re.IGNORECASE)


def triggers_of(connection: Connection, schema: str, name: str) -> list[list[str]]:
    """Return each visible trigger: name, time, event, digest of its text, and whether it is a guard of trueup."""
    rows = connection.execute(
        sa.text(
            "SELECT TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT, SQL_MODE "
            "FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = :schema AND EVENT_OBJECT_TABLE = :name "
            "ORDER BY TRIGGER_NAME"
        ),
        {"schema": schema, "name": name},
    ).all()
    found = []
    for trigger, when, event, text, mode in rows:
        ours = "guard" if _is_guard(connection, schema, str(trigger), str(text), str(mode)) else ""
        found.append([str(trigger), str(when), str(event), digest(str(text).encode()), ours])
    return found


def _is_guard(connection: Connection, schema: str, name: str, text: str, mode: str) -> bool:
    """Whether it has a guard's name and form, and its condition calls and reads nothing that could have an effect."""
    modes = mode.split(",")
    otherwise = ("\\" in text and "NO_BACKSLASH_ESCAPES" in modes) or ('"' in text and "ANSI_QUOTES" in modes)
    if otherwise or not is_guard(name, text):  # quoted text would be read differently than the server reads it
        return False
    names: list[str] = []

    def kept(match: re.Match[str]) -> str:
        names.append(match[1].replace("``", "`"))
        return f"<{len(names) - 1}>"

    bare = _NAME.sub(kept, _TEXT.sub("''", text))
    called = {word.lower() for word in re.findall(r"([\w$.<>]+)\s*\(", bare)}
    if not called <= _ASKS | {"<", ">", "<>", "<=>"} or _DOES.search(bare) or _SEVERAL.search(bare):
        return False
    sources = _SOURCE.findall(bare)
    if not all(number or table for number, table in sources):
        return False
    read = {names[int(number)] for number, _ in sources if number}
    return read <= _base_tables(connection, schema, read)


def _base_tables(connection: Connection, schema: str, names: set[str]) -> set[str]:
    """Return those of `names` that are base tables. Reading a view could call a function."""
    if not names:
        return set()
    wanted: sa.BindParameter[list[str]] = sa.bindparam("names", sorted(names), expanding=True)
    statement = sa.text(
        "SELECT TABLE_NAME FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = :schema AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME IN :names"
    )
    return {str(row[0]) for row in connection.execute(statement.bindparams(wanted), {"schema": schema})}
