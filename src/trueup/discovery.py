"""Finds units by file name: dropping a file, or for an engine a folder, into a package is the registration."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import TypeVar

from trueup.errors import UsageError

T = TypeVar("T")
#: Packages to which another distribution may add units, and the group of its entry points.
OPEN = {
    "checks": "trueup.checks",
    "engines": "trueup.engines",
    "stores": "trueup.stores",
    "reports.findings": "trueup.reports",
    "lint.rules": "trueup.rules",
}
#: What a unit of a package is called in an error.
NOUN = {"engines": "dialect", "checks": "kind of check", "reports.findings": "format", "lint.rules": "rule"}


@cache
def names(package: str) -> Mapping[str, str]:
    """Map each unit's name to its module path.

    A unit is a module or a folder of `trueup.<package>` (underscores read as hyphens), or, of the packages in `OPEN`,
    an entry point of the group that stands there. Nothing is imported.
    """
    root = importlib.import_module(f"trueup.{package}")
    found = {
        info.name.replace("_", "-"): f"trueup.{package}.{info.name}"
        for info in pkgutil.iter_modules(root.__path__)
        if not info.name.startswith("_")
    }
    if package in OPEN:
        from importlib.metadata import entry_points  # slow to import

        for point in entry_points(group=OPEN[package]):
            found.setdefault(point.name, point.module)
    return dict(sorted(found.items()))


def unit_of(module: str) -> tuple[str, str] | None:
    """The package and the name of the registered unit that `module` is, or that it is a part of; None if it is none."""
    for package in OPEN:
        for name, path in names(package).items():
            if module == path or module.startswith(f"{path}."):
                return package, name
    return None


def has(package: str, name: str, part: str) -> bool:
    """Whether the unit `name`, a folder, has a module `part`."""
    return name in names(package) and find_spec(f"{names(package)[name]}.{part}") is not None


def load(package: str, name: str, kind: type[T], part: str = "") -> type[T]:
    """Import the unit `name` of `package` and return its one public subclass of `kind`.

    Of a unit that is a folder, `part` is the module to look in. Raises `UsageError` when there is no such unit or part.
    """
    known = names(package)
    noun = NOUN.get(package, package.removesuffix("s"))
    if name not in known:
        raise UsageError(f"there is no {noun} {name!r}; there is {', '.join(known)}")
    if part and not has(package, name, part):
        raise UsageError(f"trueup has no {part} for {name}")
    place = f"{known[name]}.{part}" if part else known[name]
    try:
        module = importlib.import_module(place)
    except Exception as error:
        if place.startswith("trueup."):
            raise
        # the code of others: what is wrong with it is theirs to mend
        raise UsageError(f"the {noun} {name!r} cannot be loaded from {place}: {type(error).__name__}") from None
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
