"""Named points of a run where a test may stop the process. They cost nothing unless TRUEUP_TESTING is set.

The fault suite (`tests/chaos`) sets `action`, which is called with the name of each point as the run passes it. That is
how the suite kills a run at the first, second, third ... passing of every point.
"""

from __future__ import annotations

import os
from collections.abc import Callable


def _nothing(name: str) -> None:
    """Do nothing."""


#: Called with the name of each point; only used where TRUEUP_TESTING was set before trueup was imported.
action: Callable[[str], None] = _nothing


def _act(name: str) -> None:
    action(name)


#: Reports that the process has reached the point with this name.
failpoint: Callable[[str], None] = _act if os.environ.get("TRUEUP_TESTING") else _nothing
