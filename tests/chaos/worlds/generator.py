"""From one number a world: tables with keys of every kind, references, broken rows, side objects, and acts."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.chaos.worlds.acting import acts
from tests.chaos.worlds.model import Key, Piece, Place, Subject, World
from tests.chaos.worlds.special import shape, special
from tests.chaos.worlds.words import INNODB, TYPES, KeyKind, Types, action, keys, repaired, text

KINDS = ("missing", "missing", "orphan", "orphan", "duplicate", "out-of-range", "unknown-value", "wrong-json-type")
WEIRD = ("wt_items", "wt_items", "wt_items", "wt Mixed", "wt_50%", "wt_ümlaut", "-wt_dash")


@dataclass
class Tab:
    """A table while it is made: columns by name with their definitions, rows as literals."""

    place: Place
    columns: dict[str, str]
    key: tuple[str, ...]
    kind: KeyKind
    rows: list[dict[str, str]] = field(default_factory=list)
    #: Clauses at the end of CREATE TABLE (before the closing bracket), and after it.
    clauses: list[str] = field(default_factory=list)
    after: str = ""
    primary: str = "PRIMARY KEY"
    broken: set[int] = field(default_factory=set)


@dataclass
class Maker:
    """What a world is made of, and how far it is."""

    engine: str
    rng: random.Random
    pieces: list[Piece] = field(default_factory=list)
    subjects: list[Subject] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    #: A foreign key of the main table that is added when the rows are there.
    late: str = ""
    #: Whether rows break a declared key from the start.
    dangling: bool = False
    #: Whether two tenants have one table each, of the same shape, and nothing else.
    tenants: bool = False
    home: str = ""
    main: Tab = None  # type: ignore[assignment]  # set by `generate`
    parent: Tab | None = None
    #: A second table that the main one refers to, by a key that is sound; its last row is for broken rows only.
    tenant: Tab | None = None
    children: list[Tab] = field(default_factory=list)
    #: What tables had to be preceded by, said once.
    said: set[str] = field(default_factory=set)
    #: Statements that make the partitions of the main table; pieces that come last.
    partitions: tuple[str, ...] = ()
    last: list[Piece] = field(default_factory=list)

    @property
    def types(self) -> Types:
        """The engine's words for columns."""
        return TYPES[self.engine]

    def q(self, place: Place) -> str:
        """A table as SQL spells it."""
        name = self.types.name(place[1])
        return name if self.engine == "sqlite" else f"{self.types.name(place[0])}.{name}"

    def n(self, name: str) -> str:
        """A column as SQL spells it."""
        return self.types.name(name)

    def chance(self, share: float, feature: str = "") -> bool:
        """Whether something is there; its name is remembered."""
        yes = self.rng.random() < share
        if yes and feature:
            self.features.append(feature)
        return yes

    def table(self, tab: Tab, *, spare: bool = True, needs: tuple[str, ...] = ()) -> None:
        """A piece that makes a table, and pieces for its rows."""
        parts = [f"{self.n(name)} {ddl}" for name, ddl in tab.columns.items()]
        single = self.engine == "sqlite" and len(tab.key) == 1 and tab.primary == "PRIMARY KEY"
        if single:  # only then is it the rowid
            at = list(tab.columns).index(tab.key[0])
            parts[at] += " PRIMARY KEY"
        else:
            parts.append(f"{tab.primary} ({', '.join(map(self.n, tab.key))})")
        made = f"CREATE TABLE {self.q(tab.place)} ({', '.join([*parts, *tab.clauses])}){tab.after}"
        name = f"table {'.'.join(tab.place)}"
        for statement in tab.kind.first:
            if statement not in self.said:
                self.said.add(statement)
                self.pieces.append(Piece(statement, (statement,), (), False))
        parts = list(self.partitions) if tab is self.main else []
        self.pieces.append(Piece(name, (made, *parts), needs, spare))
        for number, row in enumerate(tab.rows):
            told = ", ".join(map(self.n, row))
            insert = f"INSERT INTO {self.q(tab.place)} ({told}) VALUES ({', '.join(row.values())})"
            self.pieces.append(Piece(f"row {number} of {'.'.join(tab.place)}", (insert,), (name,)))


