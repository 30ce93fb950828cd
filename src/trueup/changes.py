"""What a plan says: its header, the groups its operations fall into, and its totals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Effect = Literal["lossless", "lossy", "destructive"]
EFFECTS: tuple[Effect, ...] = ("lossless", "lossy", "destructive")
Action = Literal["update", "delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """What closes a plan: how many changes, by group and by check, what was left, and the chain's tip."""

    count: int
    by_group: tuple[int, ...]
    left: tuple[Left, ...]
    findings: int
    letter: str
    digest: str
