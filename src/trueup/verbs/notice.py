"""Notices and the checklist of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from trueup.config.config import Config
from trueup.errors import Refused
from trueup.guard.register import Register
from trueup.plan.gate import database_of, known
from trueup.results import Progress, RunReport, Silent
from trueup.run import opened, read_plan, scan, status
from trueup.verbs.noticing import Box, Facts, Kind, checklist, command
from trueup.verbs.noticing import notice as filled_in


def notice(config: Config, run_id: str, kind: Kind, form: str = "md", *, store_name: str = "") -> str:
    """A notice about a run; `before` also takes the file of a plan that has not been applied yet."""
    if kind == "before" and Path(run_id).is_file():
        preview = read_plan(run_id)
        groups = [g for g, count in zip(preview.plan.groups, preview.summary.by_group, strict=True) if count]
        facts = Facts(
            preview.plan.environment,
            tuple(sorted({group.table for group in groups})),
            tuple(sorted({group.check for group in groups})),
            tuple(sorted({group.repair for group in groups})),
            preview.summary.count,
            preview.summary.letter,
            preview.plan.because,
            maintenance=config.maintenance is not None,
        )
        return filled_in(facts, kind, form, config.notices)
    report = status(config, run_id, store_name=store_name)
    if kind == "rollback" and report.state not in ("undone", "undoing"):
        raise Refused(f"run {report.run_id} is {report.state}; it has not been taken back")
    if kind == "after" and report.state in ("applying", "undoing"):
        raise Refused(f"run {report.run_id} is still {report.state}")
    return filled_in(facts_of(report), kind, form, config.notices)


def facts_of(report: RunReport) -> Facts:
    """A run as a notice tells it."""
    done = report.states.get("applied", 0) + report.states.get("undone", 0) + report.states.get("undo_conflict", 0)
    told = report.told
    return Facts(
        report.environment,
        tuple(sorted({group.table for group in report.groups})),
        tuple(sorted({group.check for group in report.groups})),
        tuple(sorted({group.repair for group in report.groups})),
        report.planned,
        str(told.get("letter", "")),
        report.because,
        str(told.get("root_cause", "")),
        str(told.get("approved_by", "")),
        report.run_id,
        report.state,
        moment(report.started),
        moment(report.ended),
        done,
        report.states.get("undone", 0),
        report.planned - done,
        report.states.get("undo_conflict", 0),
        report.verified,
        tuple(told.get("commands", ())),
        bool(told.get("maintenance")),
        command("undo", report.run_id),
    )


def moment(seconds: int) -> str:
    """Seconds since 1970 as a moment in UTC; `-` for 0, which stands for not yet."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC") if seconds else "-"


def boxes(config: Config, run_id: str, *, store_name: str = "", progress: Progress | None = None) -> list[Box]:
    """The checklist of a run; its checks are run again, so that what it says of now is true now."""
    report = status(config, run_id, store_name=store_name)
    with opened(config, report.store) as store:
        identity = database_of(store)
        with store.connect() as connection:
            guards = Register(store).standing(connection)
    checks = {group.check for group in report.groups} & {check.title for check in config.checks}
    remaining = None
    if checks:
        found = scan(config, only=sorted(checks), samples=0, progress=progress or Silent())
        remaining = {one.title: one.findings if one.status != "not checked" else -1 for one in found.results}
    return list(
        checklist(
            config,
            report,
            [one for one in known(config) if one.database == identity],
            remaining,
            guards,
        )
    )
