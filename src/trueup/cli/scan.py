"""`trueup scan`: looking, never writing."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trueup.cli.common import (
    DEFAULT,
    Command,
    check_option,
    config_flags,
    config_option,
    read_config,
    show,
    store_option,
)
from trueup.errors import UsageError

if TYPE_CHECKING:
    from trueup.config.config import Config
    from trueup.results import Scan

#: Samples of a check: in a document, and in the text unless --limit says otherwise.
SAMPLES, SHOWN = 100, 10


@click.command(
    cls=Command,
    epilog="""
    trueup scan sqlite:///shop.db
    trueup scan --check orders-have-users --limit 50
    trueup scan --json - --export findings.parquet
    trueup scan --export - --format github
    trueup scan --code src/
    """,
)
@click.argument("url", required=False)
@config_option
@store_option
@check_option
@click.option(
    "--limit", type=click.IntRange(0), metavar="N", help=f"Samples a check.  [default: {SHOWN}, --json {SAMPLES}]"
)
@click.option("--json", "json_path", metavar="FILE", help="Write the result as JSON; - is stdout, instead of the text.")
@click.option(
    "--export",
    "export_path",
    metavar="FILE",
    help="Write every finding to FILE: .csv .jsonl .parquet .sarif .xml (JUnit); - is stdout, instead of the text.",
)
@click.option("--format", "form", default="", metavar="NAME", help="What --export writes, such as github or sarif.")
@click.option("--show-values", "values", is_flag=True, help="Show values of the data instead of their type and length.")
@click.option(
    "--code",
    multiple=True,
    metavar="PATH",
    help="Show the lines below PATH that write each check's columns, and if they persist.",
)
def scan(
    url: str | None,
    path: str | None,
    store: str,
    only: tuple[str, ...],
    limit: int | None,
    json_path: str | None,
    export_path: str | None,
    form: str,
    values: bool,
    code: tuple[str, ...],
) -> int:
    """Find the rows that break a check. Nothing is changed.

    With a URL and no configuration the checks are derived from the catalogue and the data.
    """
    from trueup.cli.outputs import STDOUT, exporting, of_checks
    from trueup.cli.progress import ProgressBar
    from trueup.config.config import chosen
    from trueup.output import writable, write
    from trueup.verbs import scan as verb

    config = _config(url, path, store)
    writable(json_path)
    if config.derived:
        from trueup.verbs.propose import propose

        config = replace(config, checks=tuple(propose(config)))
    if form and export_path is None:
        raise UsageError("--format says what --export writes; add --export FILE, or --export - for stdout")
    if export_path == STDOUT == json_path:
        raise UsageError("--json - and --export - both write to stdout; write one of them to a file")
    about = of_checks(chosen(config, only), "" if config.derived else path or DEFAULT)
    with exporting(export_path, about, form) as sink, ProgressBar() as progress:
        found = verb.scan(
            config, only=only, samples=SAMPLES if limit is None else limit, values=values, sink=sink, progress=progress
        )
        if sink is not None:
            sink.unchecked |= {one.title: one.reason for one in found.results if one.status == "not checked"}
    if code:
        from trueup.lint.column_writers import with_code

        found = with_code(found, code)
    if export_path is not None and Path(export_path).is_file():
        from trueup.verbs.exported import exported

        exported(config, found, export_path)
    if json_path is not None:
        from trueup.reports.documents.scan import scan_json

        write(json_path, scan_json(found))
    if STDOUT not in (json_path, export_path):
        _show(found, config, source=_source(url, path, store), limit=SHOWN if limit is None else limit)
    return found.exit_code


def _show(found: Scan, config: Config, *, source: str, limit: int) -> None:
    from trueup.reports.text.scan import scan_report

    show(scan_report(found, thresholds=config.strategy, source=source, limit=limit))


def _config(url: str | None, path: str | None, store: str) -> Config:
    if url is None:
        return read_config(path, store)
    from trueup.config.config import Config

    if path is None:
        config = Config.from_url(url)
        return config.only_store(store) if store else config
    config = read_config(path, store)
    if len(config.stores) != 1:
        raise UsageError(f"a URL stands for one store; say which with --store: {', '.join(config.stores)}")
    return replace(config, stores=dict.fromkeys(config.stores, Config.from_url(url).stores["app"]))


def _source(url: str | None, path: str | None, store: str) -> str:
    """What the next command needs to find the same; a URL with a password is named, never repeated."""
    if url is None or path is not None:
        return config_flags(path, store)
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    return '"$DATABASE_URL"' if parsed.password is not None or parsed.query else shlex.quote(url)
