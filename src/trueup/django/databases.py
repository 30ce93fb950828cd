"""The databases of the settings, as trueup names them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections
from sqlalchemy.engine import URL

from trueup.config.config import Config, load_config
from trueup.config.strategy import PRODUCTION
from trueup.errors import UsageError

#: The variable that a configuration takes the URL from.
VARIABLE = "DATABASE_URL"
_BACKENDS = {"postgresql": "postgresql", "mysql": "mysql", "sqlite": "sqlite"}
_PASSED = ("sslmode", "sslrootcert", "sslcert", "sslkey", "unix_socket")


def url_of(alias: str = "default") -> str:
    """The URL of a database of the settings; it may hold a password. Raises `UsageError` for an engine not known."""
    about: dict[str, Any] = connections[alias].settings_dict
    vendor = connections[alias].vendor
    if vendor not in _BACKENDS:
        raise UsageError(f"trueup has no dialect for the engine of database {alias!r} ({vendor})")
    if vendor == "sqlite":
        return URL.create("sqlite", database=str(about["NAME"])).render_as_string()
    host = str(about["HOST"] or "")
    query = {name: str(about["OPTIONS"][name]) for name in _PASSED if about.get("OPTIONS", {}).get(name)}
    if host.startswith("/"):
        # a folder of sockets for PostgreSQL, the socket itself for MySQL
        query["host" if vendor == "postgresql" else "unix_socket"] = host
        host = ""
    made = URL.create(
        _BACKENDS[vendor],
        username=str(about["USER"] or "") or None,
        password=str(about["PASSWORD"] or "") or None,
        host=host or None,
        port=int(about["PORT"]) if about["PORT"] else None,
        # the only part that SQLAlchemy writes as it is
        database=str(about["NAME"]).replace("@", "%40"),
        query=query,
    )
    return made.render_as_string(hide_password=False)


def environment() -> str:
    """`TRUEUP_ENVIRONMENT` of the settings, else production unless DEBUG is on."""
    named: str = getattr(settings, "TRUEUP_ENVIRONMENT", "")
    return named or ("development" if settings.DEBUG else PRODUCTION)


def config_of(alias: str = "default") -> Config:
    """A configuration of one database of the settings, its checks still to be given."""
    return Config(environment=environment(), stores={"app": url_of(alias)})


def project_config() -> Config:
    """What `TRUEUP_CONFIG` of the settings names, else `trueup.yaml` here, else the checks that the models imply."""
    path = Path(getattr(settings, "TRUEUP_CONFIG", "trueup.yaml"))
    if path.exists():
        os.environ.setdefault(VARIABLE, url_of())
        return load_config(str(path))
    from trueup.django.deriving import checks

    return replace(config_of(), checks=tuple(checks()))
