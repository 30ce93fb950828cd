"""Why a table of PostgreSQL cannot be repaired: what would happen beside a write, and what this role cannot see."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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


def obstacles(
    name: str, about: Any, columns: Sequence[Mapping[str, Any]], triggers: Sequence[Any], rules: Sequence[str]
) -> list[str]:
    """Clauses for `Table.obstacles`."""
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
    """Clauses for `Table.unseen`, of one key that refers to the table."""
    if not row.readable:
        yield (
            f"rows of {row.child_spelled} may refer to it, which this role may not read"
            f" (GRANT USAGE ON the schema and SELECT ON {row.child_spelled})"
        )
    elif row.hidden:
        yield f"rows of {row.child_spelled} may refer to it, and row security hides them from this role"


def is_guard(trigger: Any) -> bool:
    """Whether a trigger is a guard of ours: by its name, and by a function that is one condition and one refusal.

    The function must fit as a whole, and call nothing but the system's own functions, so that a trigger which does
    anything else is taken for somebody else's.
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
