"""The address of a database as other tools write it. Every throw-away server takes its administrator without a word."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

DRIVERS = {"postgresql": "postgresql+psycopg2", "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}


def sqlalchemy_url(job: dict[str, Any]) -> str:
    """With the driver that the tools bring."""
    scheme, _, rest = str(job["url"]).partition("://")
    return f"{DRIVERS.get(scheme, scheme)}://{rest}"


def parts(job: dict[str, Any]) -> dict[str, Any]:
    """`host`, `port`, `user` and `database`."""
    url = urlsplit(job["url"])
    return {"host": url.hostname, "port": url.port, "user": url.username, "database": url.path.lstrip("/")}
