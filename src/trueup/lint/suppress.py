"""`# trueup: ignore[rule] reason`, and the baseline of findings that were there before."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trueup.codec import canonical, digest
from trueup.errors import UsageError
from trueup.findings import Finding, Source
from trueup.lint.source import Module
from trueup.output import write

_COMMENT = re.compile(rb"#\s*trueup:\s*ignore\s*(?:\[([^\]]*)\])?[ :-]*(.*)$")
#: Said to whoever ignores without saying why.
NO_REASON = "an ignore needs the rule and a reason: # trueup: ignore[rule] why"


@dataclass(frozen=True)
class Ignore:
    """A comment that ignores rules on its line, or on the next when it stands alone."""

    rules: frozenset[str]
    reason: str


def ignores(module: Module) -> dict[int, Ignore]:
    """Line to the comment that speaks for it."""
    if b"trueup:" not in module.data:
        return {}
    found: dict[int, Ignore] = {}
    for number, line in enumerate(module.lines, 1):
        match = _COMMENT.search(line) if b"trueup:" in line else None
        if match:
            names = frozenset(name.strip().decode() for name in (match[1] or b"").split(b",") if name.strip())
            told = Ignore(names, match[2].decode("utf-8", "replace").strip())
            found[number] = told
            if line.lstrip().startswith(b"#"):
                found[number + 1] = told
    return found


def sift(findings: Iterable[Finding], module: Module) -> tuple[list[Finding], int]:
    """The findings that no comment ignores, and how many are ignored."""
    told = ignores(module)
    if not told:
        return list(findings), 0
    kept, dropped = [], 0
    for finding in findings:
        assert isinstance(finding.where, Source)
        comment = told.get(finding.where.line)
        if comment is None or (comment.rules and finding.check not in comment.rules):
            kept.append(finding)
        elif comment.rules and comment.reason:
            dropped += 1
        else:
            kept.append(replace(finding, hint=NO_REASON))
    return kept, dropped


def marks(findings: Sequence[Finding], lines: dict[Source, str]) -> list[str]:
    """One mark a finding that stays the same when lines move: rule, file, text of the line, and which of several."""
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for finding in findings:
        assert isinstance(finding.where, Source)
        key = (finding.check, finding.where.path, " ".join(lines.get(finding.where, "").split()))
        found.append(digest(canonical([*key, seen[key]]))[:16])
        seen[key] += 1
    return found


def write_baseline(path: Path, findings: Sequence[Finding], lines: dict[Source, str]) -> None:
    """Write down the findings there are, so that only new ones count."""
    kept = [
        {"mark": mark, "rule": finding.check, "place": str(finding.where)}
        for mark, finding in zip(marks(findings, lines), findings, strict=True)
    ]
    write(path, json.dumps({"version": 1, "findings": kept}, indent=1) + "\n", private=False)


def read_baseline(path: Path) -> frozenset[str]:
    """The marks of a baseline. Raises `UsageError`."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return frozenset(one["mark"] for one in data["findings"])
    except FileNotFoundError:
        raise UsageError(f"there is no baseline {str(path)!r}; write one with --write-baseline {path}") from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{str(path)!r} is no baseline of 'trueup lint'") from None
