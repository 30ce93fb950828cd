"""The configuration: where the stores are, what to check in them, and how careful to be."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from trueup import discovery
from trueup.check import Check, RowCheck, SetCheck
from trueup.config.options import nearest, pairs, read_options, read_value, unreadable, write_options
from trueup.config.strategy import DEFAULT, PRODUCTION
from trueup.config.yaml import Item, from_json, read_yaml
from trueup.errors import ConfigError, UsageError
from trueup.redaction import learn
from trueup.stores.sql import unescaped

#: The store's name where only a URL is given.
STORE = "app"

_TOP = (
    "environment", "stores", "checks", "strategy", "backup_hours", "maintenance", "verify", "notices", "sign_plans",
    "sign_key",
)  # fmt: skip
#: Whether plans are signed: always; where there is a key; never.
SIGNING = ("required", "offered", "no")
_SEVERITIES = ("high", "medium", "low")
#: The classes whose members every check has, and the members that a kind may have as an option of the same name.
_CONTRACT = frozenset({Check, RowCheck, SetCheck})
_MAY_BE_OPTIONS = ("columns", "reads")
#: Words that people write for production.
_ALSO_PRODUCTION = (PRODUCTION, "prod", "prd", "live")


@dataclass(frozen=True, slots=True)
class Maintenance:
    """How an application is put into maintenance: a command each for on and off, or a file that exists meanwhile."""

    on: str = ""
    off: str = ""
    flag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a verb works on. `stores` maps names to URLs, which may carry passwords and are never shown.

    `path` is the file it came from, empty when it came from a URL; `derived` says that the checks are to
    be proposed from the catalogue and the data. A verified backup counts for `backup_hours`. `verify` are the
    application's own commands, run before and after an apply; `notices` is a folder of templates of a team's own.
    `sign_plans` is one of `SIGNING`, `sign_key` the file of the key (see `trueup.plan.signing`).
    """

    environment: str
    stores: Mapping[str, str] = field(repr=False)
    checks: tuple[Check, ...] = ()
    strategy: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT))
    path: str = ""
    derived: bool = False
    backup_hours: int = 24
    maintenance: Maintenance | None = None
    verify: tuple[str, ...] = ()
    notices: str = ""
    sign_plans: str = "offered"
    sign_key: str = ""

    @classmethod
    def from_url(cls, url: str, *, environment: str = PRODUCTION) -> Config:
        """Return a configuration of one store whose checks are still to be derived.

        Raises `UsageError` for an invalid `url`.
        """
        learn(url)
        problem = url_problem(url)
        if problem:
            raise UsageError(problem)
        return cls(environment=environment, stores={STORE: url}, derived=True)

    def only_store(self, name: str) -> Config:
        """Return the part of the configuration for one store. Raises `UsageError` naming the nearest."""
        if name not in self.stores:
            raise UsageError(f"there is no store {name!r}{nearest(name, self.stores)}")
        checks = tuple(check for check in self.checks if check.store == name)
        return replace(self, stores={name: self.stores[name]}, checks=checks)


def chosen(config: Config, only: Sequence[str]) -> list[Check]:
    """Return the checks named in `only`, or all. Raises `UsageError` for a name that does not exist."""
    known = {check.title: check for check in config.checks}
    for name in only:
        if name not in known:
            raise UsageError(f"there is no check {name!r}{nearest(name, known)}")
    return [check for title, check in known.items() if not only or title in only]


