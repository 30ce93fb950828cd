"""What belongs to the application's table besides its rows, and the engine's own word on whether the table is whole."""

from __future__ import annotations

import re

from tests.chaos.app import TABLE
from tests.chaos.plain import ERRORS, Session

_POSTGRESQL = f"""
SELECT 'column', attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull FROM pg_attribute
 WHERE attrelid = '{TABLE}'::regclass AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'constraint', pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '{TABLE}'::regclass
UNION ALL SELECT 'index', pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = '{TABLE}'::regclass
UNION ALL SELECT 'trigger', pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger
 WHERE tgrelid = '{TABLE}'::regclass AND NOT tgisinternal
UNION ALL SELECT 'sequence', sequencename || ' ' || coalesce(last_value, 0) FROM pg_sequences
 WHERE schemaname = 'public'
UNION ALL SELECT 'grant', coalesce(relacl::text, '') FROM pg_class WHERE oid = '{TABLE}'::regclass
"""


def belongings(session: Session) -> list[str]:
    """Columns, constraints, indexes, triggers, sequences and grants, as the catalogue spells them."""
    if session.engine == "sqlite":
        asked = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '%_trueup_%' AND tbl_name = ?"
        return sorted(map(str, session.rows(asked, TABLE)))
    if session.engine == "postgresql":
        return sorted(map(str, session.rows(_POSTGRESQL)))
    created = str(session.rows(f"SHOW CREATE TABLE {TABLE}")[0][1])
    triggers = session.rows(
        "SELECT trigger_name, action_statement FROM information_schema.triggers "
        "WHERE event_object_schema = DATABASE() AND event_object_table = ?",
        TABLE,
    )
    return sorted([re.sub(r" AUTO_INCREMENT=\d+", "", created), *map(str, triggers)])


def damage(session: Session) -> str:
    """What the engine's own check of the table finds, or nothing."""
    if session.engine == "sqlite":
        ((word,),) = session.rows("PRAGMA integrity_check(1)")
        return "" if word == "ok" else str(word)
    if session.engine == "postgresql":
        try:
            session.run("CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA pg_catalog")
            session.rows(f"SELECT bt_index_check(indexrelid, true) FROM pg_index WHERE indrelid = '{TABLE}'::regclass")
        except ERRORS as error:
            missing = getattr(error, "sqlstate", "") in ("0A000", "58P01")  # a server without its extensions
            return "" if missing else repr(error)
        return ""
    *_, (_, _, kind, word) = session.rows(f"CHECK TABLE {TABLE}")
    return "" if (kind, word) == ("status", "OK") else f"{kind} {word}"
