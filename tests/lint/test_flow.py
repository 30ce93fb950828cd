"""Where the flow analysis is certain, where it only supposes, and where it keeps silent."""

from textwrap import dedent

import pytest

from tests.lint.linting import lines, lint
from trueup.discovery import names

LOST, MAYBE = "lost-json-change", "possibly-lost-json-change"
MODELS = """\
from sqlalchemy import JSON, Column, Integer
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Message(Base):
    __tablename__ = "messages"
    id = Column(Integer, primary_key=True)
    content = Column(JSON)
    delivery_report = Column(JSON)
"""


def found(body: str, rule: str = LOST, **files: str) -> list[int]:
    """The lines of `app.py` with findings."""
    every = {"models.py": MODELS, "app.py": dedent(body), **{f"{name}.py": text for name, text in files.items()}}
    return lines([finding for finding in lint(every, rule) if str(finding.where).startswith("app.py")])


def test_a_common_attribute_of_an_object_known_by_its_name_only_is_a_guess() -> None:
    body = "def f(message):\n    message.content['seen'] = True\n"
    assert found(body) == []
    assert found(body, MAYBE) == [2]


def test_in_a_file_that_imports_the_model_the_name_is_enough() -> None:
    assert found("from models import Message\n\ndef f(message):\n    message.content['seen'] = True\n") == [4]


def test_an_attribute_that_only_the_model_has_is_enough() -> None:
    assert found("def f(thing):\n    thing.delivery_report['seen'] = True\n") == [2]


@pytest.mark.parametrize(
    "annotation", ["dict", "Form", "httpx.Response", "Reply", "argparse.Namespace", "list[Reply]", "Reply | None"]
)
def test_an_object_of_another_class_is_no_row(annotation: str) -> None:
    body = f"""\
    import argparse
    import httpx
    from forms import Form
    from models import Message
    from pydantic import BaseModel

    class Reply(BaseModel):
        content: dict
        delivery_report: dict

    def f(message: {annotation}):
        message.delivery_report["seen"] = True
        message.content["seen"] = True
    """
    assert found(body) == []


def test_what_is_changed_only_to_be_shown_is_a_guess() -> None:
    body = """\
    from models import Message

    def shown(message: Message):
        report = message.delivery_report
        report["id"] = message.id
        return report
    """
    assert found(body) == []
    assert found(body, MAYBE) == [5]


def test_a_flag_on_one_path_only_is_a_guess() -> None:
    body = """\
    from models import Message
    from sqlalchemy.orm.attributes import flag_modified

    def f(message: Message, loud):
        message.content["seen"] = True
        if loud:
            flag_modified(message, "content")
    """
    assert found(body) == []
    assert found(body, MAYBE) == [5]


def test_a_helper_whose_callers_flag_is_silent_and_the_caller_that_forgets_is_found() -> None:
    body = """\
    from models import Message
    from sqlalchemy.orm.attributes import flag_modified

    def seen(message: Message):
        message.content["seen"] = True

    def good(session):
        message = session.get(Message, 1)
        seen(message)
        flag_modified(message, "content")

    def bad(session):
        message = session.get(Message, 2)
        seen(message)
        session.commit()
    """
    assert found(body) == [14]


def test_a_helper_that_is_only_called_with_new_objects_is_silent() -> None:
    body = """\
    from models import Message

    def fill(message: Message):
        message.content["seen"] = False

    def make(session):
        message = Message(content={})
        fill(message)
        session.add(message)
        session.commit()
    """
    assert found(body) == []


def test_a_rollback_means_what_was_changed_to_be_gone() -> None:
    body = """\
    from models import Message

    def f(session, message: Message):
        message.content["seen"] = True
        session.rollback()
    """
    assert found(body) == []


def test_a_model_of_another_file_a_mixin_and_a_base_are_seen_through_imports() -> None:
    mixin = "from sqlalchemy import JSON, Column\n\nclass Noted:\n    notes_by_user = Column(JSON)\n"
    model = "from mixin import Noted\nfrom models import Base\n\nclass Page(Noted, Base):\n    __tablename__ = 'p'\n"
    body = "import page\n\ndef f(session):\n    session.get(page.Page, 1).notes_by_user['a'] = 1\n"
    assert found(body, mixin=mixin, page=model) == [4]


def test_a_django_model_writes_the_whole_field() -> None:
    django = "from django.db import models\n\nclass Note(models.Model):\n    extra_data = models.JSONField()\n"
    body = "from note import Note\n\ndef f(note: Note):\n    note.extra_data['a'] = 1\n    note.save()\n"
    assert found(body, note=django) == []