def load_config(path: str | Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read a configuration. Raises `ConfigError` that begins with file and line."""
    shown = str(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read: {error.strerror or type(error).__name__}") from None
    except ValueError:  # NUL, or a lone surrogate
        raise ConfigError(f"{shown}: cannot be read: that is no name of a file") from None
    root = read_yaml(data, shown, os.environ if environ is None else environ)
    for text in _texts(root):
        learn(text)
    top = {key.text or "": value for key, value in pairs(root, "the configuration")}
    for key, _ in root.pairs or ():
        if key.text not in _TOP:
            raise key.error(f"unknown option {key.text!r}{nearest(key.text or '', _TOP)}")
    if "stores" not in top:
        raise root.error("no 'stores'; say where the data is, as in `stores: {app: ${DATABASE_URL}}`")
    stores = _stores(top["stores"])
    environment = _environment(top["environment"]) if "environment" in top else PRODUCTION
    thresholds = _strategy(top["strategy"]) if "strategy" in top else dict(DEFAULT)
    if "checks" not in top:
        raise root.error("no 'checks'; 'trueup init URL' proposes some")
    return Config(
        environment=environment,
        stores=stores,
        checks=_checks(top["checks"], stores),
        strategy=thresholds,
        path=shown,
        backup_hours=_hours(top["backup_hours"]) if "backup_hours" in top else 24,
        maintenance=_maintenance(top["maintenance"]) if "maintenance" in top else None,
        verify=read_value(tuple[str, ...], top["verify"], "verify") if "verify" in top else (),
        notices=str(read_value(str, top["notices"], "notices")) if "notices" in top else "",
        sign_plans=_signing(top["sign_plans"], environment) if "sign_plans" in top else "offered",
        sign_key=str(read_value(str, top["sign_key"], "sign_key")) if "sign_key" in top else "",
    )


def _texts(item: Item) -> Iterator[str]:
    """Yield every scalar, as written and as filled in: a URL may be in the wrong place."""
    if item.text is not None:
        yield from {item.text, item.shown}
    for one in item.items or ():
        yield from _texts(one)
    for pair in item.pairs or ():
        for one in pair:
            yield from _texts(one)


def _signing(item: Item, environment: str) -> str:
    """Read one word, or a word for each environment. An environment that is not named gets the default."""
    words = {environment: item} if item.pairs is None else {key.text: value for key, value in item.pairs}
    for value in words.values():
        if value.text not in SIGNING:
            raise value.error(f"'sign_plans' must be one of {', '.join(SIGNING)}; it is {value}")
    mine = words.get(environment)
    return "offered" if mine is None else mine.text or ""


def _hours(item: Item) -> int:
    hours = int(read_value(int, item, "backup_hours"))
    if hours < 1:
        raise item.error(f"'backup_hours' must be 1 or more, it is {hours}")
    return hours


def _maintenance(item: Item) -> Maintenance:
    found = read_options(Maintenance, "maintenance", item)
    if bool(found.on) != bool(found.off):
        raise item.error("'maintenance' needs both 'on' and 'off': what is put on must be taken off again")
    if not found.on and not found.flag:
        raise item.error("'maintenance' needs 'on' and 'off', or 'flag'")
    return found


def url_problem(url: str) -> str:
    """Return what is wrong with a store's URL without repeating a password, or ''."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        if "://" not in url and Path(url).is_file():
            return f"{url!r} is a file, not a URL; for a SQLite database write sqlite:///{url}"
        return "that is no URL of a database; it reads like postgresql://user@host/name or sqlite:///file.db"
    if not parsed.drivername:
        return "the URL names no engine; it reads like postgresql://user@host/name or sqlite:///file.db"
    return unescaped(url)


def _stores(item: Item) -> dict[str, str]:
    stores: dict[str, str] = {}
    if item.pairs is None:
        # the text here may be a URL, or half of one
        raise item.error("'stores' must be a mapping, as in `stores: {app: ${DATABASE_URL}}`")
    for key, value in item.pairs:
        url = str(read_value(str, value, key.text or ""))
        problem = url_problem(url)
        if problem:
            raise value.error(f"store {key.text!r}: {problem}")
        stores[key.text or ""] = url
    if not stores:
        raise item.error("'stores' is empty; say where the data is, as in `app: ${DATABASE_URL}`")
    return stores


def _environment(item: Item) -> str:
    name = str(read_value(str, item, "environment"))
    if not re.fullmatch(r"[\w.-]{1,60}", name):
        raise item.error(f"'environment' must be one word of letters, digits, '.', '_' and '-'; it is {item}")
    if name != PRODUCTION and name.lower() in _ALSO_PRODUCTION:
        raise item.error(
            f"'environment' {name!r} would let changes through with --yes alone; "
            f"write {PRODUCTION}, where each asks for a typed confirmation"
        )
    return name


def _strategy(item: Item) -> dict[str, int]:
    thresholds = dict(DEFAULT)
    for key, value in pairs(item, "'strategy'"):
        letter = key.text or ""
        if letter not in DEFAULT:
            raise key.error(f"unknown letter of strategy {letter!r}{nearest(letter, DEFAULT)}")
        thresholds[letter] = read_value(int, value, letter)
    if not 1 <= thresholds["B"] < thresholds["C"] < thresholds["D"]:
        told = ", ".join(f"{letter}: {count}" for letter, count in thresholds.items())
        raise item.error(f"the thresholds of 'strategy' must grow from 1: B < C < D; they are {told}")
    return thresholds


def _checks(item: Item, stores: Mapping[str, str]) -> tuple[Check, ...]:
    if item.null:
        return ()
    if item.items is None:
        raise item.error(f"'checks' must be a list (- kind: ...), it is {item}")
    checks: list[Check] = []
    places: dict[str, str] = {}
    for one in item.items:
        check = _check(one, stores)
        if check.title in places:
            where = places[check.title].rpartition(":")[2]
            raise one.error(
                f"a second check named {check.title!r}; line {where} has the first; 'name' tells them apart"
            )
        places[check.title] = one.place
        checks.append(check)
    return tuple(checks)


def _check(item: Item, stores: Mapping[str, str]) -> Check:
    given = {key.text: value for key, value in pairs(item, "a check")}
    if "kind" not in given:
        raise item.error(f"a check needs 'kind': one of {', '.join(discovery.names('checks'))}")
    kind = str(read_value(str, given["kind"], "kind"))
    if kind not in discovery.names("checks"):
        raise given["kind"].error(f"there is no kind of check {kind!r}{nearest(kind, discovery.names('checks'))}")
    check = _read(kind, item)
    if not check.store:
        if len(stores) > 1:
            raise item.error(f"{check.title} needs 'store': one of {', '.join(stores)}")
        check = replace(check, store=next(iter(stores)))
    elif check.store not in stores:
        raise given["store"].error(f"there is no store {check.store!r}{nearest(check.store, stores)}")
    return check


def _read(kind: str, item: Item) -> Check:
    """Build the check, so that errors appear now instead of in the middle of a scan."""
    unit = discovery.load("checks", kind, Check)
    _demand_whole(unit, kind)
    check = read_options(unit, kind, item, ignore=("kind",))
    given = {key.text: (key, value) for key, value in item.pairs or ()}
    for key, _ in (given["critical"][1].pairs or ()) if "critical" in given else ():
        if key.text not in _SEVERITIES:
            raise key.error(f"unknown severity {key.text!r}{nearest(key.text or '', _SEVERITIES)}")
    try:
        repeated = [name for name, count in Counter(check.repair).items() if count > 1]
        if repeated:
            raise UsageError(f"{check.title} has the repair {repeated[0]!r} twice")
        check.chosen()
    except UsageError as error:
        raise (given["repair"][1] if "repair" in given else item).error(str(error)) from None
    return check


def _demand_whole(unit: type[Check], kind: str) -> None:
    """Refuse a kind that its author has not finished, before it fails somewhere in trueup."""
    known = Check.__dataclass_fields__
    for option in fields(unit):
        hidden = next(
            (vars(base)[option.name] for base in _CONTRACT & set(unit.__mro__) if option.name in vars(base)), None
        )
        if option.name in known or hidden is None:
            continue
        if option.name not in _MAY_BE_OPTIONS:
            raise UsageError(
                f"the kind {kind!r} has an option {option.name!r}, which is a method of every check; name it otherwise"
            )
        if option.default is hidden:
            raise UsageError(f"the kind {kind!r} has an option {option.name!r} without a default; give it one")
    if missing := sorted(unit.__abstractmethods__):
        raise UsageError(f"the kind {kind!r} lacks {' and '.join(map(repr, missing))}")
    if problem := unreadable(unit):
        raise UsageError(f"the kind {kind!r} has {problem}, which no configuration can hold")


def check_options(check: Check) -> dict[str, Any]:
    """Return all options of a check, defaults included, as JSON without floats: a plan's header holds them.

    The kind is not among them; `build_check(check.kind, check_options(check)) == check`.
    """
    return write_options(check)


def build_check(kind: str, options: Mapping[str, Any]) -> Check:
    """Build the check that `check_options` described; a `kind` among the options is ignored.

    Raises `UsageError` when there is no such kind or it does not accept these options.
    """
    return _read(kind, from_json(options))
