"""Soda Core: its own checks where it has one, else the hand-written condition as a metric, so that all share a scan."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

import yaml
from mysql.connector.constants import CharacterSet
from soda.scan import Scan

from benchmarks.peers._urls import parts

VERSION = importlib.metadata.version("soda-core")


def start(job: dict[str, Any]) -> Callable[[], dict[str, int]]:
    """Its configuration; the scan itself, with its connection, is new for each check, as its documentation has it."""
    if job["engine"] == "sqlite":
        raise RuntimeError("it has no data source for SQLite")
    # the driver that it pins knows no character set "utf8" but on a server of version 8.0
    CharacterSet.set_mysql_version = classmethod(lambda cls, version: setattr(cls, "mysql_version", (8, 0)))
    CharacterSet.set_mysql_version("8.0")
    address = parts(job)
    database = address.pop("database")
    source: dict[str, Any] = {"type": "mysql", **address, "password": "", "database": database}
    source["username"] = source.pop("user")
    if job["engine"] == "postgresql":
        source |= {"type": "postgres", "schema": "public"}
    configuration = yaml.safe_dump({"data_source app": source})
    checks = [_check(name, condition, job) for name, condition in job["checks"].items()]
    text = yaml.safe_dump({"checks for events": checks})

    def check() -> dict[str, int]:
        scan = Scan()
        scan.disable_telemetry()
        scan.set_data_source_name("app")
        scan.add_configuration_yaml_str(configuration)
        scan.add_sodacl_yaml_str(text)
        scan.execute()
        scan.assert_no_error_logs()
        return {one.name: int(one.check_value) for one in scan._checks}

    return check


def _check(name: str, condition: str, job: dict[str, Any]) -> Any:
    if job.get("question") == "orphans":
        return {"values in (user_id) must exist in users (id)": {"name": name, "samples limit": 0}}
    if name in ("user_id", "created"):
        return {f"missing_count({name}) = 0": {"name": name}}
    if len(job["checks"]) == 1:
        return {"failed rows": {"name": name, "fail condition": condition}}
    metric = "bad_" + name.replace(".", "_")
    expression = f"COUNT(CASE WHEN {condition} THEN 1 END)"
    return {f"{metric} = 0": {"name": name, f"{metric} expression": expression}}
