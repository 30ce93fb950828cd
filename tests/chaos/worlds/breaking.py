"""What is broken in the main table of a world, and the checks that are to find it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.chaos.worlds.making import Maker
from tests.chaos.worlds.model import Subject
from tests.chaos.worlds.words import text

KINDS = ("missing", "missing", "orphan", "orphan", "duplicate", "out-of-range", "unknown-value", "wrong-json-type")


def subjects(made: Maker) -> None:
    rng = made.rng
    kinds = [rng.choice(KINDS)]
    own = made.rarely(0.06, "row of two checks") if made.engine != "sqlite" else None
    if rng.random() < 0.3:
        kinds.append(rng.choice([kind for kind in KINDS if kind != kinds[0]]))
    if own:
        made.shared, kinds = True, own.sample(["out-of-range", own.choice(["missing", "orphan", "wrong-json-type"])], 2)
    for wanted in kinds:
        kind = wanted
        if kind == "orphan" and not (made.parent and made.parent.place[0] == made.home):
            kind = "missing"
        if kind in [one.options["kind"] for one in made.subjects]:
            continue
        _MAKE[kind](made)
    made.features += [f"{one.options['kind']}/{one.options['repair'][0]}" for one in made.subjects]


def _some(made: Maker) -> list[dict[str, str]]:
    """The rows that get broken: in no order of their keys."""
    count = made.rng.randint(2, max(3, len(made.main.rows) // 3))
    chosen = made.rng.sample(range(len(made.main.rows)), count)
    if made.shared:
        chosen = [*dict.fromkeys([*sorted(made.main.broken)[: count - 1], *chosen])][:count]
    made.main.broken |= set(chosen)
    return [made.main.rows[number] for number in chosen]


def _subject(made: Maker, column: str, repair: str, options: dict[str, Any], **facts: Any) -> None:
    more = {name: facts.pop(name) for name in ("parent", "parent_column", "folded") if name in facts}
    table = made.main.place[1]
    told = {"table": table, "name": f"c{len(made.subjects)}", "repair": [repair], **options}
    made.subjects.append(Subject(told, made.main.place, made.main.key, column, facts=facts, **more))


def _missing(made: Maker) -> None:
    column = "u" if "u" in made.main.columns and made.rng.random() < 0.6 else made.v
    repair = made.rng.choice(["fill", "quarantine"])
    rows = _some(made)
    for row in rows:
        row[column] = "NULL"
    options: dict[str, Any] = {"kind": "missing", "column": column}
    if repair == "fill":
        taken = [row[column] for row in made.main.rows if row[column] != "NULL"]
        value = "unknown" if column == made.v or made.rng.random() < 0.4 else made.rng.choice(taken).strip("'")
        options["fill"] = value
        _subject(made, column, repair, options, value=value)
    else:
        _subject(made, column, repair, options)


def _orphan(made: Maker) -> None:
    parent = made.parent
    assert parent
    for number, row in enumerate(_some(made)):
        row["p"] = parent.kind.literals(40 + number % 3)[0]
    repair = made.rng.choice(["nullify", "quarantine"])
    options = {"kind": "orphan", "column": "p", "references": f"{parent.place[1]}.id"}
    value = {"value": "NULL"} if repair == "nullify" else {}
    _subject(made, "p", repair, options, parent=parent.place, parent_column="id", folded=parent.kind.folded, **value)


def _duplicate(made: Maker) -> None:
    rows = _some(made)
    for row in made.main.rows:
        row[made.v] = text("d" + row["note"][5:].strip("'"))
    for row in rows:
        row[made.v] = "'twice'"
    _subject(made, made.v, "quarantine", {"kind": "duplicate", "column": made.v})


def _range(made: Maker) -> None:
    for row in _some(made):
        row["x"] = made.rng.choice(["-5", "1000", "101"])
    repair = made.rng.choice(["clamp", "nullify"])
    options = {"kind": "out-of-range", "column": "x", "minimum": "0", "maximum": "100"}
    _subject(made, "x", repair, options)


def _unknown(made: Maker) -> None:
    if any(one.options["kind"] == "duplicate" for one in made.subjects):
        return
    for row in _some(made):
        row[made.v] = made.rng.choice(["'payed'", "'Paid '"])
    repair = made.rng.choice(["replace", "nullify", "respell"])
    options: dict[str, Any] = {"kind": "unknown-value", "column": made.v, "allowed": ["open", "paid", "unknown"]}
    if repair == "replace":
        options["replace"] = {"payed": "paid"}
    _subject(made, made.v, repair, options, allowed=["open", "paid", "unknown"])


def _json(made: Maker) -> None:
    made.main.columns["j"] = made.types.json
    for row in made.main.rows:
        row["j"] = """'{"a": 1}'"""
    for row in _some(made):
        row["j"] = made.rng.choice(["'\"{}\"'", "'[1]'", "'42.5'", "'\"x\"'"])
    repair = made.rng.choice(["decode", "wrap", "nullify"])
    _subject(made, "j", repair, {"kind": "wrong-json-type", "column": "j", "expected": "object"})


_MAKE: dict[str, Callable[[Maker], None]] = {
    "missing": _missing,
    "orphan": _orphan,
    "duplicate": _duplicate,
    "out-of-range": _range,
    "unknown-value": _unknown,
    "wrong-json-type": _json,
}
