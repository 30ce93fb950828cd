"""Names beyond ASCII, with quotes and spaces, beside others that differ in case only, and names of trueup's own."""

from __future__ import annotations

from tests.chaos.worlds.making import Maker, Tab
from tests.chaos.worlds.words import INNODB

COLUMNS = (
    "Ä",
    "ä",
    "ß ﬁ",
    "two words",
    'a "quoted" one',
    "it's",
    "back`tick",
    "semi;colon--",
    "100%",
    ":x",
    "?",
    "select",
)
TABLES = ("wt Ä", "wt ä", 'wt "quoted"', "wt it's", "wt 表", "wt;--", "wt_i\u0307", "WT_ÄÖ")
#: What trueup calls tables within its own statements, now or before.
OURS = ("child0", "Child0", "SOURCE", "parent", "Kept", "trueup_child0", "Trueup_Referenced")


def named(made: Maker) -> None:
    """Before anything is made: what the main table and its column of words are called."""
    if own := made.rarely(0.08, "strange names"):
        made.v = own.choice(COLUMNS)
        made.called = own.choice(["", *TABLES, *OURS])
        if made.called in OURS:
            made.features.append("named as ours")


def strange(made: Maker) -> None:
    """Before the main table is made: a column and a table beside those whose names differ in case only."""
    main = made.main
    if made.v in ("Ä", "ä") and made.engine not in INNODB:
        main.columns[made.v.swapcase()] = made.types.words
        for number, row in enumerate(main.rows):
            row[made.v.swapcase()] = f"'beside {number}'"
    if made.called in ("wt Ä", "wt ä"):
        other = "wt ä" if made.called == "wt Ä" else "wt Ä"
        columns = {name: main.columns[name] for name in (*main.key, made.v)}
        beside = Tab((made.home, other), columns, main.key, main.kind, after=main.kind.options)
        beside.rows = [{name: row[name] for name in columns} for row in main.rows]
        made.followers.append(beside)
