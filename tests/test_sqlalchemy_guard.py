"""The guard notices what SQLAlchemy loses, and nothing else."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

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
