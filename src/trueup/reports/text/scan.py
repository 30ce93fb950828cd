"""A scan as text: what is broken, how much of it, which groups, what would mend it, and what to type next."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping

from rich.console import Group, RenderableType

from trueup.config.strategy import MEANING
from trueup.findings import Finding, Record
from trueup.reports._words import counted, duration, masked, number, percent, safe
from trueup.reports.text.layout import BAD, DIM, GOOD, SEVERITY, STRONG, WARN, blank, indented, line, steps, table
from trueup.results import CheckResult, Scan

#: Groups of one check that are shown; the rest is summed up.
GROUPS = 20
#: Keys of a document that are shown, the worst first.
PARTS = 30
#: Lines of code of one check that are shown, those that lose what they write first.
WRITERS = 12
_RANK = {"high": 0, "medium": 1, "low": 2}


def scan_report(scan: Scan, *, thresholds: Mapping[str, int], source: str = "", limit: int = 10) -> RenderableType:
    """The report on `scan`; one line when all is healthy.

    `source` is what the next command needs to find the same stores (`-c other.yaml`, or a URL when the
    checks were derived); `limit` is how many samples a check shows.
    """
    failed = [result for result in scan.results if result.status == "not checked"]
    broken = [result for result in scan.results if result.status == "findings"]
    clean = [result for result in scan.results if result.status == "clean"]
    notices = [line(("NOTICE", WARN), f"  {masked(notice)}") for notice in scan.notices]
    code = [part for result in clean if _loses(result) for part in (line((result.title, STRONG)), _code(result))]
    if not failed and not broken:
        return Group(*notices, _healthy(scan), *code) if notices or code else _healthy(scan)
    parts: list[RenderableType] = [_head(scan), blank(), *notices]
    parts += [_not_checked(result) for result in failed]
    if failed:
        parts.append(blank())
    for result in sorted(broken, key=lambda one: min((_RANK[group.severity] for group in one.groups), default=1)):
        parts += [*_broken(result, thresholds, limit), blank()]
    if clean:
        parts += [table([_clean(result) for result in clean]), *code, blank()]
    parts.append(_total(scan, broken, failed))
    parts.append(steps(next_steps(scan, source)))
    return Group(*parts)


def _healthy(scan: Scan) -> RenderableType:
    if not scan.results:
        return line(("nothing was checked", WARN), f": no checks for {', '.join(scan.stores) or 'any store'}")
    rows, tables = _rows(scan)
    text = f": {counted(len(scan.results), 'check')} over {counted(rows, 'row')} in {counted(tables, 'table')}"
    skipped = "".join(
        f"; {result.title} skipped {number(result.skipped)} ({result.skipped_because})"
        for result in scan.results
        if result.skipped
    )
    return line(("healthy", GOOD), text, skipped, f", {duration(scan.seconds)}")


def _rows(scan: Scan) -> tuple[int, int]:
    """Rows read and tables: checks of one table read the same rows."""
    tables: dict[tuple[str, str], int] = {}
    for result in scan.results:
        if result.status == "not checked":
            continue
        place = (result.store, result.table)
        tables[place] = max(tables.get(place, 0), result.rows)
    return sum(tables.values()), len(tables)


def _head(scan: Scan) -> RenderableType:
    stores = ", ".join(f"{name} ({masked(what)})" if what else name for name, what in scan.stores.items())
    return line(stores) if scan.derived else line((scan.environment, STRONG), f": {stores}")


def _not_checked(result: CheckResult) -> RenderableType:
    return line(("NOT CHECKED", BAD), "  ", (result.title, STRONG), f": {masked(result.reason)}")


def _place(result: CheckResult) -> str:
    return f"{result.kind} in {result.table}" + (f" ({', '.join(result.columns)})" if result.columns else "")


def _clean(result: CheckResult) -> list[str | tuple[str, str]]:
    skipped = f"; skipped {number(result.skipped)} because {result.skipped_because}" if result.skipped else ""
    return [("clean", GOOD), result.title, (f"{counted(result.rows, 'row')}{skipped}", DIM)]


def _broken(result: CheckResult, thresholds: Mapping[str, int], limit: int) -> Iterator[RenderableType]:
    yield line((result.title, STRONG), "  ", (_place(result), DIM))
    share = f" of {number(result.rows)} ({percent(result.findings, result.rows)})" if result.rows else ""
    verb = "is" if result.findings == 1 else "are"
    yield indented(line((f"{counted(result.findings, 'row')}{share} {verb} broken", BAD)))
    if result.distribution:
        yield indented(blank(), _distribution(result))
    if result.parts:
        yield indented(blank(), _parts(result))
    if result.groups:
        yield indented(blank(), _groups(result))
    if result.samples and limit:
        yield indented(blank(), *_samples(result, limit))
    yield indented(blank(), *_judgement(result, thresholds))
    if result.writers is not None:
        yield blank()
        yield _code(result)


def _loses(result: CheckResult) -> bool:
    """Whether a line of code that writes the columns of a check does not persist what it writes."""
    return any(writer.fate != "persists" for writer in result.writers or ())


def _code(result: CheckResult) -> RenderableType:
    """The lines that write the columns of a check, the lost ones first, and what that makes of its rows."""
    writers = result.writers or ()
    columns = ", ".join(dict.fromkeys(f"{result.table}.{column.partition('.')[0]}" for column in result.columns))
    if not writers:
        return indented(line(("code", STRONG), f": no line of it writes {columns}"))
    kept = sum(writer.fate != "lost" for writer in writers)
    told = f"{number(kept)} of the {number(len(writers))} lines that write {columns} persist"
    if len(writers) == 1:
        told = f"the one line that writes {columns} {'persists' if kept else 'does not persist'}"
    parts = [line(("code", STRONG), f": {told}")]
    if result.effective is not None:
        right = percent(result.rows - result.findings, result.rows)
        share = percent(kept, len(writers))
        parts.append(
            line(
                ("effective compliance", STRONG),
                f": {percent(result.effective, 1_000_000)} = {right} of rows x {share} of lines",
            )
        )
    shown: list[list[str | tuple[str, str]]] = []
    for one in writers[:WRITERS]:
        fate = (one.fate, GOOD if one.fate == "persists" else BAD)
        shown.append([fate, f"{safe(one.where.path)}:{one.where.line}", (safe(one.text, 80), DIM)])
    if len(writers) > WRITERS:
        shown.append(["", f"and {counted(len(writers) - WRITERS, 'more line', 'more lines')}", ""])
    return indented(*parts, table(shown))


def _distribution(result: CheckResult) -> RenderableType:
    total = sum(count for _, _, count in result.distribution)
    rows = [
        (
            word or "(none)",
            number(count),
            percent(count, total),
            ("healthy", GOOD) if healthy else ("corrupt", BAD),
        )
        for word, healthy, count in result.distribution
    ]
    healthy_count = sum(count for _, healthy, count in result.distribution if healthy)
    rows.append(
        ("total", number(total), "", (f"{number(healthy_count)} healthy, {number(total - healthy_count)} not", DIM))
    )
    return table(rows, head=("holds", "rows", "share", ""), right=(1, 2))


def _parts(result: CheckResult) -> RenderableType:
    ordered = sorted(result.parts, key=lambda one: one.right / one.rows)
    named = any(one.within for one in ordered)
    rows: list[list[str | tuple[str, str]]] = [
        [
            *([safe(one.within, 60)] if named else []),
            safe(one.place, 100),
            one.expected,
            (percent(one.right, one.rows), GOOD if one.right == one.rows else BAD),
        ]
        for one in ordered[:PARTS]
    ]
    if ordered[PARTS:]:
        least = percent(ordered[PARTS].right, ordered[PARTS].rows)
        more = f"and {counted(len(ordered) - PARTS, 'more key', 'more keys')}, each at least {least}"
        rows.append([*([""] if named else []), (more, DIM), "", ""])
    head = (*(["of"] if named else []), "key", "must be", "right")
    return table(rows, head=head, right=(3 if named else 2,))


def _groups(result: CheckResult) -> RenderableType:
    ordered = sorted(result.groups, key=lambda one: (_RANK[one.severity], -one.count, one.group, one.word))
    rows: list[list[str | tuple[str, str]]] = [
        [(one.severity, SEVERITY[one.severity]), safe(one.group, 60) or "(none)", one.word, number(one.count)]
        for one in ordered[:GROUPS]
    ]
    if ordered[GROUPS:]:
        left = sum(one.count for one in ordered[GROUPS:])
        rows.append(["", (f"and {counted(len(ordered) - GROUPS, 'more group', 'more groups')}", DIM), "", number(left)])
    return table(rows, head=("severity", result.group_by or "group", "holds", "rows"), right=(3,))


def _samples(result: CheckResult, limit: int) -> Iterator[RenderableType]:
    shown = result.samples[:limit]
    if len(shown) < result.findings:
        yield line((f"the first {number(len(shown))} of {number(result.findings)}:", DIM))
    yield table([_sample(finding, result.in_message) for finding in sorted(shown, key=_order)])


def _order(finding: Finding) -> tuple[int, list[tuple[int, int, str]]]:
    """The worst first, then by key, numbers as numbers: engines give rows in any order."""
    key = finding.where.key if isinstance(finding.where, Record) else ()
    # a number of a thousand digits is no number that anybody reads, and Python refuses to
    parts = [(0, int(part), "") if re.fullmatch(r"-?[0-9]{1,40}", part) else (1, 0, part) for part in key]
    return _RANK[finding.severity], parts


def _sample(finding: Finding, in_message: Collection[str]) -> list[str | tuple[str, str]]:
    where = finding.where
    key = ", ".join(where.key) if isinstance(where, Record) else str(where)
    shown = {name: value for name, value in finding.evidence.items() if name not in in_message}
    facts = ", ".join(f"{name}: {safe(_fact(value), 80)}" for name, value in shown.items())
    return [
        (finding.severity, SEVERITY[finding.severity]),
        (safe(key, 60), STRONG),
        safe(finding.message, 300),
        (facts, DIM),
    ]


def _fact(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "NULL" if value is None else str(value)


def _judgement(result: CheckResult, thresholds: Mapping[str, int]) -> Iterator[RenderableType]:
    span = _span(result.letter, thresholds)
    meaning = MEANING.get(result.letter, "")
    yield line((f"strategy {result.letter}", WARN if result.letter in "AB" else BAD), f" ({span}) - {meaning}")
    if result.repairs:
        mends = [
            f"{one.repair} mends {number(one.count)} ({one.effect})"
            if one.repair
            else f"{number(one.count)} {'needs' if one.count == 1 else 'need'} a person"
            for one in result.repairs
        ]
        yield line(("repair", STRONG), f": {', '.join(mends)}")
    if result.skipped:
        checked = f"checked {counted(result.rows, 'row')}; skipped {number(result.skipped)}"
        yield line((f"{checked} because {result.skipped_because}", DIM))


def _span(letter: str, thresholds: Mapping[str, int]) -> str:
    """`51 to 500 rows`, from the thresholds at which letters begin."""
    letters = sorted(thresholds)
    if letter not in thresholds:
        return "no rows"
    following = letters[letters.index(letter) + 1 :]
    if not following:
        return f"{counted(thresholds[letter], 'row')} or more"
    return f"{number(thresholds[letter])} to {counted(thresholds[following[0]] - 1, 'row')}"


def _total(scan: Scan, broken: list[CheckResult], failed: list[CheckResult]) -> RenderableType:
    rows, tables = _rows(scan)
    told = [(f"{counted(scan.findings, 'finding')} in {counted(len(broken), 'check')}", BAD)] if broken else []
    if failed:
        told.append((f"{counted(len(failed), 'check')} NOT CHECKED", BAD))
    parts: list[str | tuple[str, str]] = []
    for one in told:
        parts += [", ", one] if parts else [one]
    parts.append(f"; {counted(rows, 'row')} of {counted(tables, 'table')} read in {duration(scan.seconds)}")
    return line(*parts)


def next_steps(scan: Scan, source: str) -> list[tuple[str, str]]:
    """The commands that follow from `scan`, each with what it does."""
    where = f" {source}" if source else ""
    if scan.derived:
        url = source or "URL"
        return [(f"trueup init {url}", "writes these checks to trueup.yaml, the place to go on from")]
    if any(repair.repair and repair.count for result in scan.results for repair in result.repairs):
        asks = any(result.letter in ("C", "D") for result in scan.results)
        because = f" --because {shlex.quote('what caused this')}" if asks else ""
        return [(f"trueup plan{where} -o plan.jsonl{because}", "writes down each change, for you to read")]
    if scan.findings:
        return [(f"trueup scan{where} --export findings.csv", "hands all of it to the person who has to look")]
    return [(f"trueup scan{where}", "again, once the reasons above are mended")]
