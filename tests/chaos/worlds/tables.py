"""The tables of a world: the main one, those it refers to, those that refer to it, and those of the same name."""

from __future__ import annotations

from tests.chaos.worlds.making import Maker, Tab
from tests.chaos.worlds.model import Key, Piece
from tests.chaos.worlds.words import INNODB, action, keys, repaired, text

WEIRD = ("wt_items", "wt_items", "wt_items", "wt Mixed", "wt_50%", "wt_ümlaut", "-wt_dash")


def main(made: Maker) -> None:
    rng, types = made.rng, made.types
    known = keys(made.engine)
    kind = known[0] if rng.random() < 0.25 else rng.choice(known)
    if kind.feature:
        made.features.append(kind.feature)
    columns = dict(kind.columns)
    name = rng.choice(WEIRD)
    tab = Tab((made.home, made.called or name), columns, tuple(columns), kind, after=kind.options)
    columns[made.v] = types.short
    columns["note"] = types.words
    columns["x"] = types.whole
    if made.chance(0.35, "unique column"):
        columns["u"] = f"{types.short} UNIQUE"
    if made.engine == "sqlite" and "u" in columns and made.chance(0.6, "conflict clause"):
        columns["u"] += f" ON CONFLICT {rng.choice(['REPLACE', 'REPLACE', 'IGNORE', 'ROLLBACK', 'FAIL'])}"
    for number in range(1, rng.randint(12, 34)):
        row = dict(zip(tab.key, kind.literals(number), strict=True))
        row |= {made.v: rng.choice(["'open'", "'paid'"]), "note": text(f"note {number}"), "x": str(number % 100)}
        if "u" in columns:
            row["u"] = text(f"u{number}")
        tab.rows.append(row)
    made.main = tab


def parent(made: Maker) -> None:
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


def tenant(made: Maker) -> None:
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


def children(made: Maker) -> None:
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


def twins(made: Maker) -> None:
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
    # what fills a unique column may be taken
    mended = [one for one in made.subjects if kind == "mended" and one.column != "u"]
    for row in twin.rows:
        if kind == "other":
            row |= {"note": text("twin's own"), made.v: "'open'"}
        for subject in mended:
            value = repaired(subject)
            if (
                row[subject.column] == "NULL"
                or value in ("NULL", "100")
                or row[subject.column] in ("'payed'", "'Paid '")
            ):
                row[subject.column] = value if value in ("NULL", "100") else text(value)
    needs = tuple(f"table {'.'.join(one.place)}" for one in (made.parent, made.tenant) if one and twin.clauses)
    made.unchecked(lambda: made.table(twin, needs=needs))
    if made.late and "boss" not in main.columns and made.parent:
        sql = f"ALTER TABLE {made.q(twin.place)} ADD CONSTRAINT wt_fk {made.late} NOT VALID"
        made.pieces.append(Piece("twin's late key", (sql,), (f"table {'.'.join(twin.place)}", "late key")))
