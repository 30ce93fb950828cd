"""What a server or a database prescribes to every session: how much it sees, how it spells names, how long it lives."""

from __future__ import annotations

from tests.chaos.worlds.making import Maker
from tests.chaos.worlds.model import Piece

#: The settings of InnoDB's servers; the ground takes them back before the next world.
GLOBAL = ("sql_select_limit", "max_sort_length", "group_concat_max_len", "sql_quote_show_create", "sql_auto_is_null")
_INNODB = (
    "sql_select_limit = 3", "sql_select_limit = 1", "max_sort_length = 8", "group_concat_max_len = 8",
    "sql_quote_show_create = 0", "sql_auto_is_null = 1",
)  # fmt: skip
_POSTGRESQL = (
    "quote_all_identifiers = on", "quote_all_identifiers = on", "idle_in_transaction_session_timeout = '100ms'",
    "statement_timeout = '20ms'", "lock_timeout = '1ms'", "extra_float_digits = -10", "intervalstyle = 'sql_standard'",
    "default_transaction_deferrable = on", "enable_seqscan = off", "xmloption = 'document'", "array_nulls = off",
)  # fmt: skip


def limits(made: Maker) -> None:
    """After all tables are made: one or two of them."""
    if made.engine == "sqlite" or not (own := made.rarely(0.08, "limits of sessions")):
        return
    postgresql = made.engine == "postgresql"
    chosen = own.sample(_POSTGRESQL if postgresql else _INNODB, own.choice([1, 1, 2]))
    who = "ALTER DATABASE chaos SET" if postgresql else "SET GLOBAL"
    made.last.append(Piece("limits", tuple(f"{who} {one}" for one in chosen), (), False))
