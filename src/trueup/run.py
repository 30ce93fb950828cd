"""The verbs under one name: `from trueup.run import scan`. Each lives in `trueup.verbs`."""

from trueup.verbs.apply import apply
from trueup.verbs.plan import make_plan, read_plan
from trueup.verbs.propose import propose
from trueup.verbs.recover import recover
from trueup.verbs.runs import pause, resume, runs, status
from trueup.verbs.scan import scan
from trueup.verbs.statements import statements
from trueup.verbs.undo import undo
from trueup.verbs.verify import verify

__all__ = [
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
]