def generate(engine: str, seed: int) -> World:
    """The world of a number."""
    rng = random.Random(f"{engine} {seed}")
    home = {"sqlite": "main", "postgresql": "public"}.get(engine, "chaos")
    made = Maker(engine, rng, home=home)
    if engine == "postgresql" and made.chance(0.3, "search_path"):
        made.home = "tenant_a"
    made.tenants = made.home == "tenant_a" and made.chance(0.4, "tenants")
    _main(made)
    if not made.tenants:
        _parent(made)
    _subjects(made)
    if not made.tenants:
        _tenant(made)
        shape(made)
    for above in (made.parent, made.tenant):
        if above:
            made.table(above)
    _unchecked(made, lambda: made.table(made.main, spare=False))
    if made.late and made.parent:
        sound = not made.dangling and "orphan" not in [one.options["kind"] for one in made.subjects]
        valid = "" if sound and rng.random() < 0.5 else " NOT VALID"
        sql = f"ALTER TABLE {made.q(made.main.place)} ADD CONSTRAINT wt_fk {made.late}{valid}"
        made.features += ["NOT VALID"] if valid else []
        made.pieces.append(Piece("late key", (sql,), (f"table {'.'.join(made.parent.place)}",)))
    if not made.tenants:
        _children(made)
    _twins(made)
    special(made)
    made.pieces.append(
        Piece(
            "table audit",
            (f"CREATE TABLE {made.q((made.home, 'audit'))} (n {made.types.whole}, t {made.types.short})",),
            (),
            False,
        )
    )
    made.pieces += made.last
    if engine == "postgresql" and made.home != "public":
        made.pieces.insert(0, Piece("schema", ("CREATE SCHEMA tenant_a", "CREATE SCHEMA tenant_b"), (), False))
        made.pieces.append(
            Piece("search_path", ("ALTER DATABASE chaos SET search_path = tenant_a, public",), (), False)
        )
    world = World(
        engine,
        seed,
        tuple(made.pieces),
        (),
        tuple(made.subjects),
        tuple(made.keys),
        features=tuple(dict.fromkeys(made.features)),
        together=len(made.subjects) > 1 and rng.random() < 0.5,
        prelude=("PRAGMA foreign_keys = ON",) if engine == "sqlite" and rng.random() < 0.8 else (),
        **made.more,
    )
    world = replace(world, acts=tuple(acts(made, world)))
    if rng.random() < 0.06 and not world.together:
        world = replace(world, killed=rng.choice(["apply", "undo"]), hit=rng.randint(1, 40), acts=())
    return world


def _unchecked(made: Maker, work: Callable[[], None]) -> None:
    """Load with references unchecked, as an import does; SQLite's setup has them off anyhow."""
    if made.engine in INNODB:
        made.pieces.append(Piece("checks off", ("SET foreign_key_checks = 0",), (), False))
        work()
        made.pieces.append(Piece("checks on", ("SET foreign_key_checks = 1",), (), False))
    else:
        work()


def _main(made: Maker) -> None:
    rng, types = made.rng, made.types
    known = keys(made.engine)
    kind = known[0] if rng.random() < 0.25 else rng.choice(known)
    if kind.feature:
        made.features.append(kind.feature)
    columns = dict(kind.columns)
    tab = Tab((made.home, rng.choice(WEIRD)), columns, tuple(columns), kind, after=kind.options)
    columns["v"] = types.short
    columns["note"] = types.words
    columns["x"] = types.whole
    if made.chance(0.35, "unique column"):
        columns["u"] = f"{types.short} UNIQUE"
    if made.engine == "sqlite" and "u" in columns and made.chance(0.6, "conflict clause"):
        columns["u"] += f" ON CONFLICT {rng.choice(['REPLACE', 'REPLACE', 'IGNORE', 'ROLLBACK', 'FAIL'])}"
    for number in range(1, rng.randint(12, 34)):
        row = dict(zip(tab.key, kind.literals(number), strict=True))
        row |= {"v": rng.choice(["'open'", "'paid'"]), "note": text(f"note {number}"), "x": str(number % 100)}
        if "u" in columns:
            row["u"] = text(f"u{number}")
        tab.rows.append(row)
    made.main = tab


