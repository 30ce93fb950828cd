"""Bugs put into trueup on purpose, a file a topic: a suite that does not see them proves nothing.

They are those that others paid for, `docs/reliability.md` names them. Each file has its `BUGS` by name.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from tests.chaos.bugs.planting import Bug


@cache
def bugs() -> dict[str, Bug]:
    """Every bug, by name."""
    found: dict[str, Bug] = {}
    for info in pkgutil.iter_modules(__path__):
        found |= getattr(importlib.import_module(f"{__name__}.{info.name}"), "BUGS", {})
    return dict(sorted(found.items()))


def plant(name: str) -> None:
    """Put a bug into this process."""
    bugs()[name].plant()
