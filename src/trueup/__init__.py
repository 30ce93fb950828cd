"""trueup: fsck for a live application's data.

The verbs are functions and the values they return are frozen dataclasses:

    import trueup
    config = trueup.load_config("trueup.yaml")
    for result in trueup.scan(config).results:
        print(result.title, result.findings)

Nothing heavy is imported before a name is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trueup.version import VERSION

__version__ = VERSION

if TYPE_CHECKING:
    from trueup.changes import Change as Change
    from trueup.changes import Group as Group
    from trueup.changes import Image as Image
    from trueup.changes import Plan as Plan
    from trueup.check import Check as Check
    from trueup.check import Repair as Repair
    from trueup.check import RowCheck as RowCheck
    from trueup.check import SetCheck as SetCheck
    from trueup.config.config import Config as Config
    from trueup.config.config import load_config as load_config
    from trueup.errors import TrueupError as TrueupError
    from trueup.findings import Finding as Finding
    from trueup.findings import Record as Record
    from trueup.findings import Source as Source
    from trueup.results import RunReport as RunReport
    from trueup.results import Scan as Scan
    from trueup.results import Verification as Verification
    from trueup.run import apply as apply
    from trueup.run import make_plan as make_plan
    from trueup.run import pause as pause
    from trueup.run import propose as propose
    from trueup.run import read_plan as read_plan
    from trueup.run import recover as recover
    from trueup.run import resume as resume
    from trueup.run import runs as runs
    from trueup.run import scan as scan
    from trueup.run import statements as statements
    from trueup.run import status as status
    from trueup.run import undo as undo
    from trueup.run import verify as verify

_HOMES = {
    "changes": ("Change", "Group", "Image", "Plan"),
    "check": ("Check", "Repair", "RowCheck", "SetCheck"),
    "config.config": ("Config", "load_config"),
    "errors": ("TrueupError",),
    "findings": ("Finding", "Record", "Source"),
    "results": ("RunReport", "Scan", "Verification"),
    "run": (
        "apply",
        "make_plan",
        "pause",
        "propose",
        "read_plan",
        "recover",
        "resume",
        "runs",
        "scan",
        "statements",
        "status",
        "undo",
        "verify",
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'trueup' has no attribute {name!r}")
    return getattr(import_module(f"trueup.{_HOME[name]}"), name)
