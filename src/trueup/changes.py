"""What a plan says: each change as two images of one record, and the groups the changes fall into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trueup.findings import Record

Effect = Literal["lossless", "lossy", "destructive"]
EFFECTS: tuple[Effect, ...] = ("lossless", "lossy", "destructive")
Action = Literal["update", "delete"]


@dataclass(frozen=True, slots=True)
class Image:
    """The touched columns of one record as they are or will be.

    `digest` is the SHA-256 of their canonical bytes, made inside the database: two images are equal
    when their digests are, never by `=`. `preview` is for the reader only.
    """

    digest: str
    preview: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One record before and after; None before is an insert, None after a delete."""

    record: Record
    before: Image | None
    after: Image | None
    group: int = 0

    def inverse(self) -> Change:
        """The change that takes this one back."""
        return Change(self.record, self.after, self.before, self.group)


@dataclass(frozen=True, slots=True)
class Group:
    """Changes that one repair of one check makes to the same columns of one table."""

    check: str
    repair: str
    store: str
    table: str
    action: Action
    columns: tuple[str, ...]
    effect: Effect


@dataclass(frozen=True, slots=True)
class Left:
    """Findings that the plan does not mend, and why a person has to look."""

    check: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The header of a plan; its changes are streamed from the file.

    `checks` holds the options of each check by name, so that a plan can be applied without the
    configuration it was made from. `identity` says which database it is for; for each table it touches, `schema` is
    one digest of its shape and `tables` one of its identity, with its `standing` where the engine has no number for it
    that lasts. `naming` is the schema in which a name alone was looked
    up. `created` and `expires` are seconds since 1970 on the database's clock.
    """

    plan_id: str
    tool: str
    environment: str
    store: str
    identity: Mapping[str, str]
    schema: Mapping[str, str]
    checks: Mapping[str, Mapping[str, Any]]
    groups: tuple[Group, ...]
    created: int
    expires: int
    because: str = ""
    strategy: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    standing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    naming: str = ""


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """What closes a plan: how many changes, by group and by check, what was left, and the chain's tip."""

    count: int
    by_group: tuple[int, ...]
    left: tuple[Left, ...]
    findings: int
    letter: str
    digest: str
