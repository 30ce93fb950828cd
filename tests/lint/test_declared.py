"""Which files may declare a JSON column, told from bytes: whatever declares one is found, the rest is not read."""

import pytest

from tests.lint.test_corpus import APPS, marked
from trueup.lint import rule as rules
from trueup.lint.declared import Places
from trueup.lint.index import Index
from trueup.lint.project import Project
from trueup.lint.source import Module

#: Each declares a JSON column, alone or with what another file imports from it.
DECLARATIONS = {
    "in a class": "class User(Base):\n    settings = Column(JSON)\n",
    "with a name first": "class User(Base):\n    settings = Column('setting(s', JSON, nullable=False)\n",
    "behind a dot": "class User(Base):\n    settings = db.Column(db.JSON)\n",
    "over lines": "class User(Base):\n    settings = Column(\n        'settings',\n        JSON,\n    )\n",
    "outdented": "class User(Base):\n    settings = Column(\nJSON)\n",
    "annotated": "class User(Base):\n    settings: Mapped[dict] = mapped_column(JSON)\n",
    "a type of the project": "class User(Base):\n    settings = Column(Encoded(255), default=dict)\n",
    "by keyword": "class User(Base):\n    settings = Column(nullable=False, type_=JSON)\n",
    "wrapped": "class User(Base):\n    settings = deferred(Column(MutableDict.as_mutable(JSON)))\n",
    "after a docstring": 'class User(Base):\n    """Its "settings" are JSON."""\n\n    settings = Column(JSON)\n',
    "after another text": "class User(Base):\n    '''What\"\"\" ever.'''\n    settings = Column(JSON)\n",
    "after a comment with quotes": 'class User(Base):\n    # it"""s\n    settings = Column(JSON)\n    """said"""\n',
    "after a method": "class A(Base):\n    def f(\n        self,\n    ):\n        pass\n    settings = Column(JSON)\n",
    "in a class of a function": "def make():\n    class User(Base):\n        settings = Column(JSON)\n",
    "on one line": "class User(Base): settings = Column(JSON)\n",
    "given by a method": "class Mixin:\n    @declared_attr\n    def settings(cls):\n        return Column(JSON)\n",
    "given by a function": "def json_column(**given):\n    return (\n        Column(JSON, **given)\n    )\n",
    "given by a function on one line": "def json_column(): return Column(JSON)\n",
    "given by partial": "json_column = partial(mapped_column, JSON)\n",
    "an alias": "Settings = Annotated[dict, mapped_column(JSON)]\n",
    "in an annotation": "class User(Base):\n    settings: Mapped[Annotated[dict, mapped_column(JSON)]]\n",
    "a map of types": "class Base(DeclarativeBase):\n    type_annotation_map = {dict: JSON}\n",
    "a map of types, annotated": "class Base(DeclarativeBase):\n    type_annotation_map: Any = {dict: JSON}\n",
    "in a table": "users = Table(\n    'users',\n    metadata,\n    Column('settings', JSON),\n)\n",
    "in a table of a class": "class User(Base):\n    __table__ = Table('users', metadata, Column('settings', JSON))\n",
    "of SQLModel": "class User(SQLModel, table=True):\n    settings: dict = Field(sa_type=JSON)\n",
    "of SQLModel, as a column": "class User(SQLModel, table=True):\n    s: dict = Field(sa_column=Column(JSON))\n",
    "behind a condition": "if True:\n    class User(Base):\n        settings = Column(JSON)\n",
    "with Windows ends": "class User(Base):\r\n    id = 1\r\n\r\n    settings = Column(JSON)\r\n",
}
#: None of these can.
OTHERS = {
    "nothing": "a = 1\n",
    "plain types": "class User(Base):\n    id = Column(Integer)\n    name = Column('name', String(20))\n",
    "no type": "class User(Base):\n    id: Mapped[int] = mapped_column(primary_key=True)\n",
    "a docstring": '"""For example:\n\n    class User(Base):\n        settings = Column(JSON)\n"""\n',
    "a comment": "# settings = Column(JSON)\nclass User(Base):\n    pass  # settings = Column(JSON)\n",
    "a message": "class User(Base):\n    hint = 'write Column(JSON)'\n",
    "a local variable": "def f():\n    column = Column(JSON)\n    add(column)\n",
    "a local table": "def f(\n    metadata,\n):\n    Table(\n        't',\n        Column('data', JSON),\n    )\n",
    "another column": "class Users(tables.Table):\n    settings = JSONColumn(JSON)\n",
    "a class of that name": "class Column(JSON):\n    pass\n",
    "an argument": "def f():\n    return registry(\n        type_annotation_map=types,\n    )\n",
}


@pytest.mark.parametrize("text", DECLARATIONS.values(), ids=DECLARATIONS)
def test_a_file_that_declares_a_json_column_is_read(text: str) -> None:
    assert Places(text.encode()).declare()


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_a_file_that_declares_none_is_not_read(text: str) -> None:
    assert not Places(text.encode()).declare()


def columns(files: dict[str, str]) -> tuple[bool, bool]:
    """Whether there are JSON columns of SQLAlchemy when every file is read, and whether the bytes allow any."""
    modules = [Module(path, text.encode()) for path, text in files.items()]
    known = Index(Project(modules)).columns.by_name
    index = Index(Project(modules))
    _ = index.lost
    # the models are indexed only if a JSON column is declared
    return any(one.orm == "sqlalchemy" for found in known.values() for one in found), "columns" in vars(index)


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_every_application_of_the_corpus_is_looked_at(app: object) -> None:
    assert columns(marked(app)[0]) == (True, True)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(kind.name for kind in rules.every()))
def test_what_the_bytes_rule_out_is_no_column(name: str) -> None:
    for word in ("Bad", "Good"):
        for text in rules.examples(rules.load(name), word):
            there, allowed = columns({"app.py": text})
            assert allowed or not there


def test_a_project_without_json_is_not_parsed() -> None:
    modules = [Module(f"{number}.py", text.encode()) for number, text in enumerate(OTHERS.values())]
    modules.append(Module("broken.py", b"import sqlalchemy\n def"))
    assert Index(Project(modules)).lost == {}
    assert not any("tree" in vars(module) for module in modules)
