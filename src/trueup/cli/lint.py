"""`trueup lint`: finds the code that breaks data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from trueup.cli.common import Command, say
from trueup.errors import UsageError

if TYPE_CHECKING:
    from trueup.lint.results import Report


@click.command(
    cls=Command,
    epilog="""
    trueup lint src/
    trueup lint --explain lost-json-change
    trueup lint src/ --format sarif --output lint.sarif
    trueup lint --compare v1.4 HEAD
    trueup lint src/ --write-baseline lint-baseline.json
    """,
)
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("--select", multiple=True, metavar="RULE", help="Only this rule; may be repeated.")
@click.option("--ignore", multiple=True, metavar="RULE", help="Not this rule; may be repeated.")
@click.option(
    "--format",
    "form",
    default="text",
    metavar="NAME",
    show_default=True,
    help="How to report: text, json, sarif, github, junit, csv, jsonl or parquet.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--output", default="-", metavar="FILE", help="Write the report to a file.")
@click.option("--baseline", metavar="FILE", help="Leave out the findings that this file lists.")
@click.option("--write-baseline", metavar="FILE", help="List all findings in a file, so that only new ones count.")
@click.option("--fix", is_flag=True, help="Mend lost JSON changes, then report what is left.")
@click.option(
    "--fix-with",
    type=click.Choice(["flag_modified", "mutable"]),
    default="flag_modified",
    show_default=True,
    help="Flag each change, or make the column Mutable where all changes are at its top level.",
)
@click.option("--diff", is_flag=True, help="With --fix: show what would be changed, and change nothing.")
@click.option(
    "--compare", is_flag=True, help="PATH... are revisions: what protected the JSON fields then, and what does now."
)
@click.option("--no-cache", is_flag=True, help="Look at every file anew, and leave nothing behind.")
@click.option("--explain", metavar="RULE", help="Print the page of a rule.")
@click.option("--rules", "list_rules", is_flag=True, help="List the rules.")
def lint(
    paths: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    form: str,
    as_json: bool,
    output: str,
    baseline: str | None,
    write_baseline: str | None,
    fix: bool,
    fix_with: str,
    diff: bool,
    compare: bool,
    no_cache: bool,
    explain: str | None,
    list_rules: bool,
) -> int:
    """Find the code that breaks data: changes that are never saved, checks that are passed by, errors that are hidden.

    Only the source is read. Nothing of it is imported or run, no database is opened. One finding is ignored by
    '# trueup: ignore[rule] reason' behind its line; settings are in [tool.trueup.lint] of pyproject.toml.
    """
    if explain is not None or list_rules:
        _tell(explain)
        return 0
    if compare:
        return _compare(paths, select, ignore, output, as_json=as_json or form == "json")
    if not paths:
        raise UsageError("say which files or folders to look at, such as 'trueup lint src/'")
    from trueup.lint.runner import job
    from trueup.lint.runner import lint as look
    from trueup.lint.suppress import write_baseline as write

    todo = job(
        paths, select=select, ignore=ignore, use_cache=not no_cache, baseline=None if write_baseline else baseline
    )
    found = look(todo)
    if fix or diff:
        if _mend(found, fix_with, write=not diff) and not diff:
            found = look(todo)
        if diff:
            return found.exit_code
    if write_baseline is not None:
        write(Path(write_baseline), found.findings, dict(found.lines))
        say(f"{len(found.findings)} findings written to {write_baseline}")
        return 0
    _write(output, rendered("json" if as_json else form, found))
    return found.exit_code


def _compare(
    revisions: tuple[str, ...], select: tuple[str, ...], ignore: tuple[str, ...], output: str, *, as_json: bool
) -> int:
    """Compare two revisions of the repository here, or one with the working tree."""
    if len(revisions) not in (1, 2):
        raise UsageError("--compare takes one revision or two, such as 'trueup lint --compare v1.4 HEAD'")
    from trueup.lint import compare_report
    from trueup.lint.compare import compare
    from trueup.lint.runner import job

    todo = job(["."], select=select, ignore=ignore)
    second = revisions[1] if len(revisions) == 2 else None
    found = compare(Path.cwd(), revisions[0], second, todo.rules, todo.settings)
    _write(output, (compare_report.as_json(found) if as_json else compare_report.text(found)).encode())
    return found.exit_code


def _mend(found: Report, how: str, *, write: bool) -> int:
    """Mend what can be mended, or show it; returns how many findings that are."""
    from trueup.lint.fix import fixes, mutable
    from trueup.output import write as write_file

    changed = (mutable if how == "mutable" else fixes)(found.findings)
    for one in changed:
        if write:
            # through a link to the file that it names, which keeps its mode
            real = Path(one.path).resolve()
            write_file(real, one.after, private=False, like=real)
        else:
            say(one.diff(), nl=False)
    count = sum(one.mended for one in changed)
    if write:
        say(f"mended {count} findings in {len(changed)} files", err=True)
    return count


def rendered(form: str, found: Report) -> bytes:
    """The report in a format. Raises `UsageError` that lists the formats."""
    if form in ("text", "json"):
        from trueup.lint.report_json import as_json
        from trueup.lint.report_text import as_text

        return (as_text if form == "text" else as_json)(found).encode()
    from io import BytesIO

    from trueup import discovery
    from trueup.lint.exported import export
    from trueup.reports.export import Export

    if form not in discovery.names("reports.findings"):
        raise UsageError(
            f"there is no format {form!r}; there is text, json, {', '.join(discovery.names('reports.findings'))}"
        )
    file = BytesIO()
    export(found, file, discovery.load("reports.findings", form, Export))
    return file.getvalue()


def _write(output: str, data: bytes) -> None:
    from trueup.output import write

    if output == "-" and not data.startswith(b"PAR1"):
        say(data.decode(), nl=False)
    else:
        write("/dev/stdout" if output == "-" else output, data, private=False)


def _tell(name: str | None) -> None:
    from trueup.lint import rule

    if name is not None:
        say(rule.page(rule.load(name)), nl=False)
        return
    for kind in rule.every():
        first = (kind.__doc__ or "").strip().splitlines()[0]
        say(f"{kind.name:32} {first}{'' if kind.default else ' (off unless selected)'}")
