"""What is written is looked at before it is sent, on every way that SQLAlchemy has of writing."""

import os
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, Engine, Integer, Text, bindparam, create_engine, func, insert, select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.pool import StaticPool

from trueup import load_config
from trueup.errors import UsageError
from trueup.sqlalchemy import Guard, WrongShape, WrongShapeWarning, guard


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str | None]
    settings: Mapped[Any] = mapped_column("settings_json", JSON, key="settings_key", nullable=True)
    note: Mapped[str | None] = mapped_column(Text)


class Watched(Session):
    pass


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(made)
    with Session(made) as session:
        session.add(User(id=1, settings={"a": {"n": 1}}, note="{}"))
        session.commit()
    yield made
    made.dispose()


@pytest.fixture
def watch() -> Iterator[Callable[..., None]]:
    made: list[Guard] = []
    yield lambda shapes, mode="raise", **more: made.append(guard(Watched, mode, shapes=shapes, **more))
    for one in made:
        one.remove()


USERS: Any = User.__table__
WAYS: dict[str, Callable[[Any, Any], object]] = {
    "add": lambda s, bad: (s.add(User(settings=bad)), s.flush()),
    "add many": lambda s, bad: (s.add_all([User(settings={}), User(settings=bad)]), s.flush()),
    "assign": lambda s, bad: (s.get(User, 1).__setattr__("settings", bad), s.flush()),
    "bulk_insert_mappings": lambda s, bad: s.bulk_insert_mappings(
        User.__mapper__, [{"settings": {}}, {"settings": bad}]
    ),
    "bulk_update_mappings": lambda s, bad: s.bulk_update_mappings(User.__mapper__, [{"id": 1, "settings": bad}]),
    "bulk_save_objects": lambda s, bad: s.bulk_save_objects([User(settings=bad)]),
    "insert, rows": lambda s, bad: s.execute(insert(User), [{"settings": {}}, {"settings": bad}]),
    "insert, values": lambda s, bad: s.execute(insert(User).values(settings=bad)),
    "insert, many values": lambda s, bad: s.execute(insert(User).values([{"settings": {}}, {"settings": bad}])),
    "update by key": lambda s, bad: s.execute(update(User), [{"id": 1, "settings": bad}]),
    "update, values": lambda s, bad: s.execute(update(User).values(settings=bad)),
    "update, ordered": lambda s, bad: s.execute(update(User).ordered_values((User.settings, bad))),
    "Query.update": lambda s, bad: s.query(User).update({"settings": bad}),
    "Core insert": lambda s, bad: s.connection().execute(insert(USERS).values({USERS.c.settings_key: bad})),
    "Core insert, row": lambda s, bad: s.connection().execute(insert(USERS), {"settings_key": bad}),
    "Core insert, rows": lambda s, bad: s.connection().execute(insert(USERS), [{"settings_key": bad}] * 2),
    "Core update": lambda s, bad: s.connection().execute(update(USERS).where(USERS.c.id == 1).values(settings_key=bad)),
    "Core update, parameter": lambda s, bad: s.connection().execute(
        update(USERS).where(USERS.c.id == bindparam("which")), {"which": 1, "settings_key": bad}
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_is_looked_at(way: str, engine: Engine, watch: Callable[..., None]) -> None:
    watch({User.settings: "object"})
    with Watched(engine) as session:
        WAYS[way](session, {"fine": True})
        with pytest.raises(
            WrongShape, match=r"^User\.settings is a string, must be an object; it was about to be wr.*:\d+$"
        ):
            WAYS[way](session, '{"twice": true}')


def test_a_nested_change_is_looked_at(engine: Engine, watch: Callable[..., None]) -> None:
    watch({"users.settings_json.a.n": ("integer", "null")})
    with Watched(engine) as session:
        user = session.get_one(User, 1)
        user.settings["a"]["n"] = None
        flag_modified(user, "settings")
        session.flush()
        user.settings["a"]["n"] = "7"
        flag_modified(user, "settings")
        with pytest.raises(
            WrongShape, match=r"^users\.settings_json\['a'\]\['n'\] is a string, must be an integer or JSON n"
        ):
            session.commit()


def test_values_are_shown_only_when_it_is_asked_for(engine: Engine, watch: Callable[..., None]) -> None:
    watch({User.settings: "object"}, "warn")
    watch({User.settings: "object"}, "warn", show_values=True)
    with Watched(engine) as session:
        session.add(User(settings=["secret"]))
        with pytest.warns(WrongShapeWarning) as caught:
            session.flush()
    first, second = (str(one.message) for one in caught)
    assert first.startswith("User.settings is an array, must be an object; it was about")
    assert second.startswith("User.settings is an array, must be an object (['secret']); it was about")


@pytest.mark.parametrize(
    ("shape", "value", "problem"),
    [
        ("number", 1.5, None),
        ("integer", 1.5, "is a double, must be an integer"),
        ("integer", True, "is a boolean, must be an integer"),
        ("object", None, "is JSON null, must be an object"),
        (("object", "null"), None, None),
        ({"type": "object", "required": ["a"]}, {"b": 1}, "has no 'a'"),
        ({"properties": {"a": {"type": "integer"}}}, {"a": "x"}, "['a'] is a string, must be an integer"),
        ({"properties": {"a": {"minimum": 5}}}, {"a": 4}, "['a'] does not keep to 'minimum' of its schema"),
    ],
)
def test_a_shape_is_types_or_a_schema(
    shape: Any, value: Any, problem: str | None, engine: Engine, watch: Callable[..., None]
) -> None:
    watch({User.settings: shape})
    with Watched(engine) as session:
        session.add(User(settings=value))
        if problem is None:
            session.flush()
            return
        with pytest.raises(WrongShape) as raised:
            session.flush()
    told = str(raised.value).removeprefix("User.settings").strip()
    assert told.partition(";")[0] == problem


def test_text_is_read_and_sql_null_and_expressions_are_let_be(engine: Engine, watch: Callable[..., None]) -> None:
    watch({User.note: "object"})
    with Watched(engine) as session:
        session.add_all([User(note='{"a": 1}'), User(note=None)])
        session.execute(update(User).values(note=func.upper("{}")))
        session.execute(text("UPDATE users SET note = '[]'"))
        with pytest.raises(WrongShape, match=r"User\.note is text that is not JSON, must be an object"):
            session.execute(insert(User).values(note="{"))
        with pytest.raises(WrongShape, match=r"User\.note is an array"):
            session.execute(insert(User).values(note="[]"))


def test_the_checks_of_a_configuration_are_shapes(tmp_path: Path, engine: Engine, watch: Callable[..., None]) -> None:
    path = tmp_path / "trueup.yaml"
    path.write_text(
        "stores: {app: 'sqlite:///app.db'}\nchecks:\n"
        "  - {kind: wrong-json-type, table: users, column: settings_json, expected: object, null: false}\n"
        "  - {kind: missing, table: users, column: kind}\n"
        "  - kind: wrong-json-shape\n    table: users\n    column: settings_json\n    by: kind\n    schemas:\n"
        "      admin: {type: object, required: [level], properties: {level: {type: integer}}}\n"
    )
    watch(load_config(path))
    with Watched(engine) as session:
        for values, problem in (
            ({"settings": []}, r" is an array, must be an object"),
            ({"settings": {}, "kind": "admin"}, r" has no 'level'"),
            ({"settings": {"level": "1"}, "kind": "admin"}, r"\['level'\] is a string, must be an integer"),
        ):
            with pytest.raises(WrongShape, match=rf"^users\.settings_json{problem}; it was about to be written at"):
                session.execute(insert(User).values(values))
        session.execute(insert(User).values(settings={}))
        session.execute(insert(User).values(settings={"level": 1}, kind="admin"))


def test_other_tables_and_a_removed_guard_are_silent(engine: Engine) -> None:
    guard(Watched, "raise", shapes={"events.metadata": "object"}).remove()
    made = guard(Watched, "raise", shapes={"events.metadata": "object"})
    with warnings.catch_warnings(), Watched(engine) as session:
        warnings.simplefilter("error")
        session.add(User(settings=5))
        session.commit()
        made.remove()
        made.remove()
        assert session.scalar(select(func.count()).select_from(User)) == 2


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"settings": "object"}, "a shape is given for a mapped attribute or 'table.column', not 'settings'"),
        (
            {"users.settings": "map"},
            "the shape of users.settings names no JSON type: 'map'; there is object, array, .*",
        ),
        ({"users.settings.a": {"type": "object"}}, "the schema of users.settings.a belongs to the whole column"),
    ],
)
def test_what_is_no_shape_is_refused(shapes: Any, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}$"):
        guard(Watched, shapes=shapes)


