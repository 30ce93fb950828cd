"""The command line: a thin layer on the verbs. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, NoReturn

import click

from trueup.errors import TrueupError, UsageError
from trueup.redaction import learn, redacted
from trueup.version import VERSION

#: Each command's module, and its line in `trueup --help`; the command itself is imported when it is used.
COMMANDS = {
    "demo": ("demo", "a broken application, and the whole loop on it, narrated"),
    "init": ("init", "propose checks from the catalogue and the data"),
    "scan": ("scan", "find the rows that break a check; changes nothing"),
    "explain": ("explain", "where broken rows come from, and what they share"),
    "compare": ("compare", "two scans of two environments, side by side"),
    "lint": ("lint", "find the code that breaks data; reads source only"),
    "sql": ("sql", "print the statements, for an SQL console"),
    "backup": ("backup", "back up, restore into a scratch database, and compare"),
    "plan": ("plan", "write down each change that would mend them"),
    "rehearse": ("rehearse", "apply, verify and undo a plan on a restored backup"),
    "apply": ("apply", "make the changes of a plan; a dry run unless confirmed"),
    "verify": ("verify", "prove that a run did what it says, and nothing else"),
    "undo": ("undo", "take a run back; a preview unless confirmed"),
    "guard": ("guard", "keep a check's damage from coming back"),
    "advise": ("advise", "the index that would make a check cheap"),
    "restore-plan": ("restore", "write the plan that sets a table back to a backup"),
    "notice": ("notice", "print a notice about a run, ready to send"),
    "checklist": ("checklist", "print the checklist of a run, ticked by what is proven"),
    "runs": ("runs", "list the runs"),
    "status": ("runs", "show one run"),
    "recover": ("recover", "settle what a crash left open"),
    "pause": ("runs", "make a run wait after its chunk"),
    "resume": ("runs", "let a paused run go on"),
}
#: Commands that write, and so have something to say about it when they are interrupted.
WRITE = ("apply", "undo", "recover")
#: What a machine may be short of besides room on its disks.
SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)


class Interrupted(TrueupError):
    """Ctrl-C, with what state things are in."""

    exit_code = 130


class Lazy(click.Group):
    """A group that knows the names of its commands and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the work; one whose module is not there is left out."""
        return [name for name, (module, _) in COMMANDS.items() if find_spec(f"trueup.cli.{module}")]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; its module names it as the command is called."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = getattr(importlib.import_module(f"trueup.cli.{COMMANDS[cmd_name][0]}"), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command asked for. Raises `UsageError` that names the nearest."""
        word = args[0]
        if not word.startswith("-") and word not in self.list_commands(ctx):
            from difflib import get_close_matches

            if not word.replace("-", "").isidentifier():
                # it is not repeated: it may be half of a URL
                raise UsageError("that is no command; see 'trueup --help'")
            near = get_close_matches(word, self.list_commands(ctx), 1)
            hint = f"did you mean '{near[0]}'?" if near else "see 'trueup --help'"
            raise UsageError(f"there is no command {word!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; Ctrl-C says what state things are in."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            name = ctx.invoked_subcommand
            if name not in WRITE:
                raise Interrupted("interrupted; nothing was changed") from None
            raise Interrupted(
                "interrupted; each chunk was written whole or not at all: 'trueup status last' shows how far it came, "
                f"'trueup {name}' again goes on, 'trueup undo last' takes it back"
            ) from None


@click.group(
    cls=Lazy,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 clean, 1 findings, 2 wrong usage or configuration, 3 could not finish.",
)
@click.version_option(VERSION, message="trueup %(version)s")
@click.pass_context
def trueup(ctx: click.Context) -> int:
    """Fsck for a live application's data: find what breaks an invariant, mend it next to live traffic, undo it.

    \b
    trueup scan sqlite:///shop.db      a first look, nothing to set up
    trueup init sqlite:///shop.db      a configuration to go on from
    trueup scan                        what is broken
    trueup plan -o plan.jsonl          what would mend it
    trueup apply plan.jsonl --yes      mend it
    trueup undo last --yes             take it back
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        return 2
    return 0


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command line and exit: 0 clean, 1 findings, 2 wrong usage, 3 could not finish, 130 interrupted."""
    _fill_standard_descriptors()
    for stream in (sys.stdout, sys.stderr):
        # a name that the terminal's encoding lacks must not end a report
        reconfigure: Callable[..., None] | None = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    sys.exit(run(list(sys.argv[1:] if args is None else args)))


def _fill_standard_descriptors() -> None:
    """Put /dev/null where stdin, stdout or stderr are closed: else a database takes the number, and gets the report."""
    for number, flags, name in ((0, os.O_RDONLY, "stdin"), (1, os.O_WRONLY, "stdout"), (2, os.O_WRONLY, "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # the lowest number that is free
            os.open(os.devnull, flags)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def run(args: list[str]) -> int:
    """Run a command line and return its exit code; every failure is one line on stderr."""
    for word in args:
        learn(word)
    try:
        code = trueup.main(args, prog_name="trueup", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except BrokenPipeError:
        # the reader (`| head`) has gone: nobody is left to tell, and Python's own flush at exit must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except TrueupError as error:
        return _complain(str(error), error.exit_code)
    except click.ClickException as error:
        return _complain(_usage(error), 2)
    except (click.Abort, KeyboardInterrupt) as error:
        # click takes the end of any file for the end of what somebody typed
        if isinstance(error.__cause__, EOFError):
            return _bug(error.__cause__)
        return _complain("interrupted; nothing was changed", 130)
    except OSError as error:
        return _of_machine(error)
    except MemoryError:
        return _complain("this machine gives no more: out of memory", 3)
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, the reader gets one line
        return _bug(error)


def _of_machine(error: OSError) -> int:
    """A disk or a limit of this machine."""
    from trueup.output import FULL

    if error.errno in FULL:
        return _complain(f"cannot write to stdout or to a temporary file: {error.strerror}", 3)
    if error.errno in SHORT:
        return _complain(f"this machine gives no more: {error.strerror}", 3)
    if "usable temporary directory" in str(error):
        return _complain("no folder for temporary files can be written to; TMPDIR names one", 3)
    return _bug(error)


def _complain(message: str, code: int) -> int:
    from trueup.reports._words import masked, safe

    _trace()
    click.echo(f"trueup: {safe(masked(redacted(message)))}", err=True)
    return code


def _usage(error: click.ClickException) -> str:
    message = error.format_message()
    if "unexpected extra argument" in message:
        # it is not repeated: a URL with a blank in its password comes in two
        message = "an argument too many; put what holds blanks in quotes"
    message = message.rstrip(".").replace("\n", " ").replace(". Did you mean", "; did you mean")
    message = message[:1].lower() + message[1:]
    context = getattr(error, "ctx", None)
    if context is None or message.endswith("?"):
        return message
    return f"{message}; see '{context.command_path} --help'"


def _bug(error: Exception) -> int:
    """An exception nobody foresaw. Its text is not shown: a driver's may carry values or a password."""
    return _complain(
        f"this is a bug: {type(error).__name__}{_place(error)}; TRUEUP_TRACEBACK=1 before the command shows all of it, "
        "and may show values of your data",
        3,
    )


def _place(error: Exception) -> str:
    """The innermost line of trueup or of a registered unit, and the innermost line of a check on the way to it."""
    from trueup.discovery import unit_of

    place = check = ""
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        here = f"{name}:{trace.tb_lineno}"
        unit = unit_of(name)
        if name.startswith("trueup.") or unit is not None:
            place = here
        if unit is not None and unit[0] == "checks":
            check, its_place = unit[1], here
        trace = trace.tb_next
    if not check:
        return f" at {place}" if place else ""
    return f" at {place}, in the check of kind {check!r}{'' if its_place == place else f' at {its_place}'}"


def _trace() -> None:
    if os.environ.get("TRUEUP_TRACEBACK") == "1":
        import traceback

        from trueup.reports._words import masked

        click.echo(masked(redacted(traceback.format_exc())), err=True, nl=False)
