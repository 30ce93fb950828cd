"""The plugin's options, each in a run of pytest of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

SHOP = """
from sqlalchemy import JSON, Column, ForeignKey, Integer, create_engine, select
from sqlalchemy.orm import Session, declarative_base, relationship

Base = declarative_base()


class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    settings = Column(JSON)


class Order(Base):
    __tablename__ = "orders"
    id = Column(Integer, primary_key=True)
    user_id = Column(ForeignKey("users.id"))
    user = relationship(User)


def opened():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    session = Session(engine)
    session.add_all([Order(user=User(settings={})) for _ in range(6)])
    session.commit()
    return session


def test_lost():
    session = opened()
    session.get(User, 1).settings["theme"] = "dark"
    session.commit()


def test_kept():
    session = opened()
    user = session.get(User, 1)
    user.settings = {**user.settings, "theme": "dark"}
    session.commit()


def test_one_query_an_order():
    session = opened()
    for order in session.scalars(select(Order)):
        assert order.user.settings == {}


def test_one_query():
    session = opened()
    assert len(session.execute(select(Order, User).join(Order.user)).all()) == 6
"""


def ran(folder: Path, *options: str) -> str:
    """The outcome of the shop's tests."""
    (folder / "test_shop.py").write_text(SHOP)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "trueup.pytest_plugin", "-p", "no:randomly", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout


def test_without_an_option_nothing_changes(tmp_path: Path) -> None:
    assert "4 passed" in ran(tmp_path)


def test_a_lost_write_is_a_failing_test_that_names_the_place(tmp_path: Path) -> None:
    out = ran(tmp_path, "--trueup-lost-writes")
    assert "1 failed, 3 passed" in out
    assert "the change of User.settings['theme'] would be lost" in out
    assert "test_shop.py:33" in out


@pytest.mark.parametrize(("most", "failed"), [("3", True), ("10", False)])
def test_a_query_for_each_row_is_a_failing_test_that_names_the_line(tmp_path: Path, most: str, failed: bool) -> None:
    out = ran(tmp_path, "--trueup-n-plus-one", most)
    assert ("1 failed, 3 passed" if failed else "4 passed") in out
    line = SHOP.splitlines().index("        assert order.user.settings == {}") + 1
    assert (f"test_shop.py:{line} sends one statement 6 times, each with another value" in out) is failed
