"""The plugin's options, each in a run of pytest of its own."""

import os
import subprocess
import sys
import tomllib
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


def test_the_options_are_there_once_trueup_is_installed(tmp_path: Path) -> None:
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    made = tmp_path / "site" / "installed-1.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1\n")
    entries = "".join(f"{name} = {value}\n" for name, value in project["project"]["entry-points"]["pytest11"].items())
    (made / "entry_points.txt").write_text(f"[pytest11]\n{entries}")
    (tmp_path / "test_shop.py").write_text(SHOP)
    path = os.pathsep.join([str(made.parent), os.environ.get("PYTHONPATH", "")])
    for more in ((), ("-p", "trueup.pytest_plugin")):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--trueup-lost-writes", *more]
        env = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env)
        assert "1 failed, 3 passed" in done.stdout, done.stdout + done.stderr


def test_the_plugin_loads_nothing_and_calls_nothing_without_an_option() -> None:
    code = (
        "import pytest, sys; before = set(sys.modules); import trueup.pytest_plugin as plugin; "
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)), "
        "sorted(name for name in vars(plugin) if name.startswith('pytest_')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "['trueup'] ['pytest_addoption', 'pytest_configure', 'pytest_unconfigure']\n"
