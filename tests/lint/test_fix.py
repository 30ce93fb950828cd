"""What `--fix` writes is what a careful person would have written, and the changes reach the database."""

from pathlib import Path
from textwrap import dedent

import pytest

from tests.lint.behaviour import LOST, MODEL, happened, source
from tests.lint.linting import lint
from tests.lint.test_corpus import APPS, marked
from trueup.lint.fix import fixes, mutable

RULE = "lost-json-change"
#: The object has no name to call it by, or the mistake is not that a flag is missing.
LEFT = {"through a relationship"}


def fixed(files: dict[str, str]) -> dict[str, str]:
    """The files after one fix."""
    data = {path: text.encode() for path, text in files.items()}
    return files | {one.path: one.after.decode() for one in fixes(lint(files, RULE), data)}


@pytest.mark.parametrize("name", sorted(set(LOST) - LEFT))
def test_a_lost_change_that_is_fixed_is_saved(name: str) -> None:
    text = fixed({"app.py": MODEL + source(LOST[name])})["app.py"]
    assert lint(text, RULE) == []
    assert happened("", whole=text) == "saved"


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_a_fixed_application_is_silent_and_fixed_once(app: Path) -> None:
    files, _, _ = marked(app)
    once = fixed(files)
    assert lint(once, RULE) == []
    assert fixed(once) == once


MODELS = """\
from sqlalchemy import JSON, Column, Integer
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    settings = Column(JSON)
    tags = Column(JSON, nullable=False)
"""


def after(body: str, start: str = "from models import User\n\n\n") -> str:
    """A file after the fix."""
    files = {"models.py": MODELS, "app.py": start + dedent(body)}
    return fixed(files)["app.py"]


def test_one_flag_after_the_last_change_and_one_import_among_the_imports() -> None:
    text = after(
        """\
        def choose(session, user: User, theme):
            user.settings["theme"] = theme  # kept as it is
            user.settings["seen"] = True
            session.commit()
        """
    )
    assert text == dedent(
        """\
        from models import User
        from sqlalchemy.orm.attributes import flag_modified


        def choose(session, user: User, theme):
            user.settings["theme"] = theme  # kept as it is
            user.settings["seen"] = True
            flag_modified(user, "settings")
            session.commit()
        """
    )


def test_after_a_loop_over_the_same_object_and_inside_one_over_many() -> None:
    text = after(
        """\
        def lower(user: User):
            for tag in user.tags:
                tag["name"] = tag["name"].lower()


        def reset(users: list[User]):
            for user in users:
                user.settings.clear()
        """
    )
    assert '        tag["name"] = tag["name"].lower()\n    flag_modified(user, "tags")\n' in text
    assert '        user.settings.clear()\n        flag_modified(user, "settings")\n' in text


def test_a_branch_before_the_assignment_is_not_flagged_twice() -> None:
    text = after(
        """\
        def carry(user: User, name, number):
            held = user.settings or {}
            held["name"] = name
            if number:
                held["number"] = number
            user.settings = held
        """
    )
    assert text.count("flag_modified(") == 1
    assert text.endswith('    user.settings = held\n    flag_modified(user, "settings")\n')


def test_one_line_bodies_line_ends_and_a_missing_last_line_end_are_kept() -> None:
    files = {
        "models.py": MODELS,
        "app.py": "from models import User\r\n\r\ndef go(user: User, on):\r\n    if on: user.settings['on'] = on",
    }
    assert fixed(files)["app.py"] == (
        "from models import User\r\nfrom sqlalchemy.orm.attributes import flag_modified\r\n\r\n"
        "def go(user: User, on):\r\n    if on: user.settings['on'] = on; flag_modified(user, \"settings\")"
    )


def test_the_name_under_which_a_file_imports_it_is_used() -> None:
    text = after(
        "def go(user: User):\n    user.settings.clear()\n",
        "from sqlalchemy.orm.attributes import flag_modified as changed\n\nfrom models import User\n\n\n",
    )
    assert 'changed(user, "settings")' in text
    assert text.count("import") == 2


def test_the_import_stands_with_those_of_sqlalchemy_not_with_those_of_the_application() -> None:
    text = after(
        "def go(user: User):\n    user.settings['a'] = 1\n",
        "import re\n\nfrom sqlalchemy import or_\nfrom sqlalchemy.orm import Session\n\nfrom models import User\n\n\n",
    )
    assert text.splitlines()[2:5] == [
        "from sqlalchemy import or_",
        "from sqlalchemy.orm import Session",
        "from sqlalchemy.orm.attributes import flag_modified",
    ]


def test_the_import_stands_between_the_standard_library_and_the_application() -> None:
    files = {
        "shop/__init__.py": "",
        "shop/models.py": MODELS,
        "shop/app.py": "import logging\nfrom typing import Any\n\nfrom shop.models import User\n\n\n"
        "def go(user: User, value: Any):\n    user.settings['a'] = value\n",
    }
    assert fixed(files)["shop/app.py"].splitlines()[:6] == [
        "import logging",
        "from typing import Any",
        "",
        "from sqlalchemy.orm.attributes import flag_modified",
        "",
        "from shop.models import User",
    ]


def test_a_generic_helper_flags_the_attribute_it_is_given() -> None:
    text = after(
        """\
        def put(row, name, key, value):
            held = getattr(row, name) or {}
            held[key] = value
            setattr(row, name, held)


        def theme(user: User):
            put(user, "settings", "theme", "dark")
        """
    )
    assert "flag_modified(row, name)" in text


def test_a_column_is_made_mutable_where_all_changes_are_at_its_top() -> None:
    files = {
        "models.py": MODELS,
        "app.py": "from models import User\ndef go(user: User):\n    user.settings['a'] = 1\n    user.tags.append(2)\n",
    }
    data = {path: text.encode() for path, text in files.items()}
    (one,) = mutable(lint(files, RULE), data)
    assert one.path == "models.py"
    text = one.after.decode()
    assert "settings = Column(MutableDict.as_mutable(JSON))" in text
    assert "tags = Column(MutableList.as_mutable(JSON), nullable=False)" in text
    assert "from sqlalchemy.ext.mutable import MutableDict, MutableList\n" in text
    assert lint(files | {"models.py": text}, RULE) == []


def test_a_column_with_a_nested_change_is_not_made_mutable() -> None:
    files = {
        "models.py": MODELS,
        "app.py": "from models import User\n\n\ndef go(user: User):\n    user.settings['a']['b'] = 1\n",
    }
    assert mutable(lint(files, RULE), {path: text.encode() for path, text in files.items()}) == []
