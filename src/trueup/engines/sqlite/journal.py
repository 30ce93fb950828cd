"""Reads the journal's own tables in SQLite by PRAGMA."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from trueup.sql.writing import Kept

_COLUMNS = sa.text('SELECT name, type, "notnull", dflt_value, hidden FROM pragma_table_xinfo(:name)')
_UNIQUES = sa.text(
    "SELECT i.name, x.name FROM pragma_index_list(:name) AS i, pragma_index_info(i.name) AS x"
    ' WHERE i."unique" AND NOT i.partial ORDER BY i.name, x.seqno'
)
_SCHEMA = sa.text("SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = :name ORDER BY 2")
_KEY = sa.text("SELECT name FROM pragma_table_info(:name) WHERE pk ORDER BY pk")
#: Words that no CREATE statement of a table of ours contains.
_MORE = re.compile(r"\b(CHECK|COLLATE|REFERENCES|CONFLICT|DEFAULT|GENERATED|AS|STRICT)\b", re.IGNORECASE)


def kept(connection: Connection, names: Sequence[str]) -> dict[str, Kept]:
    """Return those of `names` that exist. Whoever may write to the file may write to all of it."""
    found = {}
    for name in names:
        schema = connection.execute(_SCHEMA, {"name": name}).all()
        own = next((row for row in schema if row[1] == name), None)
        if own is None:
            continue
        columns: dict[str, str] = {}
        faults = []
        for column, kind, required, default, hidden in connection.execute(_COLUMNS, {"name": name}):
            columns[column] = kind + (" NOT NULL" if required else "")
            if default is not None or hidden:
                faults.append(f"has a default for {column!r}, which is not trueup's; drop it")
        faults += [
            f"has the trigger {row[1]!r}, which is not trueup's; drop it" for row in schema if row[0] == "trigger"
        ]
        if own[0] != "table" or _MORE.search(str(own[2])):
            faults.append("is not as trueup makes it")
        uniques: dict[str, list[str]] = defaultdict(
            list, {"": list(connection.execute(_KEY, {"name": name}).scalars())}
        )
        for index, column in connection.execute(_UNIQUES, {"name": name}):
            uniques[index].append(column)
        found[name] = Kept(columns, frozenset(tuple(key) for key in uniques.values()), tuple(faults))
    return found
