"""`trueup init`: a first configuration, from what the catalogue and the data suggest."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueup.cli.common import DEFAULT, Command, say
from trueup.config.json_text import JsonText
from trueup.errors import UsageError

if TYPE_CHECKING:
    from trueup.check import Check

VARIABLE = "DATABASE_URL"


@click.command(
    cls=Command,
    epilog="""
    trueup init sqlite:///shop.db
    trueup init "$DATABASE_URL" -o checks/shop.yaml
    """,
)
@click.argument("url")
@click.option(
    "-o", "--output", default=DEFAULT, show_default=True, metavar="FILE", help="Where the configuration goes."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def init(url: str, output: str, force: bool) -> int:
    """Propose checks for a database and write them down, with comments, to be read and changed.

    A password in the URL is not written: the file then takes the URL from the environment.
    """
    if Path(output).exists() and not force:
        raise UsageError(f"{output!r} is there already; choose another name with -o, or replace it with --force")
    from trueup.config.config import Config
    from trueup.output import writable, write
    from trueup.reports._words import counted
    from trueup.verbs.propose import propose

    writable(output)
    checks = propose(Config.from_url(url))
    write(output, written(url, checks))
    where = "" if output == DEFAULT else f" -c {shlex.quote(output)}"
    say(f"{output}: {counted(len(checks), 'check')} proposed; read it, change it, then: trueup scan{where}")
    return 0


def written(url: str, checks: Sequence[Check]) -> str:
    """The text of a configuration for one store that `trueup.config.load_config` reads back as `checks`."""
    # checks last: people add theirs at the end of the file
    return "\n".join([*_head(url), *_strategy(), *_checks(checks)]) + "\n"


def _head(url: str) -> Iterator[str]:
    from sqlalchemy.engine import make_url

    from trueup.config.config import STORE

    parsed = make_url(url)
    yield "# What trueup checks here. `trueup scan` finds what breaks a check, and never changes anything."
    yield ""
    if parsed.get_backend_name() == "sqlite" or parsed.host in ("localhost", "127.0.0.1", "::1"):
        yield "# In `production` every change asks for a typed confirmation; say so there."
        yield "environment: development"
    else:
        yield "# In `production` every change asks for a typed confirmation."
        yield "environment: production"
    yield ""
    yield "stores:"
    if parsed.password is None and not parsed.query:
        yield f"  {STORE}: {scalar(url)}"
    else:
        yield f"  # The URL may hold a secret, so it comes from the environment: export {VARIABLE}=..."
        yield f"  {STORE}: ${{{VARIABLE}}}"
    yield ""


def _strategy() -> Iterator[str]:
    from trueup.config.strategy import DEFAULT as THRESHOLDS
    from trueup.config.strategy import MEANING

    yield "# From how many broken rows on a repair asks for more care."
    for letter in THRESHOLDS:
        yield f"#   {letter}: {MEANING[letter]}"
    yield f"strategy: {{{', '.join(f'{letter}: {count}' for letter, count in THRESHOLDS.items())}}}"
    yield ""


def _checks(checks: Sequence[Check]) -> Iterator[str]:
    if not checks:
        yield "# The catalogue and the data suggest no check. One looks like this:"
        yield "#   - kind: missing"
        yield "#     table: orders"
        yield "#     column: user_id"
        yield "checks: []"
    else:
        yield "# Proposed from the catalogue and the data: delete what is not meant to hold, add what is."
        yield "checks:"
    kinds: set[str] = set()
    for check in checks:
        kind = _kind(check)
        if kind not in kinds:
            kinds.add(kind)
            about = (type(check).__doc__ or "").strip().splitlines()
            yield f"  # {kind}: {about[0].rstrip('.')}" if about else f"  # {kind}"
        yield f"  - kind: {scalar(kind)}"
        for name, value in _options(check).items():
            yield f"    {name}: {flow(value)}"


def _kind(check: Check) -> str:
    return type(check).__module__.rpartition(".")[2].replace("_", "-")


def _options(check: Check) -> Mapping[str, Any]:
    """The options without which it would be another check; the one store need not be named."""
    from trueup.config.config import build_check, check_options

    kept = {**check_options(check), "name": check.title, "store": ""}
    whole = build_check(_kind(check), kept)
    # from behind, so that of two ways to say it the first stays
    for name in reversed([name for name in kept if name != "name"]):
        less = {other: value for other, value in kept.items() if other != name}
        try:
            if build_check(_kind(check), less) == whole:
                kept = less
        except UsageError:
            continue  # it cannot be left out
    return {"name": kept.pop("name"), **kept}


def scalar(text: str) -> str:
    """`text` as a YAML scalar that reads back as the same text, plain where that is safe."""
    import re

    import yaml

    text = text.replace("${", "$${")
    if re.fullmatch(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*", text, re.ASCII) and text.lower() not in (
        "null",
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
    ):
        return text
    if re.fullmatch(r"[a-z][a-z0-9+]*://[\w./@:-]+", text, re.ASCII) and not text.endswith(":"):
        return text
    return str(yaml.safe_dump(text, default_style='"', allow_unicode=True, width=1_000_000)).strip()


def _as_yaml(value: Any) -> str:
    """JSON, which is YAML; only values may take something from the environment, keys never do."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{JsonText.of(key)}: {_as_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_as_yaml, value)) + "]"
    return JsonText.of(value.replace("${", "$${") if isinstance(value, str) else value)


def flow(value: Any) -> str:
    """JSON without floats as YAML on one line; a list of one is written as the one, as every option takes it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(str(key))}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return flow(value[0]) if len(value) == 1 else "[" + ", ".join(flow(item) for item in value) + "]"
    if isinstance(value, JsonText):
        return _as_yaml(value.value())
    if isinstance(value, str):
        return scalar(value)
    return (
        {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)
    )
