"""`trueup explain`: where the broken rows of a check come from."""

from __future__ import annotations

import click

from trueup.cli.common import Command, config_option, read_config, show


@click.command(
    cls=Command,
    epilog="""
    trueup explain metadata-holds-an-object
    trueup explain metadata-holds-an-object --by user_id --html explained.html
    trueup explain metadata-holds-an-object --json -
    """,
)
@click.argument("check")
@config_option
@click.option("--by", multiple=True, metavar="COLUMN", help="Count by this column too (or a.path.in.json); repeatable.")
@click.option("--json", "json_path", metavar="FILE", help="Write the result as JSON; - is stdout, instead of the text.")
@click.option("--html", "html_path", metavar="FILE", help="Write one HTML file with charts, which works offline.")
@click.option("--show-values", "values", is_flag=True, help="Show text of the data instead of its length.")
def explain(
    check: str, path: str | None, by: tuple[str, ...], json_path: str | None, html_path: str | None, values: bool
) -> int:
    """Count the broken rows of a check by day, group, type and value, and name the pattern they share.

    Nothing is changed. Columns of text with many different values, and values that few rows have, are shown by their
    length only.
    """
    from trueup.cli.progress import ProgressBar
    from trueup.output import writable, write
    from trueup.reports.documents import explanation
    from trueup.reports.text.explanation import explanation_report
    from trueup.verbs.explain import explain as explained

    config = read_config(path)
    writable(json_path)
    writable(html_path)
    with ProgressBar() as progress:
        found = explained(config, check, by=by, values=values, progress=progress)
    if json_path is not None:
        write(json_path, explanation.explanation_json(found))
    if html_path is not None:
        write(html_path, explanation.explanation_html(found))
    if json_path != "-":
        show(explanation_report(found))
    return 1 if found.broken else 0
