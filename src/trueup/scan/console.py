"""The diagnostic SQL of a check, for someone at an SQL console."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, func, select

from trueup.check import Check, RowCheck
from trueup.errors import NotChecked
from trueup.results import Statement
from trueup.scan.one_pass import total
from trueup.sql.spelling import spelling
from trueup.stores.sql import SqlDatabase


def console(database: SqlDatabase, check: Check) -> list[Statement]:
    """The statements of one check: the broken rows, how many, by word, by group, by each context column.

    A check whose wording depends on data that only a session of that engine can read has one with a reason and no SQL.
    """
    words = spelling(database.dialect.name)
    found = []
    try:
        asked_of = list(queries(database, check))
    except NotChecked as error:
        return [Statement(check.title, f"no statement: {error}", "")]
    for asked, statement in asked_of:
        text = str(statement.compile(dialect=words, compile_kwargs={"literal_binds": True}))
        own = re.search(r"\btrueup_\w+(?=\()", text)
        note = f" ({own[0]} is a function that only trueup's own sessions have)" if own else ""
        found.append(Statement(check.title, asked + note, text))
    return found


def queries(database: SqlDatabase, check: Check) -> Iterator[tuple[str, Select[*tuple[Any, ...]]]]:
    """Pairs of a title and a statement."""
    broken = check.broken(database)
    row = broken.row
    key = [row[name] for name in row.table.key] or [row[name] for name in row.table.columns]
    context = [row[name] for name in (check.group_by, *check.context) if name]
    touched = [row[row.place(name)[0]] for name in check.columns]
    yield "broken rows", select(*key, *touched, *context).select_from(broken.source).where(broken.where)
    if isinstance(check, RowCheck):
        yield (
            "overall",
            select(
                func.count().label("rows"),
                total(broken.where).label("broken"),
                (100.0 * total(broken.where) / func.nullif(func.count(), 0)).label("percent"),
            ).select_from(broken.source),
        )
        if (word := check.measures(row).word) is not None:
            yield (
                "all rows by type",
                select(word.label("type"), func.count().label("rows"))
                .select_from(broken.source)
                .group_by(word)
                .order_by(func.count().desc()),
            )
    else:
        yield "overall", select(func.count().label("broken")).select_from(broken.source).where(broken.where)
    for name in dict.fromkeys(name for name in (check.group_by, *check.context) if name):
        by = row[name]
        if row.column(name).temporal:
            by = func.date(by)
        yield (
            f"broken rows by {name}",
            select(by.label("value"), func.count().label("broken"))
            .select_from(broken.source)
            .where(broken.where)
            .group_by(by)
            .order_by(func.count().desc())
            .limit(20),
        )