@pytest.mark.parametrize(
    ("column", "nested", "top"),
    [
        ("MutableDict.as_mutable(JSON)", True, False),
        ("NestedMutableJson", False, False),
        ("MutableJson", True, False),
        ("mutable_json_type(dbtype=JSON, nested=True)", False, False),
        ("mutable_json_type(dbtype=JSON)", True, False),
        ("JSONList", True, False),
        ("JSON", True, True),
    ],
)
def test_what_a_type_notices(column: str, nested: bool, top: bool) -> None:
    body = f"""\
    from sqlalchemy import JSON, Column
    from sqlalchemy.ext.mutable import MutableDict, MutableList
    from sqlalchemy_json import MutableJson, NestedMutableJson, mutable_json_type
    from models import Base

    JSONList = MutableList.as_mutable(JSON)

    class Page(Base):
        __tablename__ = "pages"
        layout = Column({column})

    def f(page: Page):
        page.layout["a"]["b"] = 1

    def g(page: Page):
        page.layout["a"] = 1
    """
    assert found(body) == [13] * nested + [16] * top


def test_every_kind_of_statement_can_be_read() -> None:
    body = """\
    from __future__ import annotations
    from models import Message
    import asyncio as a, os.path

    X: int = 1
    type_ = lambda self, /, *args, key=None, **more: (yield)

    async def every(message: Message, *rest, flag: bool = True, **more):
        global X
        match message:
            case True | False | None | 1 | -1.5 | "text":
                pass
            case {"a": [first, *others], **left} if first:
                del left[first]
            case Message(id=1) as held:
                held.content["seen"] = True
        async with a.timeout(1) as one, a.Lock():
            async for x in message:
                await x
            else:
                X += 1
        try:
            assert X, f"{X!r:>{10}}"
        except* (ValueError, TypeError) as error:
            raise error from None
        while (y := X) < 3:
            continue
        def inner():
            nonlocal y
            return [*rest, {**more}, {x for x in rest}, rest[1:2, ...], -y, not y, y if y else 0]
        return inner
    """
    assert found(body) == [16]
    every = {"models.py": MODELS, "app.py": dedent(body)}
    assert {finding.check for finding in lint(every, *names("lint.rules"))} == {LOST}


WATCHED = """\
from sqlalchemy import JSON, Column
from sqlalchemy.ext.mutable import Mutable, MutableDict

class Watched(Mutable, {kind}):
    @classmethod
    def coerce(cls, key, value):
        return cls(value)
{methods}
class Pantry(Base):
    __tablename__ = "pantries"
    shelf = Column(Watched.as_mutable(JSON))

def fill(pantry: Pantry, jar, more) -> None:
{body}
"""
ITEM = "    def __setitem__(self, key, value):\n        super().__setitem__(key, value)\n        self.changed()\n"
UPDATE = "    def update(self, *args):\n        super().update(*args)\n        self.changed()\n"
APPEND = "    def append(self, value):\n        super().append(value)\n        self.changed()\n"


@pytest.mark.parametrize(
    ("kind", "methods", "body", "lost"),
    [
        ("dict", ITEM, "pantry.shelf['jam'] = jar", False),
        ("dict", ITEM, "pantry.shelf['jam'] += 1", False),
        ("dict", ITEM, "pantry.shelf.update(more)", True),
        ("dict", ITEM, "pantry.shelf.pop('jam')", True),
        ("dict", ITEM, "del pantry.shelf['jam']", True),
        ("dict", ITEM, "pantry.shelf |= more", True),
        ("dict", ITEM, "pantry.shelf['jam']['left'] = 1", True),
        ("dict", ITEM + UPDATE, "pantry.shelf.update(more)", False),
        ("list", APPEND, "pantry.shelf.append(jar)", False),
        ("list", APPEND, "pantry.shelf.remove(jar)", True),
        ("list", APPEND, "pantry.shelf[0] = jar", True),
        ("MutableDict", ITEM, "pantry.shelf.update(more)", False),
    ],
)
def test_a_mutable_that_is_written_by_hand_notices_the_methods_it_has(
    kind: str, methods: str, body: str, lost: bool
) -> None:
    bases = "dict" if kind == "MutableDict" else kind
    text = WATCHED.format(kind=bases, methods=methods, body=f"    {body}")
    if kind == "MutableDict":
        text = text.replace("(Mutable, dict)", "(MutableDict)")
    assert bool(lint({"app.py": text}, LOST)) is lost


