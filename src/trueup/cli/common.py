"""What the commands share: their options, finding the configuration, and showing a report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from trueup.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from trueup.config.config import Config
    from trueup.results import RunReport

DEFAULT = "trueup.yaml"
#: Characters of a line where no terminal says how wide it is.
WIDTH = 160

F = TypeVar("F", bound=Callable[..., Any])


class Command(click.Command):
    """A command whose epilog is an example, kept as it is written."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example's lines as they are."""
        if self.epilog:
            with formatter.section("Example"):
                for line in self.epilog.strip().splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line.strip()}\n")


def run_argument(function: F) -> F:
    """`RUN`: 'last', or the beginning of a run's name."""
    return click.argument("run_id", metavar="RUN")(function)


def config_option(function: F) -> F:
    """`-c FILE`, None when not given."""
    return click.option("-c", "--config", "path", metavar="FILE", help=f"The configuration.  [default: {DEFAULT}]")(
        function
    )


def store_option(function: F) -> F:
    """`--store NAME`, empty when not given."""
    return click.option("--store", default="", metavar="NAME", help="Only this store of the configuration.")(function)


def check_option(function: F) -> F:
    """`--check NAME`, as often as wanted."""
    return click.option("--check", "only", multiple=True, metavar="NAME", help="Only this check; may be repeated.")(
        function
    )


def confirm_options(function: F) -> F:
    """`--yes` and `--confirm`."""
    typed = click.option(
        "--confirm",
        default="",
        metavar="ENV:COUNT:DIGEST",
        help="Confirm in production; the dry run says what to type.",
    )
    return click.option("--yes", is_flag=True, help="Confirm; not enough in production.")(typed(function))


def words(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Text that is kept with a run, as it is: what no database can hold is refused before the work begins."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise click.BadParameter("it holds bytes that are no UTF-8", ctx, param) from None
    if "\0" in value:
        raise click.BadParameter("it holds a NUL", ctx, param)
    return value


def sign_option(function: F) -> F:
    """`--sign-key FILE`, empty when not given."""
    return click.option(
        "--sign-key",
        default="",
        metavar="FILE",
        help="The key that plans are signed with.  [default: sign_key of the configuration, TRUEUP_PLAN_KEY_FILE]",
    )(function)


def read_config(path: str | None, store: str = "", sign_key: str = "") -> Config:
    """The configuration asked for. Raises `UsageError` that shows how to begin when there is none."""
    if path is None and not Path(DEFAULT).exists():
        raise UsageError(
            f"there is no {DEFAULT} here; look at a database with 'trueup scan URL', "
            "or write a configuration with 'trueup init URL'"
        )
    from trueup.config.config import load_config

    config = load_config(path or DEFAULT)
    config = replace(config, sign_key=sign_key) if sign_key else config
    return config.only_store(store) if store else config


def config_flags(path: str | None, store: str = "") -> str:
    """The options with which the next command finds the same configuration; empty for the defaults."""
    parts = (["-c", path] if path and path != DEFAULT else []) + (["--store", store] if store else [])
    return shlex.join(parts)


def command_line(command: str, *options: str) -> str:
    """A command line for the reader to copy, empty options left out."""
    return " ".join(["trueup", command, *(option for option in options if option)])


def exit_code(report: RunReport) -> int:
    """0 when all was done, 1 when some was left alone, 3 when it did not come to its end."""
    if report.dry_run:
        return 0
    if report.state in ("stopped", "failed", "applying", "undoing"):
        return 3
    return 1 if report.listed else 0


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text that programs read too, such as SQL: to a file or a pipe byte for byte, on a terminal escaped.

    A name in the catalogue may hold what a terminal obeys.
    """
    from trueup.reports._words import safe

    if (sys.stderr if err else sys.stdout).isatty():
        text = "".join(sign if sign in "\n\t" else safe(sign) for sign in text)
    click.echo(text, err=err, nl=nl)


def show(report: RenderableType) -> None:
    """Print a report: colours and the terminal's width only where there is a terminal."""
    import os

    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH
    console = Console(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)
    with console.capture() as captured:
        console.print(report, crop=False)
    # rich pads every line of a table to its full width
    lines = [line.rstrip() for line in captured.get().splitlines()]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