OLDER = """
from sqlalchemy import JSON, Column, Integer, create_engine, insert, update
from sqlalchemy.orm import Session, declarative_base
from trueup.sqlalchemy import WrongShape, guard

Base = declarative_base()


class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    settings = Column(JSON)


engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
guard(Session, "raise", shapes={User.settings: "object"})
session = Session(engine, future=True)
for way in (
    lambda bad: (session.add(User(settings=bad)), session.flush()),
    lambda bad: session.bulk_insert_mappings(User, [{"settings": {}}, {"settings": bad}]),
    lambda bad: session.execute(insert(User), [{"settings": {}}, {"settings": bad}]),
    lambda bad: session.execute(insert(User).values([{"settings": {}}, {"settings": bad}])),
    lambda bad: session.execute(update(User).values(settings=bad)),
    lambda bad: session.execute(update(User).ordered_values((User.settings, bad))),
    lambda bad: session.query(User).update({"settings": bad}),
    lambda bad: session.connection().execute(insert(User.__table__), {"settings": bad}),
):
    way({})
    try:
        way([])
    except WrongShape as error:
        print(str(error).partition(";")[0])
    session.rollback()
"""


def test_the_older_sqlalchemy_is_looked_at_alike() -> None:
    old = os.environ.get("TRUEUP_SQLALCHEMY14", "")
    if not old and "CI" not in os.environ:
        pytest.skip("no SQLAlchemy 1.4: name its Python in TRUEUP_SQLALCHEMY14")
    source = Path(__file__).parent.parent / "src"
    done = subprocess.run([old, "-c", OLDER], capture_output=True, text=True, env={"PYTHONPATH": str(source)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["User.settings is an array, must be an object"] * 8
