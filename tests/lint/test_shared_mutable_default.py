"""Which defaults are shared: of columns, told with SQLAlchemy itself, and of parameters."""

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Session

from tests.lint.linting import lint

RULE = "shared-mutable-default"
HEAD = """\
from sqlalchemy import JSON, Column, Integer
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm import Mapped, mapped_column

EMPTY = {}
FIXED = (1, 2)

def fresh():
    return {}

class Preference(Base):
    __tablename__ = "preferences"
    id = Column(Integer, primary_key=True)
"""
#: The declaration of a column, and how to get from its value to what may be shared.
SHARED = {
    "settings = Column(JSON, default={})": [],
    "settings = Column(JSON, default=[])": [],
    "settings = Column(JSON, default=dict())": [],
    "settings = Column(JSON, default=EMPTY)": [],
    "settings = mapped_column(JSON, insert_default={})": [],
    "settings = Column(MutableDict.as_mutable(JSON), default={'a': {}})": ["a"],
}
OWN = {
    "settings = Column(JSON, default=dict)": [],
    "settings = Column(JSON, default=fresh)": [],
    "settings = Column(JSON, default=lambda: {'a': {}})": ["a"],
    "settings = Column(MutableDict.as_mutable(JSON), default={})": [],
    "settings = Column(MutableDict.as_mutable(JSON), default=EMPTY)": [],
    "settings = Column(MutableList.as_mutable(JSON), default=[1])": [],
}


def same_object(column: str, path: list[str]) -> bool:
    """Whether two rows that SQLAlchemy inserts without a value hold one object."""

    class Base(DeclarativeBase):
        pass

    space = {"Base": Base}
    exec(f"{HEAD}    {column}\n", space)
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        one, other = space["Preference"](), space["Preference"]()
        session.add_all([one, other])
        session.flush()
        values = [one.settings, other.settings]  # type: ignore[attr-defined]
        for key in path:
            values = [value[key] for value in values]
        result = values[0] is values[1]
    engine.dispose()
    return result


@pytest.mark.parametrize("column", SHARED)
def test_a_default_that_rows_share_is_found(column: str) -> None:
    assert same_object(column, SHARED[column])
    (finding,) = lint(f"{HEAD}    {column}\n", RULE)
    assert "without a value shares this one" in finding.message


@pytest.mark.parametrize("column", OWN)
def test_a_default_of_their_own_is_left_alone(column: str) -> None:
    assert not same_object(column, OWN[column])
    assert lint(f"{HEAD}    {column}\n", RULE) == []


@pytest.mark.parametrize(
    "text",
    [
        "from django.contrib.postgres import fields\n\nlanguages = fields.ArrayField(default=[])\n",
        "from django.contrib.postgres.fields import JSONField\n\ndata = JSONField(default={})\n",
        "from django.db import models\n\nDAYS = [1]\n\nclass A(models.Model):\n    x=models.JSONField(default=DAYS)\n",
        "class Report:\n    def __init__(self, rows=[]):\n        self.rows: list[int] = rows\n",
        "def act(options={}):\n    options['seen'] = 1\n",
        "from sqlalchemy import JSON, Column\n\nchanged = Column(JSON, onupdate={})\n",
    ],
)
def test_what_is_shared_is_found(text: str) -> None:
    assert lint(text, RULE)


@pytest.mark.parametrize(
    "text",
    [
        "from jsonfield import JSONField\n\ndata = JSONField(default={})\n",
        "from rest_framework import serializers\n\ndata = serializers.JSONField(default={})\n",
        "from tortoise import fields\n\ndata = fields.JSONField(default={})\n",
        "def act(key, _seen={}):\n    _seen[key] = 1\n",
        "def act(key, cache={}):\n    cache[key] = 1\n",
        "def act(options={}):\n    return {**options, 'seen': 1}\n",
    ],
)
def test_what_is_not_shared_or_meant_to_be_is_left_alone(text: str) -> None:
    assert lint(text, RULE) == []


def test_a_migration_is_left_alone() -> None:
    text = "from django.db import models\n\nfield = models.JSONField(default={})\n"
    assert lint({"shop/migrations/0001_initial.py": text}, RULE) == []
    assert lint({"shop/models.py": text}, RULE)


def test_what_to_write_in_its_place_is_told() -> None:
    told = lint(
        "from sqlalchemy import JSON, Column\n\na = Column(JSON, default={})\nb = Column(JSON, default=[1])\n", RULE
    )
    assert sorted(finding.hint for finding in told) == ["default=dict", "default=lambda: [1]"]
