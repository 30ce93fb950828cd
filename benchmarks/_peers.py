"""Other tools as contestants: each in a process of its own, in the environment that `make peers` makes for them.

`TRUEUP_PEERS` names the Python of that environment; without it, `.venv/peers/bin/python` is taken if it is there. A
tool that cannot be asked is named with its reason, never left out silently.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from benchmarks._measure import duration
from benchmarks._place import Place

ROOT = Path(__file__).parent.parent
#: The module of each tool, and its name for a reader.
TOOLS = {
    "gx": "Great Expectations",
    "soda": "Soda Core",
    "django_orm": "Django ORM loop",
    "gx_pandas": "Great Expectations, JSON schema on pandas",
    "pandera_pandas": "Pandera on pandas",
    "pointblank_pandas": "Pointblank on pandas",
}
#: Runs with the benchmark's own Python.
OURS = ("django_orm",)


class NotRun(RuntimeError):
    """A tool that could not be asked; the message is the reason."""


class Peer:
    """One tool, started and ready to be asked."""

    def __init__(self, tool: str, job: Mapping[str, Any], log: Path) -> None:
        """Start it; raises NotRun with the last line that it wrote."""
        self.tool, self.log = tool, log
        self._process = subprocess.Popen(
            [python(tool), "-m", "benchmarks.peers", tool],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
            cwd=ROOT,
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        )
        hello = self._say(job)
        self.version, self.startup = str(hello["version"]), float(hello["startup"])
        self.name = f"{TOOLS[tool]} {self.version}"

    def ask(self) -> dict[str, int]:
        """One check of the table: rows found, by the name of the check."""
        found: dict[str, int] = self._say({})["found"]
        return found

    def _say(self, line: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: it says why in its log, read below
        if not (answer := self._process.stdout.readline()):
            said = [text for text in self.log.read_text(errors="replace").splitlines() if text.strip()]
            raise NotRun(said[-1][:200] if said else "it ended without a word")
        result: dict[str, Any] = json.loads(answer)
        return result

    def close(self) -> None:
        """End it."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def python(tool: str) -> str:
    """The Python that has a tool; raises NotRun where there is none."""
    if tool in OURS:
        return sys.executable
    chosen = os.environ.get("TRUEUP_PEERS") or str(ROOT / ".venv" / "peers" / "bin" / "python")
    if not os.access(chosen, os.X_OK):
        raise NotRun("no environment for other tools: make peers, or TRUEUP_PEERS=its python")
    return chosen


@dataclass(frozen=True)
class Asked:
    """Tools by the name and version that a table shows, and the reasons of those that are not there."""

    ready: dict[str, Peer]
    missing: dict[str, str]

    def contestants(self, expected: Mapping[str, int]) -> dict[str, Callable[[], None]]:
        """Each tool as a contestant that has to find what was planted."""
        return {name: partial(_held, peer, expected) for name, peer in self.ready.items()}

    def notes(self) -> dict[str, str]:
        """What to say beside each."""
        return {name: f"start-up {duration(peer.startup)} more" for name, peer in self.ready.items()}

    def remarks(self) -> tuple[str, ...]:
        """A line for each tool that was not run."""
        return tuple(f"not run  {name}: {reason}" for name, reason in self.missing.items())


def _held(peer: Peer, expected: Mapping[str, int]) -> None:
    found = peer.ask()
    assert found == dict(expected), f"{peer.name}: {found}, expected {dict(expected)}"


@contextmanager
def peers(place: Place, name: str, tools: tuple[str, ...], checks: Mapping[str, str], **job: Any) -> Iterator[Asked]:
    """Those of the tools that can be asked here, and for each of the others why not."""
    asked = Asked({}, {})
    try:
        for tool in tools:
            log = Path(tempfile.mkstemp(dir=place.folder, prefix=f"{tool}-", suffix=".log")[1])
            about = {"engine": place.engine, "url": place.url(name), "checks": dict(checks), **job}
            try:
                peer = Peer(tool, about, log)
                peer.ask()  # a first answer, so that what fails fails before anything is timed
                asked.ready[peer.name] = peer
            except NotRun as error:
                asked.missing[TOOLS[tool]] = str(error)
        yield asked
    finally:
        for peer in asked.ready.values():
            peer.close()
