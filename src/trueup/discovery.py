"""Finds units by file name: dropping a file into a package is the registration."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import TypeVar

from trueup.errors import UsageError

T = TypeVar("T")
#: Packages to which another distribution may add units.
OPEN = ("checks", "dialects", "stores", "reports")


@cache
def names(package: str) -> Mapping[str, str]:
    """Map each unit's name to its module path.

    A unit is a module of `trueup.<package>` (underscores read as hyphens), or, of the packages in `OPEN`, an entry
    point of the group `trueup.<package>`. Nothing is imported.
    """
    root = importlib.import_module(f"trueup.{package}")
    found = {
        info.name.replace("_", "-"): f"trueup.{package}.{info.name}"
        for info in pkgutil.iter_modules(root.__path__)
        if not info.name.startswith("_")
    }
    if package in OPEN:
        from importlib.metadata import entry_points  # slow to import, and the linter has no use for it

        for point in entry_points(group=f"trueup.{package}"):
            found.setdefault(point.name, point.module)
    return dict(sorted(found.items()))


def load(package: str, name: str, kind: type[T]) -> type[T]:
    """Import the unit `name` of `package` and return its one public subclass of `kind`.

    Raises `UsageError` when there is no such unit.
    """
    known = names(package)
    if name not in known:
        raise UsageError(f"there is no {package.removesuffix('s')} {name!r}; there is {', '.join(known)}")
    module = importlib.import_module(known[name])
    units = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, kind)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
    ]
    if len(units) != 1:
        raise UsageError(f"{module.__name__} must define one {kind.__name__}, it defines {len(units)}")
    return units[0]
