"""The guard notices what SQLAlchemy loses, and nothing else."""

import json
import os
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lint import behaviour
from tests.lint.behaviour import LOST, SAVED, happened
from trueup.sqlalchemy import Guard, LostChange, LostChangeWarning, Mode, guard

Watch = Callable[[Mode], Callable[[Any], None]]
#: What is done to the database in another way is written, but the object still differs from what was loaded.
BESIDE = {"core update of the alias", "Query.update", "Query.update by the attribute", "raw SQL"}


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Guards that are taken off at the end."""
    made: list[Guard] = []

    def with_mode(mode: Mode) -> Callable[[Any], None]:
        return lambda session: made.append(guard(session, mode=mode))

    yield with_mode
    for one in made:
        one.remove()


@pytest.mark.parametrize("name", LOST)
def test_a_change_that_would_be_lost_raises(name: str, watch: Watch) -> None:
    with pytest.raises(LostChange, match="would be lost"):
        happened(LOST[name], watch=watch("raise"))


@pytest.mark.parametrize("name", LOST)
def test_a_change_that_would_be_lost_is_saved(name: str, watch: Watch) -> None:
    assert happened(LOST[name], watch=watch("save")) == "saved"


@pytest.mark.parametrize("name", sorted(set(SAVED) - BESIDE))
def test_a_change_that_is_saved_passes(name: str, watch: Watch) -> None:
    assert happened(SAVED[name], watch=watch("raise")) == "saved"


def test_a_warning_names_model_field_key_and_line(watch: Watch) -> None:
    with pytest.warns(
        LostChangeWarning, match=r"the change of User\.data\['a'\]\['k'\] would be lost: .* loaded at .+:\d+"
    ):
        assert happened('user.data["a"]["k"] = "NEW"', watch=watch("warn")) == "lost"


def test_a_guard_that_is_removed_is_silent() -> None:
    def watch(session: Any) -> None:
        guard(session, mode="raise").remove()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert happened(LOST["item"], watch=watch) == "lost"


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="mode must be warn, raise or save, not 'log'"):
        guard(None, mode="log")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        'user.data["k"] = "NEW"\nuser.data = dict(user.data)\nsession.flush()',
        'held = dict(user.data)\nuser.data = held\nuser.tags = []\nsession.flush()\nheld["k"] = "NEW"',
        'held = {"a": 1}\nmade = User(data=held)\nsession.add(made)\nsession.flush()\nheld["k"] = "NEW"',
        'session.expunge(user)\nuser.data["k"] = "NEW"\nsession.add(user)',
        'with session.begin_nested():\n    user.tags = []\nuser.data["k"] = "NEW"',
        'user.data.get("a")\nsession.rollback()\nsession.get(User, 1).data["k"] = "NEW"',
        'session.get(User, 1).data["a"]["k"] = "NEW"\ndel user',
    ],
    ids=["copy and flush", "alias over a flush", "alias of a new one", "detached", "savepoint", "rollback", "let go"],
)
def test_a_change_that_is_lost_in_another_way_raises(body: str, watch: Watch) -> None:
    assert happened(body) == "lost"
    with pytest.raises(LostChange, match="would be lost"):
        happened(body, watch=watch("raise"))


@pytest.mark.parametrize(
    "body",
    [
        'user.mutable["k"] = "NEW"\nsession.flush()\nuser.mutable["k"] = "NEW 2"',
        'user.data["k"] = "NEW"\nflag_modified(user, "data")\nsession.flush()',
        'user.data["k"] = 1\nsession.refresh(user)\nuser.data = {"k": "NEW"}',
        'user.data["k"] = 1\nsession.rollback()\nuser.data = {"k": "NEW"}',
        'user.data["k"] = 1\nsession.delete(user)\nsession.add(User(data={"k": "NEW"}))',
    ],
    ids=["mutable over a flush", "flag and flush", "refreshed", "rolled back", "deleted"],
)
def test_a_change_that_is_saved_or_given_up_passes(body: str, watch: Watch) -> None:
    assert happened(body, watch=watch("raise")) == "saved"


def test_classes_are_as_they_were_when_the_last_guard_is_removed() -> None:
    space: dict[str, Any] = {}
    exec(compile(behaviour.MODEL, "model", "exec"), space)
    engine, model = space["create_engine"]("sqlite://"), space["User"]
    space["Base"].metadata.create_all(engine)
    before = {name: type(vars(model)[name]) for name in ("data", "mutable", "id")}
    one, two = guard(space["Session"]), guard(space["Session"])
    with space["Session"](engine) as session:
        session.add(model(data={}))
        session.commit()
        assert session.query(model).filter(model.data.is_not(None)).one().data == {}
        assert type(vars(model)["data"]) is not before["data"]
        one.remove()
        assert type(vars(model)["data"]) is not before["data"]
        two.remove()
    assert {name: type(vars(model)[name]) for name in before} == before
    engine.dispose()


def test_two_guards_see_the_same_and_a_session_of_neither_sees_nothing(watch: Watch) -> None:
    with pytest.raises(LostChange), pytest.warns(LostChangeWarning):
        happened(LOST["item"], watch=lambda session: (watch("warn")(session), watch("raise")(session)))
    assert happened(LOST["item"]) == "lost"


def test_the_older_sqlalchemy_is_guarded_alike() -> None:
    old = os.environ.get("TRUEUP_SQLALCHEMY14", "")
    if not old and "CI" not in os.environ:
        pytest.skip("no SQLAlchemy 1.4: name its Python in TRUEUP_SQLALCHEMY14")
    source = Path(__file__).parent.parent / "src"
    done = subprocess.run(
        [old, behaviour.__file__, "guarded"], capture_output=True, text=True, env={"PYTHONPATH": str(source)}
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name for name, fate in found.items() if fate == "raised and saved"} == set(LOST) | BESIDE
    assert {name for name, fate in found.items() if fate == "unnoticed"} == set(SAVED) - BESIDE
