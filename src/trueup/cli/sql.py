"""`trueup sql`: the statements of the checks."""

from __future__ import annotations

import click

from trueup.cli.common import Command, check_option, config_option, read_config, say, store_option


@click.command(
    cls=Command,
    epilog="""
    trueup sql --check metadata-holds-an-object
    trueup sql --dialect mysql > checks.sql
    """,
)
@config_option
@store_option
@check_option
@click.option("--dialect", default="", metavar="NAME", help="For this engine, instead of the store's own.")
def sql(path: str | None, store: str, only: tuple[str, ...], dialect: str) -> int:
    """Print the statements of the checks, for an SQL console."""
    from trueup.reports._words import safe
    from trueup.verbs.statements import statements

    for statement in statements(read_config(path, store), only=only, dialect=dialect):
        text = statement.sql.rstrip().rstrip(";")
        say(f"-- {safe(statement.check)}: {safe(statement.purpose)}\n" + (f"{text};\n" if text else ""))
    return 0
