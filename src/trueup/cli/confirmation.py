"""How a command that writes is confirmed, and which option confirms it."""

from __future__ import annotations

import sys

import click

from trueup.errors import Refused


def confirmation(environment: str, count: int, plan_digest: str, *, yes: bool, confirm: str) -> str:
    """The word for the verb: empty for a dry run. On a terminal `--yes` in production asks for it typed.

    Raises `Refused` when what was given does not confirm.
    """
    from trueup.config.strategy import PRODUCTION, confirmation_word, confirmed

    if confirm:
        return confirm
    if not yes:
        return ""
    if environment == PRODUCTION and sys.stdin.isatty() and sys.stderr.isatty():
        expected = confirmation_word(environment, count, plan_digest)
        typed = str(
            click.prompt(f"This is {environment}. To go on type {expected}", err=True, default="", show_default=False)
        )
        if typed.strip() != expected:
            raise Refused("that is not what was asked for; nothing was changed")
        return expected
    confirmed(environment, "yes", count, plan_digest)
    return "yes"


def confirming(environment: str, count: int, plan_digest: str) -> str:
    """The option that confirms in this environment."""
    from trueup.config.strategy import PRODUCTION, confirmation_word

    return f"--confirm {confirmation_word(environment, count, plan_digest)}" if environment == PRODUCTION else "--yes"
