"""For a person: each finding with its line of source."""

from __future__ import annotations

from trueup.findings import Source
from trueup.lint.results import Report
from trueup.reports._words import counted, safe

#: Columns of a line of source that are shown.
_WIDTH = 120


def as_text(report: Report) -> str:
    """`path:line:column: rule: message`, the line of source with a mark under it, and what to do.

    Findings come first, then files that could not be read, then one line that sums up.
    """
    parts = []
    for finding in report.findings:
        where = finding.where
        assert isinstance(where, Source)
        parts.append(f"{safe(where)}: {finding.check}: {safe(finding.message)}")
        line = report.lines.get(where, "")
        text = safe(line.strip().expandtabs(4), _WIDTH)
        if text:
            # the column counts bytes of the line as it is; the mark stands under its text
            offset = len(line.encode()[: where.column - 1].decode("utf-8", "ignore")) - (len(line) - len(line.lstrip()))
            parts.append(f"    {text}")
            parts.append("    " + " " * max(offset, 0) + "^")
        if finding.hint:
            parts.append(f"    {safe(finding.hint)}")
        parts.append("")
    for path, problem in report.unreadable.items():
        parts.append(f"{safe(path)}: not checked: {safe(problem)}")
    parts.append(_summary(report))
    return "\n".join(parts) + "\n"


def _summary(report: Report) -> str:
    found = counted(len(report.findings), "finding") if report.findings else "no findings"
    more = [
        f"{counted(report.known, 'finding')} of the baseline" if report.known else "",
        f"{report.ignored} ignored by comments" if report.ignored else "",
        f"{counted(len(report.unreadable), 'file')} not checked" if report.unreadable else "",
    ]
    tail = "".join(f", {part}" for part in more if part)
    return f"{found} in {counted(report.files, 'file')} by {counted(len(report.rules), 'rule')}{tail}"
