"""How a world went, and its reasons in words that can be counted."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.worlds.strange import OURS, TABLES


@dataclass
class Result:
    """How a world went."""

    faults: list[str] = field(default_factory=list)
    #: Rows that runs wrote, in all.
    written: int = 0
    undone: int = 0
    #: Why nothing could be planned or written: first sentences.
    refusals: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    #: What happened, in order, for the script.
    story: list[str] = field(default_factory=list)


class Unbuilt(Exception):
    """The setup of a world does not run: the generator is at fault, or the shrinker left out too much."""


def spoken(said: Any) -> str:
    """What a verb returned, in words."""
    if isinstance(said, BaseException):
        return f"{type(said).__name__}: {said}"[:200]
    return f"{said.state} {dict(said.states)} {said.reason}"


def sentence(reason: str) -> str:
    """A reason without what differs from world to world."""
    parts = re.split(r"(?<=[a-z)]): |; |\. ", reason.strip())
    # after the store or the table comes what is the matter with it
    first = parts[1] if parts[0].startswith("store ") and len(parts) > 1 else parts[0]
    if "cannot be repaired" in first:
        first = ": ".join(parts[:2])
    first = reason if reason.startswith("undo") else first
    first = re.sub(r"'[^']*'|\"[^\"]*\"", "_", first)
    first = re.sub(r"\b[a-z]*t_\w+(\.\w+)*\b|\bw_\w+(\.\w+)*", "T", first)
    first = re.sub(r"wt Mixed|-T\b|\bT%", "T", first).removesuffix(" (tried")
    for name in TABLES:
        first = first.replace(name, "T")
    first = re.sub(rf"\b({'|'.join(OURS)})\b", "T", first)
    return re.sub(r"\d[\d,.]*", "N", first)[:120]
