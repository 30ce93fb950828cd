"""Sessions of the application in a zone with summer time, and columns that follow from a moment in its words."""

from __future__ import annotations

from tests.chaos.worlds.making import Maker
from tests.chaos.worlds.model import Piece
from tests.chaos.worlds.words import text

#: Made in the server's own tables, which are empty where nobody filled them.
ZONE = "Wt/Berlin"
_ZONE = (
    "REPLACE INTO mysql.time_zone VALUES (990, 'N')",
    f"REPLACE INTO mysql.time_zone_name VALUES ('{ZONE}', 990)",
    "REPLACE INTO mysql.time_zone_transition_type VALUES (990, 0, 3600, 0, 'CET'), (990, 1, 7200, 1, 'CEST')",
    "REPLACE INTO mysql.time_zone_transition VALUES (990, 1711846800, 1), (990, 1729990800, 0), (990, 1743296400, 1)",
)
#: Before and in the hour that is there twice, and others; all in UTC.
MOMENTS = (
    "2024-10-26 23:30:00",
    "2024-10-27 00:30:00",
    "2024-10-27 01:30:00",
    "2024-03-31 00:59:59",
    "2024-07-01 12:00:00",
)


def zones(made: Maker) -> None:
    """Before the main table is made: its moments, and mostly a column that shows them as the session's zone does."""
    if made.engine == "sqlite" or not (own := made.rarely(0.07, "summer time")):
        return
    main, postgresql = made.main, made.engine == "postgresql"
    shown = own.random() < 0.7
    main.columns["seen"] = "timestamptz" if postgresql else "TIMESTAMP NULL"
    for row in main.rows:
        row["seen"] = _moment(own.choice(MOMENTS), postgresql=postgresql)
    if postgresql:
        zone, name = own.choice(["Europe/Berlin", "America/New_York"]), f"{made.n(made.home)}.wt_shown"
        if shown:
            body = "SELECT to_char(t, 'YYYY-MM-DD HH24:MI TZH')"
            told = f"CREATE FUNCTION {name}(t timestamptz) RETURNS text IMMUTABLE LANGUAGE sql AS $$ {body} $$"
            made.pieces.append(Piece("shown", (told,), (), False))
            main.columns["gz"] = f"text GENERATED ALWAYS AS ({name}(seen)) STORED"
        here, server = f"SET TimeZone = '{zone}'", f"ALTER DATABASE chaos SET TimeZone = '{zone}'"
        back = "SET TimeZone = 'UTC'"
    else:
        if shown:
            follows = own.choice(["HOUR(seen)", "DATE(seen)", "CONCAT(seen, '')", "seen > '2024-10-27 02:00:00'"])
            stored = own.choice(["STORED", "STORED", "VIRTUAL"])
            main.columns["gz"] = f"VARCHAR(40) GENERATED ALWAYS AS ({follows}) {stored}"
            if own.random() < 0.5 and not main.after:
                main.clauses.append("INDEX wt_shown (gz)")
        made.pieces.append(Piece("zone", _ZONE, (), False))
        here, server = f"SET SESSION time_zone = '{ZONE}'", f"SET GLOBAL time_zone = '{ZONE}'"
        back = "SET SESSION time_zone = '+00:00'"
    made.pieces.append(Piece("in the zone", (here,), (), False))
    made.last += [Piece("zone of all", (server,), (), False), Piece("out of the zone", (back,), (), False)]


def _moment(utc: str, *, postgresql: bool) -> str:
    if postgresql:
        return f"TIMESTAMPTZ {text(utc + '+00')}"
    return f"CONVERT_TZ({text(utc)}, '+00:00', {text(ZONE)})"
