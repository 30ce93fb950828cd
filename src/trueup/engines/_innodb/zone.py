"""Finds values of a table of MySQL or MariaDB that were computed in the time zone of a session.

A TIMESTAMP is a moment, which expressions see as the clock of the session's zone. A stored column or an index over such
an expression was computed in the application's zone. A write from our sessions, which are in UTC, computes it again:
other values, and an index that no longer fits its table (CHECK TABLE: corrupt).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from trueup.engines._innodb.computed import Computed
from trueup.engines._innodb.sql import kind_of
from trueup.sql.tables import Column

_ASKS = re.compile(r"\b(?:unix_timestamp|from_unixtime)\(", re.IGNORECASE)


def zoned(computed: Computed, columns: Sequence[Column]) -> list[str]:
    """Return clauses that say which generated columns and indexes forbid writing to the table."""
    made, indexes = computed.expressions, computed.indexes
    kept = {*computed.stored, *(column for _, column, _ in indexes if column is not None)}

    moments = {column.name for column in columns if kind_of(column.ddl).word == "timestamp"}
    plain = moments - made.keys()
    found = moments & made.keys()  # another type becomes a TIMESTAMP by the zone
    while more := {one for one in made.keys() - found if _depends(made[one], plain, found)}:
        found |= more
    clauses = [f"its generated column {column!r}" for column in sorted(found & kept)]
    clauses += sorted(
        {
            f"its index {index!r}"
            for index, _, expression in indexes
            if expression is not None and _depends(expression, plain, found)
        }
    )
    return [f"{clause} depends on the session's time zone, and nothing tells the application's" for clause in clauses]


def _depends(expression: str, plain: Collection[str], found: Collection[str]) -> bool:
    """Whether an expression uses one of the TIMESTAMPs in `plain` as a clock time, or reads a column in `found`."""
    # unquoted where the session that created it had sql_quote_show_create off
    quoted = "`" in expression

    def spelled(name: str) -> str:
        return re.escape("`" + name.replace("`", "``") + "`") if quoted else rf"(?<![\w$]){re.escape(name)}(?![\w$(])"

    for name in plain:  # alike in every zone
        column = spelled(name)
        alike = rf"(?:unix_timestamp|isnull)\({column}\)|{column} (?:is (?:not )?null|at time zone)\b"
        expression = re.sub(alike, "", expression, flags=re.IGNORECASE)
    return bool(_ASKS.search(expression)) or any(
        re.search(spelled(name), expression, re.IGNORECASE) for name in (*plain, *found)
    )
