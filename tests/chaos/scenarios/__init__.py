"""One file a scenario: its docstring says what goes wrong in it, `play` makes it go wrong and judges the outcome."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from tests.engines import ENGINES


class Scenario:
    """A file of this folder: `play(arena, seed, tally)`, and what a play that proves anything must have seen.

    `ENGINES` where it is not for all of them, and `REASON` where that is this machine's fault.
    """

    def __init__(self, name: str, module: ModuleType) -> None:
        self.name = name
        self.play = module.play
        self.engines: tuple[str, ...] = getattr(module, "ENGINES", ENGINES)
        self.reason: str = getattr(module, "REASON", "") or f"{name} is not for every engine"
        self._module = module

    def seen(self, engine: str) -> tuple[str, ...]:
        """What a play on this engine must have seen: `SEEN`, and `SEEN_ON` of the engine."""
        also: dict[str, tuple[str, ...]] = getattr(self._module, "SEEN_ON", {})
        return (*self._module.SEEN, *also.get(engine, ()))


def scenarios() -> dict[str, Scenario]:
    """Every scenario, by the name of its file."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    return {name: Scenario(name, importlib.import_module(f"{__name__}.{name}")) for name in names}
