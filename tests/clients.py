"""The client programs of each engine, on the PATH of a test."""

import os
from pathlib import Path

import pytest

from tests.binaries import Unavailable, mysql_build


def offer(engine: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put MySQL's own programs first: MariaDB's packages bring others under the same names."""
    if engine != "mysql":
        return
    try:
        command = mysql_build().command
    except Unavailable as error:
        pytest.skip(str(error))
    *loader, server = command
    folder = folder / "bin"
    folder.mkdir(exist_ok=True)
    for name in ("mysql", "mysqldump"):
        program = Path(server).parent.parent / "bin" / name
        if not os.access(program, os.X_OK):
            pytest.skip(f"there is no {name} of MySQL's own")
        words = [word if word != "/usr/sbin/mysqld" else str(program) for word in loader]
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {" ".join([*words, str(program)])} "$@"\n')
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
