"""`manage.py trueup ...`: every command of trueup, on the database of the settings."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from trueup.cli import run
from trueup.cli.common import DEFAULT
from trueup.django.databases import VARIABLE, url_of

#: Commands that can do without a configuration, given a URL.
ALONE = ("scan", "init")


class Command(BaseCommand):
    """Hands its words to trueup's own command line; the URL is passed inside this process, never in its arguments."""

    help = "Runs trueup on the database of the settings: manage.py trueup scan, plan, apply ..."
    requires_system_checks: ClassVar[list[str]] = []

    def run_from_argv(self, argv: list[str]) -> None:
        """All words after `trueup` are its own, `--help` included."""
        sys.exit(self.answer(argv[2:]))

    def add_arguments(self, parser: CommandParser) -> None:
        """For `call_command("trueup", "scan")`."""
        parser.add_argument("words", nargs=argparse.REMAINDER)

    def handle(self, *args: Any, **options: Any) -> None:
        """As `call_command` does; an exit other than 0 is a `CommandError`."""
        code = self.answer([*args, *options["words"]])
        if code:
            raise CommandError(f"trueup exited with {code}", returncode=code)

    def answer(self, words: list[str]) -> int:
        """Run one command line and return its exit."""
        url = url_of()
        os.environ.setdefault(VARIABLE, url)
        if words[:1] == ["init"] and "--django" in words:
            return derived([word for word in words[1:] if word != "--django"], url)
        configured = Path(DEFAULT).exists() or "-c" in words or "--config" in words
        given = any(not word.startswith("-") for word in words[1:])
        if (
            words
            and words[0] in ALONE
            and "--help" not in words
            and (words[0] == "init" or not configured)
            and not given
        ):
            words = [*words, url]
        return run(words)


def derived(words: list[str], url: str) -> int:
    """`init --django [-o FILE] [--force]`: the checks that the models imply, written down to be read and changed."""
    import click

    from trueup.cli.init import written
    from trueup.django.deriving import checks
    from trueup.output import write

    parser = argparse.ArgumentParser("manage.py trueup init --django")
    parser.add_argument("-o", "--output", default=DEFAULT)
    parser.add_argument("--force", action="store_true")
    options = parser.parse_args(words)
    if Path(options.output).exists() and not options.force:
        click.echo(f"trueup: {options.output!r} is there already; choose another with -o, or add --force", err=True)
        return 2
    found = checks()
    write(options.output, written(url, found))
    click.echo(
        f"{options.output}: {len(found)} checks from the models; read it, change it, then: manage.py trueup scan"
    )
    return 0
