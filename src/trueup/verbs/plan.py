"""Makes a plan, and reads one back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trueup.config.config import Config, chosen
from trueup.config.options import nearest
from trueup.errors import UsageError
from trueup.plan.file import PlanFile
from trueup.plan.planner import Planner
from trueup.results import Preview, Progress, Silent
from trueup.verbs._opened import by_store, opened

#: How many changes of each group a plan shows when it is read back.
SAMPLES = 5


def make_plan(
    config: Config,
    path: str,
    *,
    only: Sequence[str] = (),
    repairs: Mapping[str, str] | None = None,
    because: str = "",
    accept_rate: Sequence[str] = (),
    values: bool = False,
    progress: Progress | None = None,
) -> Preview:
    """Write the plan that repairs what the checks find, and return it as read back."""
    checks = chosen(config, only)
    for title, repair in (repairs or {}).items():
        if title not in {check.title for check in checks}:
            titles = [check.title for check in checks]
            raise UsageError(f"there is no check {title!r} to repair with {repair!r}{nearest(title, titles)}")
    checks = [
        replace(check, repair=(repairs[check.title],)) if repairs and check.title in repairs else check
        for check in checks
    ]
    stores = by_store(config, checks)
    if len(stores) != 1:
        raise UsageError(f"a plan is for one store; choose checks of one of {', '.join(stores) or 'none'} with --check")
    ((name, mine),) = stores.items()
    with opened(config, name) as store:
        planner = Planner(
            config, store, because=because, accept_rate=accept_rate, values=values, progress=progress or Silent()
        )
        planner.run(mine, path)
    return read_plan(path)


def read_plan(path: str) -> Preview:
    """Read a plan, verify its whole chain, and return it with the first changes of each group."""
    with PlanFile(path) as plan:
        samples: dict[int, list[tuple[str, str, str]]] = {}
        wanted = {i for i, count in enumerate(plan.summary.by_group) if count}
        for op in plan.ops():
            room = samples.setdefault(op.group, [])
            if len(room) < SAMPLES:
                room.append((", ".join(op.key), *op.previews))
            if len(room) == SAMPLES:
                wanted.discard(op.group)
            if not wanted:
                break
        return Preview(path, plan.plan, plan.summary, {group: tuple(lines) for group, lines in samples.items()})
