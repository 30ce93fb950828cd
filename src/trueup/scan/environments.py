"""Compares the JSON documents of two scans, such as local and production."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueup.errors import UsageError

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The result of one check in one environment."""

    status: str
    rows: int
    findings: int
    letter: str
    words: Mapping[str, int]
    groups: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Pair:
    """The results of one check in both environments; None where it was not run."""

    check: str
    table: str
    left: Side | None
    right: Side | None

    @property
    def same(self) -> bool:
        """Whether both found the same words and groups broken; the numbers may differ."""
        if self.left is None or self.right is None:
            return False
        return (self.left.status, set(self.left.words), set(self.left.groups)) == (
            self.right.status,
            set(self.right.words),
            set(self.right.groups),
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of two environments."""

    left: str
    right: str
    stores: tuple[str, str]
    pairs: tuple[Pair, ...]


def compare(left: str, right: str) -> Comparison:
    """Compare two documents of `trueup scan --json`. Raises `UsageError` for a file that is none."""
    one, other = read(left), read(right)
    mine, theirs = (_sides(document) for document in (one, other))
    pairs = []
    for title in dict.fromkeys([*mine, *theirs]):
        table = (mine.get(title) or theirs[title])[0]
        pairs.append(
            Pair(title, table, mine[title][1] if title in mine else None, theirs[title][1] if title in theirs else None)
        )
    names = [str(document["environment"]) for document in (one, other)]
    if names[0] == names[1]:
        names = [f"{name} ({path})" for name, path in zip(names, (left, right), strict=True)]
    told = [", ".join(f"{name}: {what}" for name, what in document["stores"].items()) for document in (one, other)]
    return Comparison(names[0], names[1], (told[0], told[1]), tuple(pairs))


def read(path: str) -> dict[str, Any]:
    """Read the document of a scan. Raises `UsageError`."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(document, dict) or document.get("format") != FORMAT or "checks" not in document:
            raise UsageError(f"{path!r} is no document of 'trueup scan --json'")
    except OSError as error:
        raise UsageError(f"{path!r} cannot be read: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{path!r} is no document of 'trueup scan --json'") from None
    return document


def _sides(document: Mapping[str, Any]) -> dict[str, tuple[str, Side]]:
    found: dict[str, tuple[str, Side]] = {}
    for check in document["checks"]:
        groups: dict[str, int] = {}
        for group in check["groups"]:
            groups[group["group"]] = groups.get(group["group"], 0) + group["count"]
        words = {one["word"]: one["count"] for one in check["distribution"] if not one["healthy"]}
        side = Side(
            status=check["status"],
            rows=check["rows"],
            findings=check["findings"],
            letter=check["letter"],
            words=words,
            groups=groups,
        )
        found[check["title"]] = (check["table"], side)
    return found