def _parent(made: Maker) -> None:
    rng = made.rng
    if rng.random() < 0.3:
        return
    kind = rng.choice([one for one in keys(made.engine) if len(one.columns) == 1])
    home = made.home
    if made.engine in INNODB and made.chance(0.25, "parent in another database"):
        home = "other"
        made.pieces.append(Piece("database other", ("CREATE DATABASE other CHARACTER SET utf8mb4",), (), False))
    tab = Tab(
        (home, "wt_parents"), {**dict(kind.columns), "label": made.types.short}, ("id",), kind, after=kind.options
    )
    for number in range(1, rng.randint(3, 9)):
        tab.rows.append({"id": kind.literals(number)[0], "label": text(f"parent {number}")})
    made.parent = tab
    plain = kind.child[0] if kind.child else kind.columns[0][1]
    plain = plain.replace("NOT NULL", "").replace("AUTO_INCREMENT", "").replace(" COLLATE NOCASE", "").strip()
    made.main.columns["p"] = plain
    spell = kind.spelled or kind.literals
    for row in made.main.rows:
        row["p"] = "NULL" if rng.random() < 0.1 else spell(rng.randint(1, len(tab.rows)))[0]
    enforced = rng.random() < 0.5
    if enforced:
        made.features.append("declared reference")
        told = f"FOREIGN KEY ({made.n('p')}) REFERENCES {made.q(tab.place)} ({made.n('id')}){action(made.engine, rng)}"
        if made.engine == "postgresql":
            made.late = told
        else:
            made.main.clauses.append(told)
        made.keys.append(Key(made.main.place, ("p",), tab.place, ("id",), kind.folded))
        if made.chance(0.25, "loaded dangling"):
            made.dangling = True
            for row in rng.sample(made.main.rows, 4):
                row["p"] = kind.literals(40)[0]


def _tenant(made: Maker) -> None:
    if not made.chance(0.35, "second parent"):
        return
    rng, kind = made.rng, keys(made.engine)[0]
    tab = Tab((made.home, "wt_tenants"), {**dict(kind.columns), "label": made.types.short}, ("id",), kind)
    tab.rows = [{"id": str(number), "label": text(f"tenant {number}")} for number in (1, 2, 99)]
    made.main.columns["q"] = f"{kind.columns[0][1]} NOT NULL"
    orphan = any(one.options["kind"] == "orphan" for one in made.subjects)
    lost = {made.parent.kind.literals(one)[0] for one in (40, 41, 42)} if made.parent and orphan else set()
    for number, row in enumerate(made.main.rows):
        mine = row.get("p") in lost if lost else number in made.main.broken
        row["q"] = "99" if mine and rng.random() < 0.7 else rng.choice(["1", "2"])
    made.main.clauses.append(
        f"FOREIGN KEY (q) REFERENCES {made.q(tab.place)} (id){rng.choice(['', ' ON DELETE CASCADE'])}"
    )
    made.keys.append(Key(made.main.place, ("q",), tab.place, ("id",)))
    made.tenant = tab


# -- what is broken ---------------------------------------------------------------------------------------------------
def _subjects(made: Maker) -> None:
    rng = made.rng
    kinds = [rng.choice(KINDS)]
    if rng.random() < 0.3:
        kinds.append(rng.choice([kind for kind in KINDS if kind != kinds[0]]))
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
    made.main.broken |= set(chosen)
    return [made.main.rows[number] for number in chosen]


def _subject(made: Maker, column: str, repair: str, options: dict[str, Any], **facts: Any) -> None:
    more = {name: facts.pop(name) for name in ("parent", "parent_column", "folded") if name in facts}
    table = made.main.place[1]
    told = {"table": table, "name": f"c{len(made.subjects)}", "repair": [repair], **options}
    made.subjects.append(Subject(told, made.main.place, made.main.key, column, facts=facts, **more))


def _missing(made: Maker) -> None:
    column = "u" if "u" in made.main.columns and made.rng.random() < 0.6 else "v"
    repair = made.rng.choice(["fill", "quarantine"])
    rows = _some(made)
    for row in rows:
        row[column] = "NULL"
    options: dict[str, Any] = {"kind": "missing", "column": column}
    if repair == "fill":
        taken = [row[column] for row in made.main.rows if row[column] != "NULL"]
        value = "unknown" if column == "v" or made.rng.random() < 0.4 else made.rng.choice(taken).strip("'")
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
        row["v"] = text("d" + row["note"][5:].strip("'"))
    for row in rows:
        row["v"] = "'twice'"
    _subject(made, "v", "quarantine", {"kind": "duplicate", "column": "v"})


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
        row["v"] = made.rng.choice(["'payed'", "'Paid '"])
    repair = made.rng.choice(["replace", "nullify", "respell"])
    options: dict[str, Any] = {"kind": "unknown-value", "column": "v", "allowed": ["open", "paid", "unknown"]}
    if repair == "replace":
        options["replace"] = {"payed": "paid"}
    _subject(made, "v", repair, options, allowed=["open", "paid", "unknown"])


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


