"""The comparison of two revisions, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from trueup.lint.compare import Comparison
from trueup.reports._words import counted, safe


def text(found: Comparison) -> str:
    """Protections per field, which commit lost them, and the findings that are new and gone."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Comparison) -> Iterator[str]:
    yield f"then: {safe(found.old)}"
    yield f"now:  {safe(found.new)}"
    yield ""
    width = max((len(name) for name in found.fields), default=0)
    if found.fields:
        yield "protections per JSON field (flag_modified, Mutable):"
    for name, (then, now) in found.fields.items():
        mark = "   lost" if now < then else "   gained" if now > then else ""
        yield f"  {name + ':':{width + 1}} {then} → {now}{mark}"
    if found.losses:
        yield ""
        yield "lost in:"
    for loss in found.losses:
        kind = " (a merge)" if loss.merge else ""
        yield f"  {safe(loss.commit)}{kind}: {loss.field}, {counted(loss.count, 'protection')}"
    for title, findings in (("new", found.appeared), ("gone", found.gone)):
        yield ""
        yield f"{counted(len(findings), 'finding')} {title}" + (":" if findings else "")
        for finding in findings:
            yield f"  {safe(finding.where)}: {finding.check}: {safe(finding.message)}"


def as_json(found: Comparison) -> str:
    """One object: fields, losses, findings that are new and gone."""

    def plain(findings: object) -> list[dict[str, object]]:
        assert isinstance(findings, tuple)
        return [
            {"rule": one.check, **asdict(one.where), "message": one.message, "source": found.lines.get(one.where, "")}
            for one in findings
        ]

    data = {
        "version": 1,
        "then": found.old,
        "now": found.new,
        "fields": {name: {"then": then, "now": now} for name, (then, now) in found.fields.items()},
        "losses": [asdict(loss) for loss in found.losses],
        "new": plain(found.appeared),
        "gone": plain(found.gone),
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
