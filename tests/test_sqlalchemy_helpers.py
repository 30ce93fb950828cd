"""`update_json` is always written; a `nested_json` column writes every change inside it."""

import copy
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import JSON, Engine, Integer, Text, create_engine, text
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import TypeDecorator

from tests.lint.linting import lint
from trueup.errors import UsageError
from trueup.sqlalchemy import nested_json, update_json

VALUE: dict[str, Any] = {"a": {"b": {"c": 1}}, "list": ["x", {"y": 1}], "n": 1}


class Base(DeclarativeBase):
    pass


class Encoded(TypeDecorator[Any]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: object) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: Any, dialect: object) -> Any:
        return None if value is None else json.loads(value)


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    data: Mapped[Any] = mapped_column(JSON, nullable=True)
    mutable: Mapped[Any] = mapped_column(MutableDict.as_mutable(JSON), nullable=True)
    encoded: Mapped[Any] = mapped_column(Encoded, nullable=True)
    nested: Mapped[Any] = mapped_column(nested_json(), nullable=True)
    nested_list: Mapped[Any] = mapped_column(nested_json(JSON()), nullable=True)
    note: Mapped[str | None]


FIELDS = ("data", "mutable", "encoded", "nested")


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(made)
    with Session(made) as session:
        values = {name: copy.deepcopy(VALUE) for name in FIELDS}
        session.add(User(id=1, nested_list=[1], note="none", **values))
        session.commit()
    yield made
    made.dispose()


def stored(engine: Engine, field: str) -> Any:
    with Session(engine) as session:
        return copy.deepcopy(getattr(session.get_one(User, 1), field))


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("k", {"k": "NEW"}),
        ("a.b.c", {"a": {"b": {"c": "NEW"}}}),
        ("p.q.r", {"p": {"q": {"r": "NEW"}}}),
        (("list", 1, "y"), {"list": ["x", {"y": "NEW"}]}),
        (("list", 2), {"list": ["x", {"y": 1}, "NEW"]}),
        (("new", 0, "z"), {"new": [{"z": "NEW"}]}),
        (("key.with.dots",), {"key.with.dots": "NEW"}),
    ],
)
def test_what_is_updated_is_written(field: str, path: Any, change: dict[str, Any], engine: Engine) -> None:
    with Session(engine) as session:
        update_json(session.get_one(User, 1), field, path, "NEW")
        session.commit()
    assert stored(engine, field) == {**VALUE, **change}


@pytest.mark.parametrize("field", FIELDS)
def test_an_update_writes_what_was_changed_in_place_before(field: str, engine: Engine) -> None:
    with Session(engine) as session:
        user = session.get_one(User, 1)
        getattr(user, field)["a"]["b"]["c"] = 2
        update_json(user, field, "n", 1)
        session.flush()
        update_json(user, field, "m", {"deep": 1})
        session.commit()
    assert stored(engine, field) == {**VALUE, "a": {"b": {"c": 2}}, "m": {"deep": 1}}


def test_an_update_makes_a_document_where_there_is_none(engine: Engine) -> None:
    with Session(engine) as session:
        user = session.get_one(User, 1)
        user.data = user.nested = None
        session.flush()
        update_json(user, "data", 0, "first")
        update_json(user, "nested", "a.b", 1)
        session.commit()
    assert (stored(engine, "data"), stored(engine, "nested")) == (["first"], {"a": {"b": 1}})


@pytest.mark.parametrize(
    ("field", "path", "message"),
    [
        ("id", "a", "User.id is no JSON attribute; there is data, mutable, encoded, nested, nested_list"),
        ("dta", "a", "User.dta is no JSON attribute; did you mean 'data'?"),
        ("data", "n.x", "User.data['n'] is neither an object nor an array, so it has no place for 'x'"),
        ("data", "list.x", "User.data['list'] is an array, which has no key 'x'"),
        ("data", ("list", 3), "User.data['list'] has 2 places, and no place 3"),
        ("data", (), "a path inside User.data must name a key; assign the attribute to replace all of it"),
    ],
)
def test_an_update_that_has_no_place_is_refused(field: str, path: Any, message: str, engine: Engine) -> None:
    with Session(engine) as session:
        user = session.get_one(User, 1)
        with pytest.raises(UsageError) as raised:
            update_json(user, field, path, 1)
        assert str(raised.value) == message
        assert not session.dirty


