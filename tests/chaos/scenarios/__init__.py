"""One file a scenario: its docstring says what goes wrong in it, `play` makes it go wrong and judges the outcome."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from tests.engines import ENGINES


class Scenario:
    """A file of this folder: `play(arena, seed, tally)`; `SEEN` names what each play must have seen.

    Optional: `ENGINES` (else all), `OWN_SERVER` (it kills the server), `COUNTED` (seen in the long run, not each time).
    """

    def __init__(self, name: str, module: ModuleType) -> None:
        self.name = name
        self.play = module.play
        self.engines: tuple[str, ...] = getattr(module, "ENGINES", ENGINES)
        self.seen: tuple[str, ...] = module.SEEN
        self.own_server: bool = getattr(module, "OWN_SERVER", False)


def scenarios() -> dict[str, Scenario]:
    """Every scenario, by the name of its file."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    return {name: Scenario(name, importlib.import_module(f"{__name__}.{name}")) for name in names}