# -- who refers to it -------------------------------------------------------------------------------------------------
def _children(made: Maker) -> None:
    rng, main = made.rng, made.main
    for number in range(0 if made.more.pop("parted", False) else rng.choice([0, 1, 1, 2])):
        home = made.home
        if made.engine in INNODB and made.chance(0.3, "child in another database"):
            home = f"kids{number}"
            made.pieces.append(Piece(f"database {home}", (f"CREATE DATABASE {home} CHARACTER SET utf8mb4",), (), False))
        if made.engine == "postgresql" and made.chance(0.3, "child in another schema"):
            home = f"kids{number}"
            made.pieces.append(Piece(f"schema {home}", (f"CREATE SCHEMA {home}",), (), False))
        kind = main.kind
        child = Tab(
            (home, f"wt_kids{number}"),
            {"id": made.types.whole, "note": made.types.short},
            ("id",),
            keys(made.engine)[0],
        )
        names = [f"r{part}" for part, _ in enumerate(main.key)]
        child.columns |= dict(zip(names, kind.referring(), strict=True))
        spell = kind.spelled or kind.literals
        healthy = rng.random() < 0.7
        for place in range(rng.randint(1, 8)):
            at = rng.randrange(len(main.rows))
            if healthy and at in main.broken:
                continue
            row = {"id": str(place + 1), "note": text(f"kid {place}")}
            child.rows.append(row | dict(zip(names, spell(at + 1), strict=True)))
        if rng.random() < 0.85:
            told = (
                f"FOREIGN KEY ({', '.join(map(made.n, names))}) REFERENCES {made.q(main.place)} "
                f"({', '.join(map(made.n, main.key))}){action(made.engine, rng)}"
            )
            if made.engine in ("sqlite", "postgresql") and made.chance(0.2, "deferred reference"):
                told += " DEFERRABLE INITIALLY DEFERRED"
            child.clauses.append(told)
            made.keys.append(Key(child.place, tuple(names), main.place, main.key, kind.folded))
            made.features.append("children")
        made.children.append(child)
        made.table(child)


def _twins(made: Maker) -> None:
    """Tables of the same name elsewhere, that nobody may touch."""
    if made.engine == "sqlite" or not made.chance(1 if made.tenants else 0.4, "twin"):
        return
    home = "tenant_b" if made.engine == "postgresql" else "twin"
    if made.engine in INNODB:
        made.pieces.append(Piece("database twin", ("CREATE DATABASE twin CHARACTER SET utf8mb4",), (), False))
    elif made.home == "public":
        made.pieces.append(Piece("schema tenant_b", ("CREATE SCHEMA tenant_b",), (), False))
    main = made.main
    twin = Tab((home, main.place[1]), dict(main.columns), main.key, main.kind, primary=main.primary)
    if "boss" not in main.columns and not made.more.get("parts"):
        twin.clauses, twin.after = list(main.clauses), main.kind.options
    twin.rows = [dict(row) for row in main.rows]
    kind = made.rng.choice(["same", "mended"] if made.tenants else ["other", "same", "mended"])
    for row in twin.rows:
        if kind == "other":
            row |= {"note": text("twin's own"), "v": "'open'"}
        for subject in made.subjects if kind == "mended" else ():
            value = repaired(subject)
            if (
                row[subject.column] == "NULL"
                or value in ("NULL", "100")
                or row[subject.column] in ("'payed'", "'Paid '")
            ):
                row[subject.column] = value if value in ("NULL", "100") else text(value)
    needs = tuple(f"table {'.'.join(one.place)}" for one in (made.parent, made.tenant) if one and twin.clauses)
    _unchecked(made, lambda: made.table(twin, needs=needs))
    if made.late and "boss" not in main.columns and made.parent:
        sql = f"ALTER TABLE {made.q(twin.place)} ADD CONSTRAINT wt_fk {made.late} NOT VALID"
        made.pieces.append(Piece("twin's late key", (sql,), (f"table {'.'.join(twin.place)}", "late key")))