CHANGES = {
    "item": 'u.nested["a"]["b"]["x"] = "NEW"',
    "update": 'u.nested["a"].update(x="NEW")',
    "|= of a part": 'part = u.nested["a"]\npart |= {"x": "NEW"}',
    "setdefault": 'u.nested["a"].setdefault("x", "NEW")',
    "setdefault and item": 'u.nested["a"].setdefault("q", {})["x"] = "NEW"',
    "append": 'u.nested["list"].append("NEW")',
    "+=": 'u.nested["list"] += ["NEW"]',
    "+= of a part": 'part = u.nested["list"]\npart += ["NEW"]',
    "insert": 'u.nested["list"].insert(0, "NEW")',
    "extend": 'u.nested["list"].extend(["NEW"])',
    "slice": 'u.nested["list"][0:1] = ["NEW"]',
    "item of a list": 'u.nested["list"][1]["y"] = "NEW"',
    "in what was appended": 'u.nested["list"].append({"a": {}})\ns.flush()\nu.nested["list"][-1]["a"]["x"] = "NEW"',
    "in what was inserted": 'u.nested["list"].insert(0, {"a": {}})\ns.flush()\nu.nested["list"][0]["a"]["x"] = "NEW"',
    "in what was put into a slice": 'u.nested["list"][:1] = [{}]\ns.flush()\nu.nested["list"][0]["x"] = "NEW"',
    "in what was added": 'u.nested["list"] += [{"a": {}}]\ns.flush()\nu.nested["list"][-1]["a"]["x"] = "NEW"',
    "in what was multiplied": 'u.nested["list"] *= 2\ns.flush()\nu.nested["list"][3]["y"] = "NEW"',
    "in what was updated": 'u.nested.update(q={"a": {}})\ns.flush()\nu.nested["q"]["a"]["x"] = "NEW"',
    "in a part that was put elsewhere": 'u.nested["c"] = u.nested["a"]\ns.flush()\nu.nested["c"]["x"] = "NEW"',
    "in a deep copy": 'u.nested["c"] = copy.deepcopy(u.nested["a"])\ns.flush()\nu.nested["c"]["b"]["x"] = "NEW"',
    "in a copy": 'u.nested["c"] = u.nested["a"].copy()\ns.flush()\nu.nested["c"]["b"]["x"] = "NEW"',
    "in what was assigned": 'u.nested = {"a": {"b": {}}}\ns.flush()\nu.nested["a"]["b"]["x"] = "NEW"',
    "in a new object": 'v = User(id=2, nested={"a": {}})\ns.add(v)\ns.flush()\nv.nested["a"]["x"] = "NEW"',
    "after a refresh": 's.refresh(u)\nu.nested["a"]["b"]["x"] = "NEW"',
    "after pickling": 'p = pickle.loads(pickle.dumps(u))\ns.expunge(u)\ns.add(p)\np.nested["a"]["b"]["x"] = "NEW"',
    "values": 'for part in u.nested.values():\n    if isinstance(part, dict):\n        part["x"] = "NEW"',
    "shallow copy assigned": 'held = dict(u.nested)\nheld["a"]["x"] = "NEW"\nu.nested = held',
    "list document": 'u.nested_list.append({"z": {}})\ns.flush()\nu.nested_list[-1]["z"]["x"] = "NEW"',
}
#: What makes a document less, and what is left.
LESS = {
    "del": ('del u.nested["a"]["b"]', {**VALUE, "a": {}}),
    "pop": ('assert u.nested["a"].pop("b") == {"c": 1}', {**VALUE, "a": {}}),
    "popitem": ('u.nested["a"].popitem()', {**VALUE, "a": {}}),
    "clear": ('u.nested["a"].clear()', {**VALUE, "a": {}}),
    "del of a list": ('del u.nested["list"][0]', {**VALUE, "list": [{"y": 1}]}),
    "pop of a list": ('u.nested["list"].pop(0)', {**VALUE, "list": [{"y": 1}]}),
    "remove": ('u.nested["list"].remove("x")', {**VALUE, "list": [{"y": 1}]}),
    "clear of a list": ('u.nested["list"].clear()', {**VALUE, "list": []}),
    "reverse": ('u.nested["list"].reverse()', {**VALUE, "list": [{"y": 1}, "x"]}),
    "sort": ('u.nested["list"].sort(key=str, reverse=True)', {**VALUE, "list": [{"y": 1}, "x"]}),
}


def acted(engine: Engine, body: str) -> None:
    with Session(engine) as session:
        space = {"s": session, "u": session.get(User, 1), "User": User, "copy": copy, "pickle": pickle}
        exec(body, space)
        session.commit()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_at_any_depth_is_written(name: str, engine: Engine) -> None:
    acted(engine, CHANGES[name])
    with engine.connect() as connection:
        assert "NEW" in str(connection.execute(text("SELECT nested, nested_list FROM users")).all())


@pytest.mark.parametrize("name", LESS)
def test_what_is_taken_out_at_any_depth_is_gone(name: str, engine: Engine) -> None:
    body, left = LESS[name]
    acted(engine, body)
    assert stored(engine, "nested") == left


def test_what_is_only_read_is_not_written(engine: Engine) -> None:
    with Session(engine) as session:
        user = session.get_one(User, 1)
        assert user.nested == VALUE
        assert json.loads(json.dumps(user.nested)) == VALUE
        assert type(user.nested["a"].copy()) is dict
        assert not session.dirty
        with pytest.raises(ValueError, match="does not accept objects of type <class 'str'>"):
            user.nested = "{}"


def test_the_linter_knows_the_type() -> None:
    source = (
        "from sqlalchemy import Column, Integer, JSON\nfrom sqlalchemy.orm import declarative_base\n"
        "from trueup.sqlalchemy import nested_json, update_json\nBase = declarative_base()\n\n"
        "class User(Base):\n    __tablename__ = 'u'\n    id = Column(Integer, primary_key=True)\n"
        "    nested = Column(nested_json())\n    data = Column(JSON)\n\n"
        "def act(session):\n    user = session.get(User, 1)\n    user.nested['a']['b'] = 1\n"
        "    update_json(user, 'data', 'a', 1)\n"
    )
    assert not lint(source, "lost-json-change")
    assert lint(source + "    user.data['a'] = 2\n", "lost-json-change")
