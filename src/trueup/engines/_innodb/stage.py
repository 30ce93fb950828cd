"""Sends the operations of a chunk to MySQL and MariaDB."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause, func

from trueup.engines._innodb import errors, session
from trueup.engines._innodb.sql import hexadecimal, json_table, kind_of, staged, using
from trueup.sql.reading import Stage
from trueup.sql.tables import Table


def stage(connection: Connection, table: Table, ops: Sequence[tuple[int, str, str, Sequence[str]]]) -> Stage:
    """Send one JSON text, which JSON_TABLE unpacks into columns of the key's own types."""
    kinds = [kind_of(table.columns[name].ddl) for name in table.key]
    columns = [
        ("seq", "BIGINT", "$[0]"),
        ("before", "CHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "$[1]"),
        ("after", "CHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "$[2]"),
        *((f"k{number}", staged(kind), f"$[{number + 3}]") for number, kind in enumerate(kinds)),
    ]
    document = sa.bindparam("trueup_ops", type_=sa.Text)
    rows = [[seq, before, after, *tokens] for seq, before, after, tokens in ops]
    relation: FromClause = json_table(document, columns, "trueup_stage")
    if any(hexadecimal(kind) for kind in kinds):
        inner = json_table(document, columns, "trueup_item")
        parts: list[ColumnElement[Any]] = [inner.c[name] for name in ("seq", "before", "after")]
        for number, kind in enumerate(kinds):
            part: ColumnElement[Any] = inner.c[f"k{number}"]
            if hexadecimal(kind):
                part = func.unhex(part)
                if kind.charset:
                    part = using(part, kind.charset).collate(kind.collation)
            parts.append(part.label(f"k{number}"))
        relation = sa.select(*parts).subquery("trueup_stage")
    text = json.dumps(rows)
    if len(ops) > 1 and 2 * len(text) > session.packet(connection):
        raise errors.refused(connection, errors.TOO_LARGE)  # a smaller chunk fits
    return Stage(relation, {"trueup_ops": text})
