"""What the verbs return: facts for a report to word, nothing printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from typing_extensions import override

from trueup.changes import Group, Plan, PlanSummary
from trueup.findings import Finding, Severity, Source


class Progress(Protocol):
    """Told how far a verb is; the command line draws it, the library's default does nothing."""

    def task(self, label: str, total: int | None) -> None:
        """A new piece of work begins, of `total` rows or operations when that is known."""
        ...

    def advance(self, count: int) -> None:
        """`count` more rows or operations are done."""
        ...

    def waiting(self, reason: str) -> None:
        """Work rests because of `reason`; an empty reason: it goes on."""
        ...


class Silent(Progress):
    """Progress that shows nothing."""

    @override
    def task(self, label: str, total: int | None) -> None:
        pass

    @override
    def advance(self, count: int) -> None:
        pass

    @override
    def waiting(self, reason: str) -> None:
        pass


@dataclass(frozen=True, slots=True)
class GroupCount:
    """Broken rows of one group (`group_by`) and one word of `Measures.word`."""

    group: str
    word: str
    count: int
    severity: Severity


@dataclass(frozen=True, slots=True)
class RepairCount:
    """How many broken rows the default choice of repairs would mend with one of them; no name: none fits."""

    repair: str
    effect: str
    count: int


Fate = Literal["persists", "lost", "may be lost"]


@dataclass(frozen=True, slots=True)
class CodeWriter:
    """A line of code that writes a column, its text, and what becomes of what it writes."""

    where: Source
    fate: Fate
    text: str


@dataclass(frozen=True, slots=True)
class PartCount:
    """A place inside a value, and in how many of `rows` it is as it must be (`right`)."""

    place: str
    expected: str
    within: str
    right: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check saw. `status` is never `clean` for a check that did not run.

    `rows` were read, `skipped` of them not judged because of `skipped_because`. `distribution` is
    (word, healthy, count) over all rows. `samples` are the first findings, critical groups first; their messages say
    the evidence named in `in_message` already. `writers` are the lines of code that write the columns, the lost ones
    first; None when no code was looked at, or it has no model of the table.
    """

    title: str
    kind: str
    store: str
    table: str
    columns: tuple[str, ...]
    status: Literal["clean", "findings", "not checked"]
    rows: int = 0
    skipped: int = 0
    skipped_because: str = ""
    reason: str = ""
    findings: int = 0
    distribution: tuple[tuple[str, bool, int], ...] = ()
    parts: tuple[PartCount, ...] = ()
    groups: tuple[GroupCount, ...] = ()
    group_by: str = ""
    samples: tuple[Finding, ...] = ()
    in_message: frozenset[str] = frozenset()
    repairs: tuple[RepairCount, ...] = ()
    letter: str = "A"
    seconds: float = 0.0
    writers: tuple[CodeWriter, ...] | None = None

    @property
    def effective(self) -> int | None:
        """Rows that are right times lines that persist, a million being all of both; None where either is not known."""
        if not self.rows or not self.writers or self.status == "not checked":
            return None
        kept = sum(writer.fate != "lost" for writer in self.writers)
        return 1_000_000 * (self.rows - self.findings) * kept // (self.rows * len(self.writers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A scan of one configuration. `exit_code`: 0 clean, 1 findings, 3 some check did not run.

    `notices` are sentences about what should stand around the data and does not, such as a guard that has gone.
    """

    environment: str
    stores: Mapping[str, str]
    results: tuple[CheckResult, ...]
    seconds: float
    derived: bool = False
    notices: tuple[str, ...] = ()

    @property
    def findings(self) -> int:
        """Broken rows over all checks."""
        return sum(result.findings for result in self.results)

    @property
    def exit_code(self) -> int:
        """The worst of the results, as the command line exits."""
        if any(result.status == "not checked" for result in self.results):
            return 3
        return 1 if self.findings or self.notices else 0


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement for a console: the check it belongs to and what it answers."""

    check: str
    purpose: str
    sql: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan as read back: header, totals, and the first changes of each group (key, before, after)."""

    path: str
    plan: Plan
    summary: PlanSummary
    samples: Mapping[int, tuple[tuple[str, str, str], ...]]


@dataclass(frozen=True, slots=True)
class OpRecord:
    """One operation that was not carried out, for a person to look at."""

    seq: int
    table: str
    key: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run as its journal shows it. `states` counts operations by state; `listed` names those left alone.

    `planned` operations stand in the plan; `state` is one of `journal.STATES`. Times are seconds since 1970 on
    the database's clock, 0 when not yet. `circumstances` are what was stated and done around it: `letter`,
    `root_cause`, `approved_by`, `commands` (the application's own, with their exits), `maintenance`.
    """

    run_id: str
    store: str
    state: str
    environment: str
    plan_digest: str
    planned: int
    states: Mapping[str, int]
    groups: tuple[Group, ...] = ()
    listed: tuple[OpRecord, ...] = ()
    because: str = ""
    reason: str = ""
    started: int = 0
    ended: int = 0
    verified: str = ""
    undoable: int = 0
    dry_run: bool = False
    seconds: float = 0.0
    paused: bool = False
    tool: str = ""
    #: What changed about the tables since the run, and does no harm to its undo.
    since: tuple[str, ...] = ()
    circumstances: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a second look at a run proved: `problems` is empty when it is sound.

    Of `rows` operations `intact` still show what the run wrote, `restored` show again what stood there before it
    (they were undone), `changed_since` were written by the application after that. `remaining` are the findings that
    its checks still report, `untold` says of which of them that is not known.
    """

    run_id: str
    state: str
    rows: int
    intact: int
    changed_since: int
    remaining: Mapping[str, int]
    problems: tuple[str, ...] = ()
    restored: int = 0
    untold: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether everything the journal says was found to be so."""
        return not self.problems


def moment(seconds: int, *, to_the_minute: bool = False) -> str:
    """Seconds since 1970 as a moment in UTC; `-` for 0, which stands for not yet."""
    if not seconds:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).strftime(
        "%Y-%m-%d %H:%M UTC" if to_the_minute else "%Y-%m-%d %H:%M:%S UTC"
    )
