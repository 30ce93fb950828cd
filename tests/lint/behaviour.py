"""What SQLAlchemy does with changes inside JSON values: each case is run, on 1.4 and on 2.x, and linted.

Run as a script it prints what happened to each case as JSON; it needs nothing but SQLAlchemy. With the word `guarded`
it prints what happened under a guard that raises, or one that saves, if it found something. A case's function gets a
session and a loaded user, and puts the text NEW somewhere into one of the user's values; it is saved when a new session
finds NEW in the database.
"""

from __future__ import annotations

import json
import sys
from typing import Any

MODEL = """
import copy
import json
from copy import deepcopy

from sqlalchemy import JSON, Column, ForeignKey, Integer, PickleType, Text, TypeDecorator
from sqlalchemy import create_engine, select, text, update
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm import Session, declarative_base, relationship, sessionmaker
from sqlalchemy.orm import attributes
from sqlalchemy.orm.attributes import flag_modified

Base = declarative_base()
JSONDict = MutableDict.as_mutable(JSON)


class Encoded(TypeDecorator):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else json.dumps(value)

    def process_result_value(self, value, dialect):
        return None if value is None else json.loads(value)


class Watched(TypeDecorator):
    impl = JSON
    cache_ok = True


class OwnDict(MutableDict):
    pass


MutableDict.associate_with(Watched)


class WithExtras:
    extras = Column(JSON)


class User(WithExtras, Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    data = Column(JSON)
    tags = Column(JSON)
    blob = Column(PickleType)
    encoded = Column(Encoded)
    mutable = Column(JSONDict)
    mutable_tags = Column(MutableList.as_mutable(JSON))
    own = Column(OwnDict.as_mutable(JSON))
    watched = Column(Watched)
    orders = relationship("Order", back_populates="user")

    def set_flag(self, key):
        self.data[key] = "NEW"

    def set_flag_well(self, key):
        self.data[key] = "NEW"
        flag_modified(self, "data")

    @property
    def theme(self):
        return (self.data or {}).get("theme")

    @theme.setter
    def theme(self, value):
        self.data["theme"] = value


class Order(Base):
    __tablename__ = "orders"
    id = Column(Integer, primary_key=True)
    user_id = Column(Integer, ForeignKey("users.id"))
    user = relationship("User", back_populates="orders")


def put(target, key, value):
    target[key] = value


def set_json(obj, name, key, value):
    held = getattr(obj, name) or {}
    held[key] = value
    setattr(obj, name, held)


def set_json_well(obj, name, key, value):
    held = dict(getattr(obj, name) or {})
    held[key] = value
    setattr(obj, name, held)


def mark(obj, name):
    flag_modified(obj, name)


def call(func):
    func()
"""

VALUE: dict[str, Any] = {"a": {"b": 1}, "list": [{"x": 1}], "n": 1}

