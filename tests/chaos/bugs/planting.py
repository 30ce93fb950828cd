"""What a planted bug is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.engines import ENGINES
from trueup.engines.sqlite.dialect import Sqlite


@dataclass(frozen=True, slots=True)
class Bug:
    """How it is planted; the scenario that has to catch it, within so many `rounds`, on each of its `engines`.

    For `kills`: the verb in which it shows, and whether it takes a kill to see it. For `worlds`: features or acts, one
    of which a world must have to be played (a round is then as many worlds of that kind as there is time for), and what
    the violation must say, so that it is not another one that was seen.
    """

    plant: Callable[[], None]
    scenario: str
    engines: tuple[str, ...] = ENGINES
    rounds: int = 10
    verb: str = "undo"
    killed: bool = False
    focus: tuple[str, ...] = ()
    sign: str = ""


def swap(owner: type, name: str, other: Callable[..., Any]) -> None:
    """Replace a method that is there; a bug planted beside the code would never be found."""
    assert callable(getattr(owner, name))
    setattr(owner, name, other)


def uncounted() -> None:
    """What a write did to other rows is not counted, which would hide what let it."""
    Sqlite.counts_rows = False


def replace_in(module: object, name: str, other: Any) -> None:
    """Replace a name that a module has."""
    assert name in vars(module), f"{module} has no {name}"
    setattr(module, name, other)


def everywhere(old: Callable[..., Any], new: Callable[..., Any]) -> None:
    """Replace a function in every module of trueup that has it by name."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "trueup"]
    places = [(module, name) for module in modules for name, value in vars(module).items() if value is old]
    assert places
    for module, name in places:
        setattr(module, name, new)
