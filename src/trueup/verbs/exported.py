"""Records that broken rows were exported, for the gate of strategies C and D."""

from __future__ import annotations

from pathlib import Path

from trueup.backup.backup import sha256
from trueup.config.config import Config, chosen
from trueup.journal.identity import database_digest_of
from trueup.plan.gate import attest
from trueup.results import Scan
from trueup.verbs._opened import by_store, opened


def exported(config: Config, scan: Scan, path: str) -> None:
    """Attest the export `path` of a scan, for each store that was scanned."""
    found = {result.title: result.findings for result in scan.results if result.status != "not checked"}
    for name, checks in by_store(config, chosen(config, list(found))).items():
        with opened(config, name) as store:
            attest(
                config,
                "export",
                database_digest_of(store),
                checks=tuple(check.title for check in checks),
                file=str(Path(path).absolute()),
                sha256=sha256(Path(path)),
                count=sum(found[check.title] for check in checks),
            )
