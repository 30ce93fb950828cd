"""What the migrator does to a schema that is being repaired."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.chaos.worlds.model import Act
from tests.chaos.worlds.words import INNODB

if TYPE_CHECKING:
    from tests.chaos.worlds.acting import Scene


def choose(scene: Scene, name: str, at: str) -> Act | None:
    """One of those that the engine has."""
    known = [*_ALL, *_ENGINE.get(scene.made.engine, ())]
    if at == "ready":  # the plan is to be made for the table as the world knows it
        known = [_trigger, _child_table, _index, _add_column]
    return scene.rng.choice(known)(scene, name, at)


def _act(name: str, at: str, title: str, *sql: str, **more: object) -> Act:
    return Act(name, at, title, sql, "migrator", ddl=True, **more)  # type: ignore[arg-type]  # the fields of Act


def _trigger(scene: Scene, name: str, at: str) -> Act:
    made, rng = scene.made, scene.rng
    audit = made.q((made.home, "audit"))
    event = rng.choice(["INSERT", "UPDATE", "DELETE", "UPDATE"])
    title = f"trigger after {event}"
    called = rng.choice(["watch", "watch", "_trueup_guard_c0", "trueup_guard_c0"])
    do = f"INSERT INTO {audit} VALUES (1, 'fired')"
    if made.engine == "postgresql":
        call = f"{made.home}.watching()"
        body = f"CREATE FUNCTION {call} RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {do}; RETURN NULL; END $$"
        add = f"CREATE TRIGGER {called} AFTER {event} ON {scene.table} FOR EACH ROW EXECUTE FUNCTION {call}"
        return _act(name, at, title, body, add)
    if made.engine == "sqlite":
        return _act(name, at, title, f"CREATE TRIGGER {called} AFTER {event} ON {scene.table} BEGIN {do}; END")
    return _act(
        name, at, title, f"CREATE TRIGGER {made.n(made.home)}.{called} AFTER {event} ON {scene.table} FOR EACH ROW {do}"
    )


def _child_table(scene: Scene, name: str, at: str) -> Act:
    made, main = scene.made, scene.main
    place = scene.row()
    types = main.kind.referring()
    names = [f"r{number}" for number, _ in enumerate(types)]
    parts = [f"{name} {ddl}" for name, ddl in zip(names, types, strict=True)]
    child = made.q((made.home, "wt_late"))
    what = scene.rng.choice(["CASCADE", "SET NULL", "CASCADE"])
    refers = f"REFERENCES {scene.table} ({', '.join(map(made.n, main.key))}) ON DELETE {what} ON UPDATE {what}"
    key = f"FOREIGN KEY ({', '.join(names)}) {refers}"
    spelled = (main.kind.spelled or main.kind.literals)(place + 1)
    return _act(
        name, at, f"a new child table, {what}",
        f"CREATE TABLE {child} (id {made.types.whole} PRIMARY KEY, {', '.join(parts)}, {key})",
        f"INSERT INTO {child} VALUES (1, {', '.join(spelled)})",
    )  # fmt: skip


def _add_column(scene: Scene, name: str, at: str) -> Act:
    return _act(
        name, at, "add a column", f"ALTER TABLE {scene.table} ADD COLUMN late {scene.made.types.short} DEFAULT 'x'"
    )


def _drop_column(scene: Scene, name: str, at: str) -> Act:
    return _act(name, at, "drop another column", f"ALTER TABLE {scene.table} DROP COLUMN note")


def _renew_column(scene: Scene, name: str, at: str) -> Act | None:
    column = scene.rng.choice(scene.made.subjects).column
    ddl = scene.main.columns[column]
    if "UNIQUE" in ddl or column == "p":
        return None
    told = scene.made.n(column)
    # nothing in SQLite tells its last column from one that is made again with the same words: docs/reliability.md
    untold = scene.made.engine == "sqlite" and column == list(scene.main.columns)[-1]
    return _act(
        name, at, "make the touched column anew",
        f"ALTER TABLE {scene.table} DROP COLUMN {told}", f"ALTER TABLE {scene.table} ADD COLUMN {told} {ddl}",
        replaced=() if untold else ((scene.main.place, column),),
    )  # fmt: skip


def _index(scene: Scene, name: str, at: str) -> Act:
    return _act(
        name,
        at,
        "a unique index",
        f"CREATE UNIQUE INDEX wt_one ON {scene.table} (note(40))"
        if scene.made.engine in INNODB
        else f"CREATE UNIQUE INDEX wt_one ON {scene.table} (note)",
    )


def _swap(scene: Scene, name: str, at: str) -> Act:
    """gh-ost's: a copy takes the table's name."""
    made, main = scene.made, scene.main
    new = made.q((made.home, "wt_ghost"))
    old_place = (made.home, "wt_old")
    rename = ((main.place, old_place),)
    if made.engine in INNODB:
        return _act(
            name, at, "swap the table", f"CREATE TABLE {new} LIKE {scene.table}",
            f"INSERT INTO {new} SELECT * FROM {scene.table}",
            f"RENAME TABLE {scene.table} TO {made.q(old_place)}, {new} TO {scene.table}", renames=rename,
        )  # fmt: skip
    if made.engine == "postgresql":
        return _act(
            name, at, "swap the table", f"CREATE TABLE {new} (LIKE {scene.table} INCLUDING ALL)",
            f"INSERT INTO {new} SELECT * FROM {scene.table}",
            f"ALTER TABLE {scene.table} RENAME TO wt_old", f"ALTER TABLE {new} RENAME TO {made.n(main.place[1])}",
            renames=rename,
        )  # fmt: skip
    columns = ", ".join(f"{made.n(one)} {ddl}" for one, ddl in main.columns.items())
    key = ", ".join(map(made.n, main.key))
    clause = scene.rng.choice(["", " ON CONFLICT REPLACE"])
    return _act(
        name, at, f"swap the table{clause}",
        f"CREATE TABLE {new} ({columns}, PRIMARY KEY ({key}), UNIQUE (note){clause})",
        f"INSERT INTO {new} SELECT * FROM {scene.table}", "PRAGMA legacy_alter_table = ON",
        f"ALTER TABLE {scene.table} RENAME TO wt_old", f"ALTER TABLE {new} RENAME TO {made.n(main.place[1])}",
        renames=rename,
    )  # fmt: skip


_ALL: tuple[Callable[[Scene, str, str], Act | None], ...] = (
    _trigger, _trigger, _trigger, _child_table, _child_table, _add_column, _drop_column, _renew_column, _index, _swap,
)  # fmt: skip


def _search_path(scene: Scene, name: str, at: str) -> Act | None:
    made = scene.made
    if "twin" not in made.features:
        return None
    who = scene.rng.choice(["DATABASE chaos", "ROLE postgres"])
    return _act(name, at, "another search_path", f"ALTER {who} SET search_path = tenant_b, public")


def _policy(scene: Scene, name: str, at: str) -> Act:
    return _act(
        name, at, "row security", f"ALTER TABLE {scene.table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {scene.table} FORCE ROW LEVEL SECURITY", f"CREATE POLICY late ON {scene.table} USING (x > 1)",
    )  # fmt: skip


def _rule(scene: Scene, name: str, at: str) -> Act:
    event = scene.rng.choice(["INSERT", "UPDATE", "DELETE"])
    do = f"INSERT INTO {scene.made.q((scene.made.home, 'audit'))} VALUES (1, 'rule')"
    return _act(name, at, "a rule", f"CREATE RULE late_rule AS ON {event} TO {scene.table} DO ALSO {do}")


def _label(scene: Scene, name: str, at: str) -> Act | None:
    if "enum key" not in scene.made.features:
        return None
    return _act(name, at, "rename an enum label", "ALTER TYPE public.kind RENAME VALUE '50% k3' TO 'three'")


def _publication(scene: Scene, name: str, at: str) -> Act:
    return _act(name, at, "a publication", "CREATE PUBLICATION late_pub FOR ALL TABLES")


def _detach(scene: Scene, name: str, at: str) -> Act | None:
    home, whole = scene.main.place
    if not scene.made.partitions:
        return None
    part = scene.made.q((home, f"{whole}_2"))
    return _act(name, at, "detach a partition", f"ALTER TABLE {scene.table} DETACH PARTITION {part}")


def _owner(scene: Scene, name: str, at: str) -> Act:
    return _act(name, at, "another owner", "CREATE ROLE w_owner", f"ALTER TABLE {scene.table} OWNER TO w_owner")


def _type(scene: Scene, name: str, at: str) -> Act:
    word = "ALTER COLUMN x TYPE bigint" if scene.made.engine == "postgresql" else "MODIFY x BIGINT"
    return _act(name, at, "another type", f"ALTER TABLE {scene.table} {word}")


def _narrow(scene: Scene, name: str, at: str) -> Act:
    return _act(name, at, "a narrower type", f"ALTER TABLE {scene.table} MODIFY note VARCHAR(30)")


_ENGINE: dict[str, tuple[Callable[[Scene, str, str], Act | None], ...]] = {
    "postgresql": (
        _search_path,
        _search_path,
        _search_path,
        _policy,
        _rule,
        _label,
        _publication,
        _detach,
        _owner,
        _type,
    ),
    "mysql": (_type, _narrow),
    "mariadb": (_type, _narrow),
}
