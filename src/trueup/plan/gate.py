"""Records of preparation (investigation, export, backup, rehearsal), and the gate: strategies C and D require them.

An attestation says what was done, to which database, about which checks, and with which file; the gate looks at the
file itself. Attestations lie beside the configuration in `.trueup/evidence.jsonl` and hold no value of the data.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from trueup.backup.backup import read_record, sha256
from trueup.changes import Plan, PlanSummary
from trueup.config.config import Config
from trueup.config.strategy import MEANING, PRODUCTION
from trueup.errors import Refused, UsageError
from trueup.journal.identity import database_digest
from trueup.output import append
from trueup.output import folder as output_folder

Kind = Literal["investigation", "export", "backup", "rehearsal"]
FOLDER, FILE = ".trueup", "evidence.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """One record.

    `database` is the digest of its identity, `at` is seconds since 1970, `count` is rows or operations.
    """

    kind: Kind
    database: str
    at: int
    checks: tuple[str, ...] = ()
    file: str = ""
    sha256: str = ""
    count: int = 0
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a person states for a run: the reason, the root cause of the damage, and who approved the run."""

    because: str = ""
    root_cause: str = ""
    approved_by: str = ""


def folder_of(config: Config) -> Path:
    """Return the folder that holds the records of a configuration."""
    return (Path(config.path).parent if config.path else Path.cwd()) / FOLDER


def attest(config: Config, kind: Kind, database: str, **facts: object) -> Attestation:
    """Append an attestation to the file."""
    made = Attestation(kind=kind, database=database, at=int(time.time()), **facts)  # type: ignore[arg-type]  # the fields of Attestation
    folder = folder_of(config)
    try:
        append(output_folder(folder) / FILE, json.dumps(asdict(made)))
    except OSError as error:
        raise UsageError(f"the record of this {kind} cannot be kept in {str(folder)!r}: {error.strerror}") from None
    return made


def attestations(config: Config) -> list[Attestation]:
    """Return every attestation, the oldest first. Raises `UsageError` when the file cannot be read."""
    path = folder_of(config) / FILE
    if not path.exists():
        return []
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [Attestation(**{**line, "checks": tuple(line["checks"])}) for line in lines]
    except (OSError, ValueError, TypeError, KeyError):
        raise UsageError(f"{str(path)!r} cannot be read as a file of records; move it away") from None


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of a strategy: what it is, whether it is met, the command that meets it, its phase.

    The phase is one of the runbook's.
    """

    what: str
    met: bool
    supply: str
    phase: str = "prepare"


def requirements(config: Config, plan: Plan, summary: PlanSummary, given: Declared) -> list[Requirement]:
    """Return everything that a plan's strategy requires, met or not.

    Outside of production only a reason is required: the thresholds warn there, because nothing is at stake.
    """
    if summary.letter not in ("C", "D"):
        return []
    found = [Requirement("a reason that stays with the run", bool(given.because.strip()), "--because 'TEXT'")]
    if plan.environment != PRODUCTION:
        return found
    mine = [one for one in attestations(config) if one.database == database_digest(plan.identity)]
    checks = sorted({group.check for group in plan.groups})
    counts = dict.fromkeys(checks, 0)
    for group, count in zip(plan.groups, summary.by_group, strict=True):
        counts[group.check] += count
    tables = {group.table for group in plan.groups}
    *looked, backed, rehearsed = requirements_of(config, mine, tables, counts, summary.digest)
    found += looked
    if summary.letter == "D":
        found.append(Requirement("the root cause", bool(given.root_cause.strip()), "--root-cause 'TEXT'"))
        found.append(Requirement("who approved it", bool(given.approved_by.strip()), "--approved-by NAME"))
        found += [backed, rehearsed]
    return found


def requirements_of(
    config: Config,
    mine: Sequence[Attestation],
    tables: AbstractSet[str],
    counts: Mapping[str, int],
    plan_digest: str,
) -> list[Requirement]:
    """Return the requirements that attestations can meet for a change of `tables`.

    They are the investigation, the export, the backup and the rehearsal. `counts` are the rows to change by check. An
    investigation or an export of fewer rows does not count, because it is out of date.
    """
    found = []
    checks, total = set(counts), sum(counts.values())
    for check, rows in counts.items():
        seen = any(one.kind == "investigation" and check in one.checks and one.count >= rows for one in mine)
        found.append(Requirement(f"the investigation of {check}", seen, f"trueup explain {check}", "diagnose"))
    exported = any(
        one.kind == "export" and checks <= set(one.checks) and one.count >= total and unchanged(one) for one in mine
    )
    found.append(Requirement("the exported rows", exported, "trueup scan --export broken.jsonl", "diagnose"))
    hours = config.backup_hours
    backed = any(_backed(one, tables, hours) for one in mine)
    found.append(Requirement(f"a verified backup younger than {hours} hours", backed, "trueup backup"))
    rehearsed = any(one.kind == "rehearsal" and one.plan == plan_digest for one in mine)
    found.append(Requirement("a rehearsal of this plan", rehearsed, "trueup rehearse PLAN"))
    return found


def unchanged(one: Attestation) -> bool:
    """Whether the file of an attestation exists and still has the recorded digest."""
    return unchanged_file(one.file, one.sha256)


def _backed(one: Attestation, tables: AbstractSet[str], hours: int) -> bool:
    if one.kind != "backup":
        return False
    try:
        record = read_record(one.file)
    except UsageError:
        return False
    young = time.time() - record.taken < hours * 3600
    covers = not record.tables or tables <= set(record.tables)
    return bool(record.verified) and young and covers and unchanged_file(record.file, record.sha256)


def unchanged_file(file: str, known_digest: str) -> bool:
    """Whether the file exists and still has this digest."""
    path = Path(file)
    return path.is_file() and sha256(path) == known_digest


def gate(config: Config, plan: Plan, summary: PlanSummary, given: Declared) -> None:
    """Raise `Refused` with every unmet requirement of the plan's strategy and the command that meets it."""
    missing = [one for one in requirements(config, plan, summary, given) if not one.met]
    if missing:
        told = "; ".join(f"{one.what} ({one.supply})" for one in missing)
        raise Refused(f"strategy {summary.letter} ({MEANING[summary.letter]}) needs {told}")
