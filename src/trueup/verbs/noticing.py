"""What to tell people about a run, filled in from its record, and a checklist that ticks only what is proven."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from trueup.config.config import Config
from trueup.errors import UsageError
from trueup.guard.register import Standing
from trueup.plan.gate import Evidence, demands_of
from trueup.results import RunReport

Kind = Literal["before", "after", "rollback"]
KINDS: tuple[Kind, ...] = ("before", "after", "rollback")
FORMATS = ("md", "txt")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a notice is filled in with. `left` are operations left alone, `count` all of the plan, times in UTC."""

    environment: str
    tables: tuple[str, ...]
    checks: tuple[str, ...]
    repairs: tuple[str, ...]
    count: int
    letter: str
    because: str
    root_cause: str = ""
    approved_by: str = ""
    run_id: str = ""
    state: str = ""
    started: str = ""
    ended: str = ""
    applied: int = 0
    undone: int = 0
    left: int = 0
    conflicts: int = 0
    verified: str = ""
    commands: tuple[Mapping[str, Any], ...] = ()
    maintenance: bool = False
    undo: str = ""


def notice(facts: Facts, kind: Kind, form: str, folder: str = "") -> str:
    """The text of a notice. Templates in `folder` (`before.md`, `after.txt` ...) stand in for trueup's own.

    Raises `UsageError` for a template that cannot be filled in.
    """
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined, TemplateError
    except ImportError:
        raise UsageError("a notice needs Jinja2: pip install 'trueup[reports]'") from None

    def load(name: str) -> str:
        own = Path(folder) / name if folder else None
        if own is not None and own.is_file():
            return own.read_text(encoding="utf-8")
        return (resources.files("trueup") / "templates" / "notices" / name).read_text(encoding="utf-8")

    environment = Environment(  # noqa: S701 - Markdown and plain text: there is no HTML to escape for
        loader=FunctionLoader(load), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = lambda value: f"{value:,}"
    try:
        return environment.get_template(f"{kind}.{form}").render(run=facts).rstrip() + "\n"
    except TemplateError as error:
        raise UsageError(f"the template {kind}.{form} cannot be filled in: {error}") from None


def command(*words: str) -> str:
    """A command line to copy."""
    return shlex.join(["trueup", *words])


# -- the checklist ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Box:
    """One line of the checklist: `proof` is what ticks it, or what would."""

    phase: str
    text: str
    done: bool
    proof: str


def checklist(
    config: Config,
    report: RunReport,
    mine: list[Evidence],
    remaining: Mapping[str, int] | None,
    guards: list[Standing],
) -> Iterator[Box]:
    """Every box of a run. `mine` is the evidence, `remaining` what the checks find now, `guards` those that stand."""
    checks = sorted({group.check for group in report.groups})
    given = report.told
    tables = {group.table for group in report.groups}
    # the journal counts a run's operations together: of several checks, that they were looked at must do
    counts = {check: report.planned if len(checks) == 1 else 1 for check in checks}
    for demand in demands_of(config, mine, tables, counts, report.plan_digest):
        yield Box(demand.phase, demand.what, demand.met, demand.supply)
    yield Box("prepare", "the cause is stated", bool(report.because), report.because or "--because")
    yield Box("prepare", "the root cause is stated", bool(given.get("root_cause")), given.get("root_cause", ""))
    yield Box("prepare", "it was approved", bool(given.get("approved_by")), given.get("approved_by", ""))
    rested = given.get("maintenance") or {}
    if config.maintenance is not None:
        yield Box("apply", "maintenance was on, and is off", {"on", "off"} <= set(rested), "apply --maintenance")
    done = report.state in ("applied", "undone", "undoing") and report.ended > 0
    yield Box("apply", f"{report.planned:,} changes were carried out to the end", done, f"run is {report.state}")
    left = sum(count for state, count in report.states.items() if state not in ("applied", "undone", "already_good"))
    yield Box("apply", "no row was left alone", done and not left, f"{left:,} left" if left else "trueup status")
    sound = report.verified == "sound"
    yield Box("verify", "every row was read again, and the journal is whole", sound, report.verified or "trueup verify")
    for one in given.get("commands", ()):
        if one["when"] == "after":
            yield Box("verify", f"{one['command']} succeeds", one["exit"] == 0, f"exit {one['exit']}")
    if remaining is not None:
        for check in checks:
            count = remaining.get(check, -1)
            yield Box("verify", f"{check} finds nothing now", count == 0, f"{count:,} rows" if count > 0 else "scan")
    standing = {one.check for one in guards if not one.problem}
    for check in checks:
        yield Box("prevent", f"{check} is guarded", check in standing, command("guard", check, "--apply"))
    if report.state in ("undone", "undoing"):
        undone = report.states.get("undone", 0)
        kept = report.states.get("undo_conflict", 0)
        done = report.state == "undone" and undone > 0 and not kept
        why = f"{kept:,} keep what they hold" if kept else f"run is {report.state}"
        yield Box("roll back", f"{undone:,} rows were given back", done, why)