LOST = {
    "item": 'user.data["k"] = "NEW"',
    "nested item": 'user.data["a"]["k"] = "NEW"',
    "update": 'user.data.update(k="NEW")',
    "setdefault": 'user.data.setdefault("k", "NEW")',
    "setdefault and item": 'user.data.setdefault("k", {})["x"] = "NEW"',
    "append": 'user.tags.append("NEW")',
    "extend": 'user.tags.extend(["NEW"])',
    "insert": 'user.tags.insert(0, "NEW")',
    "nested append": 'user.data["list"].append("NEW")',
    "item of a loop": 'for entry in user.data["list"]:\n    entry["x"] = "NEW"',
    "alias": 'held = user.data\nheld["k"] = "NEW"',
    "alias of the nested": 'held = user.data["a"]\nheld["k"] = "NEW"',
    "get and change": 'held = user.data.get("a", {})\nheld["k"] = "NEW"',
    "same object back": 'held = user.data or {}\nheld["k"] = "NEW"\nuser.data = held',
    "same object back, by if": (
        'held = user.data\nif held is None:\n    held = {}\nheld["k"] = "NEW"\nuser.data = held'
    ),
    "itself": 'user.data["k"] = "NEW"\nuser.data = user.data',
    "guard": 'if not user.data:\n    user.data = {}\nuser.data["k"] = "NEW"',
    "guard by or": 'user.data = user.data or {}\nuser.data["k"] = "NEW"',
    "change, then dict()": 'user.data["k"] = "NEW"\nuser.data = dict(user.data)',
    "change, then deepcopy": 'user.data["k"] = "NEW"\nuser.data = deepcopy(user.data)',
    "change, then {**}": 'user.data["k"] = "NEW"\nuser.data = {**user.data}',
    "change, then copy of the alias": 'held = user.data\nheld["k"] = "NEW"\nuser.data = held.copy()',
    "change, then list()": 'user.tags.append("NEW")\nuser.tags = list(user.tags)',
    "shallow copy, nested change": 'held = dict(user.data)\nheld["a"]["k"] = "NEW"\nuser.data = held',
    "copy.copy, nested change": 'held = copy.copy(user.data)\nheld["list"].append("NEW")\nuser.data = held',
    "shallow copy, nested change, mutable": 'held = dict(user.mutable)\nheld["a"]["k"] = "NEW"\nuser.mutable = held',
    "shallow copy, guard, nested change": (
        'held = dict(user.data)\nif "a" not in held:\n    held["a"] = {}\nheld["a"]["k"] = "NEW"\nuser.data = held'
    ),
    "new list of the same elements": (
        "held = []\nfor entry in user.mutable_tags:\n    entry['k'] = 'NEW'\n    held.append(entry)\n"
        "user.mutable_tags = held"
    ),
    "inner function": 'def write():\n    user.data["k"] = "NEW"\ncall(write)',
    "nested change, mutable": 'user.mutable["a"]["k"] = "NEW"',
    "nested change by an alias, mutable": 'held = user.mutable["list"]\nheld.append("NEW")',
    "nested change, mutable list": 'user.mutable_tags[0]["k"] = "NEW"',
    "|=": 'user.data |= {"k": "NEW"}',
    "+=": 'user.tags += ["NEW"]',
    "add": 'user.data["k"] = "NEW"\nsession.add(user)',
    "merge of the same session": 'user.data["k"] = "NEW"\nsession.merge(user)',
    "flag, flush, change": 'flag_modified(user, "data")\nsession.flush()\nuser.data["k"] = "NEW"',
    "copy, flush, change": 'user.data = dict(user.data)\nsession.flush()\nuser.data["k"] = "NEW"',
    "commit, then flag": 'user.data["k"] = "NEW"\nsession.commit()\nuser.data.get("k")\nflag_modified(user, "data")',
    "flag of another column": 'user.data["k"] = "NEW"\nflag_modified(user, "tags")',
    "new, flush, change": 'made = User(data={"a": 1})\nsession.add(made)\nsession.flush()\nmade.data["k"] = "NEW"',
    "mixin": 'user.extras["k"] = "NEW"',
    "pickle": 'user.blob["k"] = "NEW"',
    "TypeDecorator": 'user.encoded["k"] = "NEW"',
    "method": 'user.set_flag("k")',
    "setter": 'user.theme = "NEW"',
    "helper with the dict": 'put(user.data, "k", "NEW")',
    "helper with getattr": 'set_json(user, "data", "k", "NEW")',
    "setattr of the same": 'held = user.data\nheld["k"] = "NEW"\nsetattr(user, "data", held)',
    "through a relationship": 'session.query(Order).first().user.data["k"] = "NEW"',
    "rows of a query": 'for one in session.query(User).all():\n    one.data["k"] = "NEW"',
    "rows of select": 'for one in session.execute(select(User)).scalars():\n    one.data["k"] = "NEW"',
    "first of query": 'one = session.query(User).filter(User.id > 0).first()\none.data["k"] = "NEW"',
}
SAVED = {
    "flag after": 'user.data["k"] = "NEW"\nflag_modified(user, "data")',
    "flag before": 'flag_modified(user, "data")\nuser.data["k"] = "NEW"',
    "flag by the module": 'user.data["k"] = "NEW"\nattributes.flag_modified(user, "data")',
    "flag by a local import": (
        'from sqlalchemy.orm.attributes import flag_modified as changed\nuser.data["k"] = "NEW"\nchanged(user, "data")'
    ),
    "flag by a helper": 'user.data["k"] = "NEW"\nmark(user, "data")',
    "flag by the attribute's key": 'user.data["k"] = "NEW"\nflag_modified(user, User.data.key)',
    "flag after nested, mutable": 'user.mutable["a"]["k"] = "NEW"\nflag_modified(user, "mutable")',
    "flush, then flag": 'user.data["k"] = "NEW"\nsession.flush()\nflag_modified(user, "data")',
    "copy, change, assign": 'held = dict(user.data)\nheld["k"] = "NEW"\nuser.data = held',
    "deepcopy, nested change, assign": 'held = deepcopy(user.data)\nheld["a"]["k"] = "NEW"\nuser.data = held',
    "through json": 'held = json.loads(json.dumps(user.data))\nheld["a"]["k"] = "NEW"\nuser.data = held',
    "assign a copy, change it": 'user.data = dict(user.data)\nuser.data["k"] = "NEW"',
    "assign a copy, change the copy": 'held = dict(user.data)\nuser.data = held\nheld["k"] = "NEW"',
    "{**d, k: v}": 'user.data = {**user.data, "k": "NEW"}',
    "d | {}": 'user.data = user.data | {"k": "NEW"}',
    "list + list": 'user.tags = user.tags + ["NEW"]',
    "[*l, x]": 'user.tags = [*user.tags, "NEW"]',
    "comprehension": 'user.data = {key: "NEW" for key, value in user.data.items()}',
    "shallow copy, nested copy": (
        'held = dict(user.data)\nheld["a"] = dict(held["a"])\nheld["a"]["k"] = "NEW"\nuser.data = held'
    ),
    "shallow copy, nested and top": 'held = dict(user.data)\nheld["a"]["k"] = "NEW"\nheld["n"] = 2\nuser.data = held',
    "new list of changed elements": (
        "held = []\nfor entry in user.mutable_tags:\n    held.append({**entry, 'k': 'NEW'})\nuser.mutable_tags = held"
    ),
    "new list with one more": (
        "held = []\nfor entry in user.mutable_tags:\n    entry['k'] = 'NEW'\n    held.append(entry)\n"
        "held.append({'x': 2})\nuser.mutable_tags = held"
    ),
    "inner function that flags": (
        'def write():\n    user.data["k"] = "NEW"\n    flag_modified(user, "data")\ncall(write)'
    ),
    "mutable": 'user.mutable["k"] = "NEW"',
    "mutable list": 'user.mutable_tags.append("NEW")',
    "subclass of mutable": 'user.own["k"] = "NEW"',
    "associated": 'user.watched["k"] = "NEW"',
    "setdefault and item, mutable": 'user.mutable.setdefault("k", {})["x"] = "NEW"',
    "nested and top, mutable": 'user.mutable["a"]["k"] = "NEW"\nuser.mutable["n"] = 2',
    "changed()": 'user.mutable["a"]["k"] = "NEW"\nuser.mutable.changed()',
    "core update": 'session.execute(update(User).where(User.id == user.id).values(data={"k": "NEW"}))',
    "core update of the alias": (
        'held = user.data\nheld["k"] = "NEW"\nsession.execute(update(User).where(User.id == user.id).values(data=held))'
    ),
    "Query.update": 'held = user.data\nheld["k"] = "NEW"\nsession.query(User).filter_by(id=1).update({"data": held})',
    "Query.update by the attribute": (
        'held = user.data\nheld["k"] = "NEW"\n'
        "session.query(User).filter(User.id == 1).update({User.data: held}, synchronize_session=False)"
    ),
    "raw SQL": (
        'held = user.data\nheld["k"] = "NEW"\n'
        'session.execute(text("UPDATE users SET data = :d"), {"d": json.dumps(held)})'
    ),
    "pending": 'made = User(data={})\nmade.data["k"] = "NEW"\nsession.add(made)',
    "pending and added": 'made = User(data={})\nsession.add(made)\nmade.data["k"] = "NEW"',
    "detached, merged elsewhere": ('session.expunge(user)\nuser.data["k"] = "NEW"\nsession.merge(user)'),
    "json.dumps": 'held = user.data\nheld["k"] = "NEW"\nuser.data = json.dumps(held)',
    "method that flags": 'user.set_flag_well("k")',
    "method, then flag": 'user.set_flag("k")\nflag_modified(user, "data")',
    "setter, then flag": 'user.theme = "NEW"\nflag_modified(user, "data")',
    "helper with the dict, then flag": 'put(user.data, "k", "NEW")\nflag_modified(user, "data")',
    "helper that copies": 'set_json_well(user, "data", "k", "NEW")',
    "set_attribute": 'held = dict(user.data)\nheld["k"] = "NEW"\nattributes.set_attribute(user, "data", held)',
    "branches that both assign": (
        'if user.data:\n    user.data = {**user.data, "k": "NEW"}\nelse:\n    user.data = {"k": "NEW"}'
    ),
    "flag when something changed": (
        'changed = False\nif "k" not in user.data:\n    user.data["k"] = "NEW"\n    changed = True\n'
        'if changed:\n    flag_modified(user, "data")'
    ),
}


