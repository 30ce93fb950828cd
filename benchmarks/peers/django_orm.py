"""Django: every value of the column through the ORM, as a management command would read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django
import pymysql
from django.conf import settings
from django.db import models

from benchmarks.peers._urls import parts

VERSION = django.__version__
BACKENDS = {"sqlite": "sqlite3", "mariadb": "mysql"}


def start(job: dict[str, Any]) -> Callable[[], dict[str, int]]:
    """A model over the table."""
    pymysql.install_as_MySQLdb()
    engine = job["engine"]
    address = {key.upper(): value for key, value in parts(job).items() if value}
    name = job["url"].removeprefix("sqlite:///") if engine == "sqlite" else address.pop("DATABASE")
    database = {"ENGINE": f"django.db.backends.{BACKENDS.get(engine, engine)}", "NAME": name}
    settings.configure(DATABASES={"default": database if engine == "sqlite" else {**database, **address}})
    django.setup()

    class Event(models.Model):
        id = models.BigIntegerField(primary_key=True)
        metadata = models.JSONField(null=True)

        class Meta:
            app_label, db_table, managed = "bench", "events", False

    def check() -> dict[str, int]:
        broken = []
        # "is null" of a JSON field is SQL NULL: JSON null is among the broken ones
        for key, value in Event.objects.filter(metadata__isnull=False).values_list("id", "metadata").iterator():
            if not isinstance(value, dict):
                broken.append(key)
        return {"metadata": len(broken)}

    return check
