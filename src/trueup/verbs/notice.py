"""Writes notices about a run for people, filled in from the run's record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from trueup.config.config import Config
from trueup.errors import Refused, UsageError
from trueup.results import Preview, RunReport, moment
from trueup.verbs.plan import read_plan
from trueup.verbs.runs import status

Kind = Literal["before", "after", "rollback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts that fill in a notice. `left` are operations left alone, `count` all of the plan; times are in UTC."""

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


def notice(config: Config, run_id: str, kind: Kind, form: str = "md", *, store_name: str = "") -> str:
    """Return a notice about a run. `before` also takes the file of a plan that has not been applied yet."""
    if kind == "before" and Path(run_id).is_file():
        facts = _facts_of_plan(read_plan(run_id), maintenance=config.maintenance is not None)
        return _filled_in(facts, kind, form, config.notices)
    report = status(config, run_id, store_name=store_name)
    if kind == "rollback" and report.state not in ("undone", "undoing"):
        raise Refused(f"run {report.run_id} is {report.state}; it has not been taken back")
    if kind == "after" and report.state in ("applying", "undoing"):
        raise Refused(f"run {report.run_id} is still {report.state}")
    return _filled_in(_facts_of_run(report), kind, form, config.notices)


def _facts_of_plan(preview: Preview, *, maintenance: bool) -> Facts:
    plan = preview.plan
    groups = [group for group, count in zip(plan.groups, preview.summary.by_group, strict=True) if count]
    return Facts(
        environment=plan.environment,
        tables=tuple(sorted({group.table for group in groups})),
        checks=tuple(sorted({group.check for group in groups})),
        repairs=tuple(sorted({group.repair for group in groups})),
        count=preview.summary.count,
        letter=preview.summary.letter,
        because=plan.because,
        maintenance=maintenance,
    )


def _facts_of_run(report: RunReport) -> Facts:
    told, states = report.circumstances, report.states
    done = states.get("applied", 0) + states.get("undone", 0) + states.get("undo_conflict", 0)
    return Facts(
        environment=report.environment,
        tables=tuple(sorted({group.table for group in report.groups})),
        checks=tuple(sorted({group.check for group in report.groups})),
        repairs=tuple(sorted({group.repair for group in report.groups})),
        count=report.planned,
        letter=str(told.get("letter", "")),
        because=report.because,
        root_cause=str(told.get("root_cause", "")),
        approved_by=str(told.get("approved_by", "")),
        run_id=report.run_id,
        state=report.state,
        started=moment(report.started, to_the_minute=True),
        ended=moment(report.ended, to_the_minute=True),
        applied=done,
        undone=states.get("undone", 0),
        left=report.planned - done,
        conflicts=states.get("undo_conflict", 0),
        verified=report.verified,
        commands=tuple(told.get("commands", ())),
        maintenance=bool(told.get("maintenance")),
        undo=f"trueup undo {report.run_id}",
    )


def _filled_in(facts: Facts, kind: Kind, form: str, folder: str = "") -> str:
    """Fill in a template. One in `folder` (`before.md`, `after.txt` ...) replaces trueup's own.

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
