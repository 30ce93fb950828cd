"""Reads what MySQL and MariaDB compute by themselves: generated columns, and indexes over expressions."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

#: Texts, quoted names, numbers and other words, and signs one by one.
_TOKEN = re.compile(r"'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`|[\w$]+(?:\.\d+)?|<=>|<>|\S", re.DOTALL)


@dataclass(frozen=True)
class Computed:
    """The expressions of generated columns by name, the names of the stored ones, and the parts of the indexes.

    Each part of an index is (index, column, expression); column is None for an expression.
    """

    expressions: Mapping[str, str]
    stored: Collection[str]
    indexes: Sequence[tuple[str, str | None, str | None]]

    def sources(self, expression: str, columns: Collection[str]) -> frozenset[str]:
        """Return the columns that an expression is computed from, directly or through other generated columns."""
        names = {name.lower(): name for name in columns}
        found, more = set[str](), named(expression, names)
        while more - found:
            found |= more
            more = {one for name in more if name in self.expressions for one in named(self.expressions[name], names)}
        return frozenset(found)

    def kept(self, columns: Collection[str]) -> dict[str, frozenset[str]]:
        """Return the stored generated columns, each with its sources."""
        return {name: self.sources(self.expressions[name], columns) for name in self.expressions if name in self.stored}


def computed(connection: Connection, schema: str, name: str, *, mariadb: bool) -> Computed:
    """Read what a table computes."""
    where: dict[str, Any] = {"schema": schema, "name": name}
    columns = connection.execute(
        sa.text(
            "SELECT COLUMN_NAME, GENERATION_EXPRESSION, EXTRA FROM information_schema.COLUMNS "
            "WHERE TABLE_SCHEMA = :schema AND TABLE_NAME = :name AND GENERATION_EXPRESSION <> ''"
        ),
        where,
    ).all()
    indexes = connection.execute(
        sa.text(
            # all columns: EXPRESSION is there on MySQL only
            "SELECT * FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = :schema AND TABLE_NAME = :name"
        ),
        where,
    ).mappings()
    told = str if mariadb else _unescaped
    return Computed(
        {str(column): told(str(expression)) for column, expression, _ in columns},
        frozenset(str(column) for column, _, extra in columns if "VIRTUAL" not in str(extra).upper()),
        [
            (str(row["INDEX_NAME"]), row["COLUMN_NAME"], row.get("EXPRESSION") and told(str(row["EXPRESSION"])))
            for row in indexes
        ],
    )


def _unescaped(expression: str) -> str:
    """Remove the backslashes: MySQL shows an expression as if it were a quoted string."""
    return re.sub(r"\\(.)", r"\1", expression, flags=re.DOTALL)


def tokens(expression: str, names: Mapping[str, str]) -> list[str]:
    """Return the texts, words and signs of an expression in order. A column becomes its name after a back-tick.

    `names` are all columns, by their names in lower case.
    """
    found: list[str] = _TOKEN.findall(expression)
    # unquoted where the session that created it had sql_quote_show_create off
    quoted = "`" in expression
    told = []
    for before, token, after in zip(["", *found], found, [*found[1:], ""], strict=False):
        name = token[1:-1].replace("``", "`") if token.startswith("`") else ""
        if name:
            told.append("`" + names.get(name.lower(), name))
        elif not quoted and token.lower() in names and before.lower() not in ("as", "returning") and after != "(":
            told.append("`" + names[token.lower()])
        else:
            told.append(token)
    return told


def named(expression: str, names: Mapping[str, str]) -> set[str]:
    """Return the columns that an expression names."""
    return {token[1:] for token in tokens(expression, names) if token.startswith("`")}