def source(body: str, name: str = "act") -> str:
    """The body as a function."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"def {name}(session, user: User):\n{lines}"


def happened(body: str, whole: str = "", watch: Any = None) -> str:
    """Run one case, or a `whole` file with its model: 'saved' or 'lost'. `watch` is given the class of the session."""
    space: dict[str, Any] = {}
    exec(compile(whole or MODEL + source(body), "case", "exec"), space)
    engine = space["create_engine"]("sqlite://")
    space["Base"].metadata.create_all(engine)
    user_class, order = space["User"], space["Order"]
    names = ("data", "blob", "encoded", "mutable", "own", "watched", "extras")
    with space["Session"](engine) as session:
        values = {name: json.loads(json.dumps(VALUE)) for name in names}
        session.add(user_class(id=1, tags=["x"], mutable_tags=[{"x": 1}], **values))
        session.add(order(id=1, user_id=1))
        session.commit()
    session_class = type("Watched", (space["Session"],), {})
    if watch is not None:
        watch(session_class)
    with session_class(engine) as session:
        space["act"](session, session.get(user_class, 1))
        session.commit()
    with engine.connect() as connection:
        rows = connection.execute(space["text"]("SELECT * FROM users")).fetchall()
    found = any(b"NEW" in (cell if isinstance(cell, bytes) else str(cell).encode()) for row in rows for cell in row)
    engine.dispose()
    return "saved" if found else "lost"


def guarded(body: str) -> str:
    """What becomes of one case under a guard: 'raised and saved' when it was found, or what happened unnoticed."""
    from trueup.sqlalchemy import LostChange, guard

    made: list[Any] = []
    try:
        happened(body, watch=lambda session: made.append(guard(session, mode="raise")))
    except LostChange:
        made.pop().remove()
        fate = happened(body, watch=lambda session: made.append(guard(session, mode="save")))
        return f"raised and {fate}"
    finally:
        for one in made:
            one.remove()
    return "unnoticed"


if __name__ == "__main__" and "guarded" in sys.argv:
    json.dump({name: guarded(body) for name, body in {**LOST, **SAVED}.items()}, sys.stdout)
elif __name__ == "__main__":
    json.dump({name: happened(body) for name, body in {**LOST, **SAVED}.items()}, sys.stdout)
