"""References on generated columns: of a child to what follows from a touched column, or of a column that follows."""

from __future__ import annotations

import random

from tests.chaos.worlds.making import Maker, Tab
from tests.chaos.worlds.words import INNODB, action, keys, text


def derived(made: Maker) -> None:
    """Before the main table is made: a generated column of it, and a child that refers to that."""
    column = made.subjects[0].column
    if made.partitions or made.more.get("parted") or column not in ("x", "u", made.v):
        return
    if not (own := made.rarely(0.07, "referred generated column")):
        return
    main, types = made.main, made.types
    if column == "x":
        kind, number, follows = types.whole, types.whole, "x * 1000 + nr"
    else:
        kind, number = ("TEXT", "TEXT") if made.engine == "sqlite" else ("VARCHAR(90)", "VARCHAR(9)")
        name = made.n(column)
        follows = f"CONCAT({name}, '-', nr)" if made.engine in INNODB else f"{name} || '-' || nr"
    main.columns["nr"] = number
    main.columns["gk"] = f"{kind} GENERATED ALWAYS AS ({follows}) STORED UNIQUE"
    told: list[str] = []
    for place, row in enumerate(main.rows):
        row["nr"] = str(place) if column == "x" else text(str(place))
        if row[column] != "NULL":
            told.append(str(int(row[column]) * 1000 + place) if column == "x" else f"{row[column][:-1]}-{place}'")
    child = _child(made, "wt_derived", kind)
    child.clauses.append(f"FOREIGN KEY (r) REFERENCES {made.q(main.place)} (gk){action(made.engine, own)}")
    _fill(child, own, told)
    made.followers.append(child)


def following(made: Maker) -> None:
    """A child whose reference to the main table is itself a generated column."""
    main = made.main
    if made.partitions or made.more.get("parted") or len(main.key) > 1 or made.tenants:
        return
    if not (own := made.rarely(0.05, "generated reference")):
        return
    kind = main.kind.referring()[0]
    child = _child(made, "wt_following", kind)
    child.columns["g"] = f"{kind} GENERATED ALWAYS AS (r) STORED"
    what = own.choice(["", " ON DELETE CASCADE", " ON DELETE CASCADE"])
    child.clauses.append(f"FOREIGN KEY (g) REFERENCES {made.q(main.place)} ({made.n(main.key[0])}){what}")
    spell = main.kind.spelled or main.kind.literals
    _fill(child, own, [spell(place + 1)[0] for place, _ in enumerate(main.rows)])
    made.followers.append(child)


def _child(made: Maker, name: str, kind: str) -> Tab:
    return Tab((made.home, name), {"id": made.types.whole, "r": kind}, ("id",), keys(made.engine)[0])


def _fill(child: Tab, own: random.Random, told: list[str]) -> None:
    for place, value in enumerate(own.sample(told, min(len(told), own.randint(1, 6)))):
        child.rows.append({"id": str(place + 1), "r": value})
