"""`trueup lint`: finds the code that breaks data."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from trueup.cli.common import Command
from trueup.errors import UsageError

FORMATS = ("text", "json", "sarif", "github", "junit")


@click.command(
    cls=Command,
    epilog="""
    trueup lint src/
    trueup lint --explain lost-json-change
    trueup lint src/ --format sarif --output lint.sarif
    trueup lint src/ --write-baseline lint-baseline.json
    """,
)
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("--select", multiple=True, metavar="RULE", help="Only this rule; may be repeated.")
@click.option("--ignore", multiple=True, metavar="RULE", help="Not this rule; may be repeated.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="How to report.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--output", default="-", metavar="FILE", help="Write the report to a file.")
@click.option("--baseline", metavar="FILE", help="Leave out the findings that this file lists.")
@click.option("--write-baseline", metavar="FILE", help="List all findings in a file, so that only new ones count.")
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
    if not paths:
        raise UsageError("say which files or folders to look at, such as 'trueup lint src/'")
    from trueup.lint.runner import job
    from trueup.lint.runner import lint as look
    from trueup.lint.suppress import write_baseline as write

    found = look(
        job(paths, select=select, ignore=ignore, use_cache=not no_cache, baseline=None if write_baseline else baseline)
    )
    if write_baseline is not None:
        write(Path(write_baseline), found.findings, dict(found.lines))
        click.echo(f"{len(found.findings)} findings written to {write_baseline}")
        return 0
    _write(output, _rendered("json" if as_json else form, found))
    return found.exit_code


def _rendered(form: str, found: object) -> str:
    from trueup import discovery
    from trueup.lint.formats import Format
    from trueup.lint.results import Report

    assert isinstance(found, Report)
    return discovery.load("lint.formats", form, Format)().render(found)


def _write(output: str, text: str) -> None:
    if output == "-":
        sys.stdout.write(text)
        return
    from trueup.cli.outputs import write_text

    write_text(output, text)


def _tell(name: str | None) -> None:
    from trueup.lint import rule

    if name is not None:
        click.echo(rule.page(rule.load(name)), nl=False)
        return
    for kind in rule.every():
        first = (kind.__doc__ or "").strip().splitlines()[0]
        click.echo(f"{kind.name:32} {first}{'' if kind.default else ' (off unless selected)'}")
