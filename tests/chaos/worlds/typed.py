"""Types of the application whose names for their parts the migrator exchanges: composite types and enums."""

from __future__ import annotations

from tests.chaos.worlds.making import Maker
from tests.chaos.worlds.model import Act, Piece
from tests.chaos.worlds.words import text

MOMENTS = ("planned", "applied", "applied", "verified", "apply/committed/1", "undo/starting/1", "undo/committed/1")
WORDS = ("open", "paid", "unknown", "payed", "Paid ")


def typed(made: Maker) -> None:
    """A column of such a type in the main table, and mostly the migrator's act."""
    if made.engine != "postgresql" or not (own := made.rarely(0.1, "typed column")):
        return
    main, name = made.main, f"{made.n(made.home)}.wt_type"
    kind = own.choice(["composite", "enum", "touched enum"])
    if kind == "touched enum" and any(one.options["kind"] == "duplicate" for one in made.subjects):
        kind = "enum"
    made.features.append(kind)
    if kind == "composite":
        first, old, new, word = f"CREATE TYPE {name} AS (a text, b text)", "a", "b", "ATTRIBUTE {}"
        _column(made, "typed", name, [f"ROW('left {place}', 'right')::{name}" for place, _ in enumerate(main.rows)])
    else:
        words = WORDS if kind == "touched enum" else ("calm", "glad", "sad")
        first = f"CREATE TYPE {name} AS ENUM ({', '.join(map(text, words))})"
        old, new, word = words[0], words[1], "VALUE '{}'"
        if kind == "touched enum":
            main.columns[made.v] = name
        else:
            _column(made, "typed", name, [f"'{own.choice(words)}'" for _ in main.rows])
    made.pieces.append(Piece("type", (first,), (), False))
    if own.random() < 0.75:
        steps = ((old, "between"), (new, old), ("between", new))
        sql = tuple(f"ALTER TYPE {name} RENAME {word.format(one)} TO {_bare(word, two)}" for one, two in steps)
        column = made.v if kind == "touched enum" else "typed"
        labels = () if kind == "composite" else ((main.place, column, old, new), (main.place, column, new, old))
        at = own.choice(MOMENTS)
        made.acts.append(Act("exchange", at, "names exchanged in a type", sql, "migrator", ddl=True, labels=labels))


def _column(made: Maker, column: str, ddl: str, values: list[str]) -> None:
    made.main.columns[column] = ddl
    for row, value in zip(made.main.rows, values, strict=True):
        row[column] = value


def _bare(word: str, name: str) -> str:
    return f"'{name}'" if word.startswith("VALUE") else name
