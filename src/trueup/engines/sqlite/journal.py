"""Reads the journal's own tables in SQLite by PRAGMA."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from trueup.sql.writing import Kept

_NAMES: sa.BindParameter[Any] = sa.bindparam("names", expanding=True)
_SCHEMA = sa.text(
    "SELECT tbl_name, type, name, sql FROM sqlite_schema WHERE tbl_name IN :names ORDER BY type = 'trigger', name"
).bindparams(_NAMES)
_COLUMNS = sa.text(
    'SELECT s.name, c.name, c.type, c."notnull", c.dflt_value, c.hidden, c.pk'
    " FROM sqlite_schema AS s, pragma_table_xinfo(s.name) AS c"
    " WHERE s.type IN ('table', 'view') AND s.name IN :names ORDER BY s.name, c.cid"
).bindparams(_NAMES)
_UNIQUES = sa.text(
    "SELECT s.name, i.name, x.name FROM sqlite_schema AS s, pragma_index_list(s.name) AS i,"
    " pragma_index_info(i.name) AS x"
    " WHERE s.type = 'table' AND s.name IN :names AND i.\"unique\" AND NOT i.partial ORDER BY s.name, i.name, x.seqno"
).bindparams(_NAMES)
#: Words that no CREATE statement of a table of ours contains.
_MORE = re.compile(r"\b(CHECK|COLLATE|REFERENCES|CONFLICT|DEFAULT|GENERATED|AS|STRICT)\b", re.IGNORECASE)


def kept(connection: Connection, names: Sequence[str]) -> dict[str, Kept]:
    """Return those of `names` that exist. Whoever may write to the file may write to all of it."""
    given = {"names": list(names)}
    schema, columns, uniques = (
        _by_table(connection.execute(statement, given)) for statement in (_SCHEMA, _COLUMNS, _UNIQUES)
    )
    return {name: _kept(name, schema[name], columns[name], uniques[name]) for name in names if name in schema}


def _by_table(rows: Iterable[Row[Any]]) -> dict[str, list[Sequence[Any]]]:
    found: dict[str, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row[1:])
    return found


def _kept(
    name: str, schema: Sequence[Sequence[Any]], columns: Sequence[Sequence[Any]], uniques: Sequence[Sequence[Any]]
) -> Kept:
    faults = [
        f"has a default for {column!r}, which is not trueup's; drop it"
        for column, _, _, default, hidden, _ in columns
        if default is not None or hidden
    ]
    faults += [
        f"has the trigger {other!r}, which is not trueup's; drop it" for kind, other, _ in schema if kind == "trigger"
    ]
    made = next((sql for kind, other, sql in schema if kind == "table" and other == name), None)
    if made is None or _MORE.search(made):
        faults.append("is not as trueup makes it")
    keys = defaultdict(list, {"": [column for place, column in sorted((row[5], row[0]) for row in columns) if place]})
    for index, column in uniques:
        keys[index].append(column)
    return Kept(
        {column: kind + (" NOT NULL" if required else "") for column, kind, required, *_ in columns},
        frozenset(tuple(key) for key in keys.values()),
        tuple(faults),
    )
