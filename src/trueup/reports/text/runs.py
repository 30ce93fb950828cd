"""Runs as text: what one did, what it left alone and why, whether it can be undone, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType

from trueup import changes
from trueup.reports._words import counted, duration, masked, number, safe
from trueup.reports.text.layout import BAD, DIM, GOOD, STRONG, WARN, blank, indented, line, steps, table
from trueup.results import RunReport, Verification, moment

#: Operations left alone that are listed; the rest is counted.
LISTED = 20

#: What a state of a run means to the person who has to decide what to do now.
STATES = {
    "applying": ("in progress, or ended without a word: no operation is half done", WARN),
    "applied": ("finished", GOOD),
    "stopped": ("stopped before the end; what was written stands and is journaled", WARN),
    "failed": ("a verification failed: do not go on, undo leads out", BAD),
    "undoing": ("being taken back, or ended without a word", WARN),
    "undone": ("taken back", GOOD),
}

#: What the state of an operation means; in a dry run it is what would become of it.
OPERATIONS = {
    "applied": ("changed as planned", GOOD),
    "already_good": ("already as planned, not touched", DIM),
    "conflict": ("changed by someone else since the plan, left alone", WARN),
    "missing": ("no longer there, left alone", WARN),
    "premise_gone": ("no longer broken, left alone", DIM),
    "blocked": ("refused by the database, left alone", BAD),
    "undone": ("given back what it held before the run", GOOD),
    "undo_conflict": ("not given back, left as it is", WARN),
}
DRY = {
    "applied": ("would be changed as planned, where the database takes it", GOOD),
    "undone": ("would be as before the run, where the database takes it", GOOD),
    "undo_conflict": ("would not be given back, and stay as they are", WARN),
}


def run_report(run: RunReport, *, next_steps: Sequence[tuple[str, str]] = ()) -> RenderableType:
    """One run, or the dry run of one; `next_steps` are commands with what they do."""
    parts: list[RenderableType] = [*_run(run)]
    if next_steps:
        parts += [blank(), steps(next_steps)]
    return Group(*parts)


def _run(run: RunReport) -> Iterator[RenderableType]:
    if run.dry_run:
        what = f"undo of run {run.run_id}, a preview" if run.run_id else "dry run"
        yield line((f"{what}: nothing was written", STRONG))
    else:
        meaning, style = STATES.get(run.state, ("", ""))
        told = [meaning, f"{number(len(run.listed))} left alone" if run.listed else "", "paused" if run.paused else ""]
        yield line("run ", (run.run_id, STRONG), ": ", (run.state, style), " - ", ", ".join(filter(None, told)))
    yield indented(_facts(run))
    if run.states:
        yield indented(blank(), _states(run))
    if run.groups:
        yield indented(blank(), _groups(run))
    if run.listed:
        yield indented(blank(), *_listed(run))


def _facts(run: RunReport) -> RenderableType:
    rows = [
        ("where", f"{run.environment}, store {run.store}"),
        ("plan", f"{counted(run.planned, 'operation')}, digest {run.plan_digest[:8]}"),
        ("because", run.because),
        ("reason", masked(run.reason)),
        ("started", moment(run.started) if run.started else ""),
        # a run that goes on again still has the time at which it was stopped
        ("ended", moment(run.ended) if run.ended and run.state not in ("applying", "undoing") else ""),
        ("took", duration(run.seconds) if run.seconds else ""),
        ("verified", run.verified),
        ("since", "; ".join(run.since)),
        ("undo", "" if run.dry_run else f"{counted(run.undoable, 'operation')} can be taken back"),
    ]
    return table([((name, DIM), value) for name, value in rows if value])


def _states(run: RunReport) -> RenderableType:
    known = DRY if run.dry_run else OPERATIONS
    rows = []
    for state, count in sorted(run.states.items(), key=lambda item: [*OPERATIONS, item[0]].index(item[0])):
        meaning, style = known.get(state, OPERATIONS.get(state, ("", "")))
        rows.append((number(count), (state.replace("_", " "), style), (meaning, DIM)))
    open_ops = run.planned - sum(run.states.values())
    if open_ops > 0 and not run.dry_run:
        rows.append((number(open_ops), ("open", WARN), ("not reached, as it was before the run", DIM)))
    return table(rows, right=(0,))


def _groups(run: RunReport) -> RenderableType:
    return table(
        [(group.check, f"{group.repair} ({group.effect})", *_act(group)) for group in run.groups],
        head=("check", "repair", "what", "columns"),
    )


def _act(group: changes.Group) -> tuple[str, str]:
    """What a repair does to which table, and its columns; a quarantine takes them all."""
    if group.action == "delete":
        return f"move out of {group.table}", "the whole row"
    return f"update {group.table}", ", ".join(group.columns)


def _listed(run: RunReport) -> Iterator[RenderableType]:
    yield line(("left alone", STRONG), " - a person should look:")
    rows = [
        (f"{op.table} {safe(op.key, 60)}", (op.state.replace("_", " "), WARN), masked(op.reason))
        for op in run.listed[:LISTED]
    ]
    yield indented(table(rows))
    if len(run.listed) > LISTED:
        yield indented(line((f"and {number(len(run.listed) - LISTED)} more", DIM)))


def runs_report(runs: Sequence[RunReport]) -> RenderableType:
    """A table of runs as the journal gives them, or one line that there are none."""
    if not runs:
        return line("no runs: the journal is empty, or there is none where it is looked for")
    rows = [
        (
            (run.run_id, STRONG),
            (run.state + (", paused" if run.paused else ""), STATES.get(run.state, ("", ""))[1]),
            moment(run.started),
            number(run.planned),
            number(run.undoable),
            run.store,
            (safe(run.because, 50), DIM),
        )
        for run in runs
    ]
    return table(rows, head=("run", "state", "started", "operations", "undoable", "store", "because"), right=(3, 4))


def verification_report(found: Verification, *, next_steps: Sequence[tuple[str, str]] = ()) -> RenderableType:
    """What a verification proved, the problems first."""
    remaining = sum(found.remaining.values())
    parts: list[RenderableType] = []
    if found.problems:
        parts.append(line(("NOT SOUND", BAD), f": run {found.run_id} is not as its journal says"))
        parts.append(indented(*(line((masked(problem), BAD)) for problem in found.problems)))
    else:
        parts.append(line(("sound", GOOD), f": run {found.run_id} ({found.state}) is as its journal says"))
    parts += [line(("NOT CHECKED", BAD), f" what remains: {masked(one)}") for one in found.untold]
    rows = [
        (number(found.rows), "rows of the run were looked at"),
        *([] if found.state == "undone" else [(number(found.intact), "still show what the run wrote")]),
        *([(number(found.restored), "show again what they held before the run")] if found.restored else []),
        (number(found.changed_since), "were written by the application since then, and stay as they are"),
    ]
    parts.append(indented(table(rows, right=(0,))))
    if remaining:
        verb = "remains" if remaining == 1 else "remain"
        parts.append(line((f"{counted(remaining, 'finding')} {verb}", WARN), " of the checks that this run repaired:"))
        left = [(number(count), check, "") for check, count in found.remaining.items() if count]
        parts.append(indented(table(left, right=(0,))))
    elif found.remaining:
        parts.append(line(("nothing remains", GOOD), f" of {', '.join(found.remaining)}"))
    if next_steps:
        parts += [blank(), steps(next_steps)]
    return Group(*parts)