@pytest.mark.parametrize(("name", "rule"), [("ingest", MAYBE), ("create_message", MAYBE), ("rename", LOST)])
def test_an_object_given_to_be_added_may_be_new(name: str, rule: str) -> None:
    body = f"""\
    from models import Message

    def {name}(session, message: Message):
        message.content["seen"] = True
        session.add(message)
        session.commit()
    """
    assert found(body, LOST) == ([4] if rule == LOST else [])
    assert found(body, MAYBE) == ([4] if rule == MAYBE else [])


@pytest.mark.parametrize(
    ("body", "lost"),
    [
        # the list that is there already is changed, and the copy has the very same one
        ("report.setdefault('tries', []).append(at)", True),
        ("tries = report.get('tries') or []\n    tries.append(at)\n    report['tries'] = tries", True),
        ("tries = report.get('tries', [])\n    tries.append(at)\n    report['tries'] = tries[-9:]", False),
        ("tries = list(report.get('tries') or [])\n    tries.append(at)\n    report['tries'] = tries", False),
        ("report.setdefault('first', at)", False),
        ("report.setdefault('tries', 0)\n    report['tries'] += 1", False),
    ],
)
def test_a_key_put_back_as_it_was_makes_no_difference(body: str, lost: bool) -> None:
    text = f"""\
from models import Message

def note(session, message: Message, at):
    report = dict(message.delivery_report or {{}})
    {body}
    message.delivery_report = report
    session.commit()
"""
    assert bool(found(text)) is lost


DISPATCH = """\
from models import Message
from sqlalchemy.orm.attributes import flag_modified

class Desk:
    def read(self, message: Message):
        message.delivery_report["read"] = True

    def lose(self, message: Message):
        message.delivery_report.clear()

    def handle(self, session, message: Message, what):
        actions = {{"read": self.read, "lose": self.lose}}
        {call}
        {after}
        session.commit()
"""


@pytest.mark.parametrize("call", ["actions.get(what)(message)", "act = actions[what]\n        act(message)"])
def test_a_table_of_methods_is_followed_to_each_of_them(call: str) -> None:
    assert found(DISPATCH.format(call=call, after="flag_modified(message, 'delivery_report')")) == []
    assert found(DISPATCH.format(call=call, after="pass")) == [6, 9]


@pytest.mark.parametrize(
    "other",
    [
        "class Draft:\n    def __init__(self):\n        self.delivery_report = {}\n",
        "class Draft:\n    def __init__(self, report):\n        self.delivery_report = report\n",
        "@dataclass\nclass Draft:\n    delivery_report: dict\n",
    ],
)
def test_an_attribute_that_a_class_which_is_no_model_has_too_is_a_guess(other: str) -> None:
    body = "def f(thing):\n    thing.delivery_report['seen'] = True\n"
    assert found(body, draft=other) == []
    assert found(body, MAYBE, draft=other) == [2]


@pytest.mark.parametrize("test", ["not m.delivery_report", "m.delivery_report is None"])
def test_a_guard_after_a_change_saves_nothing_that_was_changed(test: str) -> None:
    body = f"""\
    from models import Message

    def f(session, m: Message, more):
        if {test}:
            m.delivery_report = {{}}
        m.delivery_report.update(more)
        if more:
            if {test}:
                m.delivery_report = {{}}
            m.delivery_report["more"] = True
        session.commit()
    """
    assert found(body) == [6, 10]


def test_a_long_way_through_helpers_leaves_the_function_itself_followed_to_its_end() -> None:
    steps = "\n".join(f"    message.step_{number} = {number}" for number in range(900))
    text = f"""\
from models import Message
from sqlalchemy.orm.attributes import flag_modified

def walk(message: Message):
{steps}

def mend(session, message: Message):
    message.delivery_report["walked"] = True
    walk(message)
    walk(message)
    flag_modified(message, "delivery_report")
    session.commit()

def lose(session, message: Message):
    walk(message)
    walk(message)
    message.delivery_report["walked"] = False
    session.commit()
"""
    assert found(text) == [916]


def test_a_helper_that_does_nothing_gives_another_object_each_time_it_is_called() -> None:
    body = """\
    from models import Message
    from sqlalchemy.orm.attributes import flag_modified

    def first(session) -> Message:
        return session.query(Message).first()

    def f(session):
        one = first(session)
        two = first(session)
        one.delivery_report["seen"] = True
        two.delivery_report["seen"] = True
        flag_modified(one, "delivery_report")
        session.commit()
    """
    assert found(body) == [11]
