"""trueup: fsck for a live application's data.

The verbs are functions and the values they return are frozen dataclasses:

    import trueup
    config = trueup.load_config("trueup.yaml")
    for result in trueup.scan(config).results:
        print(result.title, result.findings)

Nothing heavy is imported before a name is used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from trueup.version import VERSION

__version__ = VERSION

if TYPE_CHECKING:
    from trueup.changes import Group as Group
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
    from trueup.verbs.advise import advise as advise
    from trueup.verbs.apply import apply as apply
    from trueup.verbs.backup import backup as backup
    from trueup.verbs.backup import verify_backup as verify_backup
    from trueup.verbs.checklist import checklist as checklist
    from trueup.verbs.explain import explain as explain
    from trueup.verbs.exported import exported as exported
    from trueup.verbs.guard import guard as guard
    from trueup.verbs.notice import notice as notice
    from trueup.verbs.plan import make_plan as make_plan
    from trueup.verbs.plan import read_plan as read_plan
    from trueup.verbs.propose import propose as propose
    from trueup.verbs.recover import recover as recover
    from trueup.verbs.rehearse import rehearse as rehearse
    from trueup.verbs.restore import forget as forget
    from trueup.verbs.restore import restore_plan as restore_plan
    from trueup.verbs.runs import pause as pause
    from trueup.verbs.runs import resume as resume
    from trueup.verbs.runs import runs as runs
    from trueup.verbs.runs import status as status
    from trueup.verbs.scan import scan as scan
    from trueup.verbs.statements import statements as statements
    from trueup.verbs.undo import undo as undo
    from trueup.verbs.verify import verify as verify

_HOMES = {
    "changes": ("Group", "Plan"),
    "check": ("Check", "Repair", "RowCheck", "SetCheck"),
    "config.config": ("Config", "load_config"),
    "errors": ("TrueupError",),
    "findings": ("Finding", "Record", "Source"),
    "results": ("RunReport", "Scan", "Verification"),
    "verbs.advise": ("advise",),
    "verbs.apply": ("apply",),
    "verbs.backup": ("backup", "verify_backup"),
    "verbs.checklist": ("checklist",),
    "verbs.explain": ("explain",),
    "verbs.exported": ("exported",),
    "verbs.guard": ("guard",),
    "verbs.notice": ("notice",),
    "verbs.plan": ("make_plan", "read_plan"),
    "verbs.propose": ("propose",),
    "verbs.recover": ("recover",),
    "verbs.rehearse": ("rehearse",),
    "verbs.restore": ("forget", "restore_plan"),
    "verbs.runs": ("pause", "resume", "runs", "status"),
    "verbs.scan": ("scan",),
    "verbs.statements": ("statements",),
    "verbs.undo": ("undo",),
    "verbs.verify": ("verify",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'trueup' has no attribute {name!r}")
    return getattr(import_module(f"trueup.{_HOME[name]}"), name)


class _Package(ModuleType):
    """The package. `trueup.scan` is the verb, also once the room of that name is imported, which would hide it."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
