"""A database to fight over, and trueup at work on it in processes of its own that can be killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trueup
from tests.chaos import tool
from tests.chaos.plain import ERRORS, Session, journal_table
from tests.servers import SERVERS, Server

#: Seconds after which a verb hangs.
HANGING = 120.0
OBJECTS: Mapping[str, Any] = {
    "kind": "wrong-json-type",
    "name": "objects",
    "table": "events",
    "column": "metadata",
    "expected": "object",
    "repair": ["decode", "wrap", "nullify"],
}


def points() -> list[str]:
    """Every failpoint in trueup, by its name."""
    texts = [path.read_text() for path in Path(trueup.__file__).parent.rglob("*.py")]
    return sorted({name for text in texts for name in re.findall(r'failpoint\("(.+?)"\)', text)})


@dataclass
class Tally:
    """What was seen, by name, and every promise that did not hold."""

    engine: str
    seen: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    stall: float = 0.0

    def add(self, other: Tally) -> None:
        """Take in what another one saw."""
        self.seen += other.seen
        self.violations += other.violations
        self.stall = max(self.stall, other.stall)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a process of the tool ended: `done`, `error`, `crash` or `killed`, with the state of the run and a text."""

    word: str
    state: str = ""
    text: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.word, self.state, self.text) if part)


class Hand:
    """One process of the tool."""

    def __init__(self, process: Any, pipe: Any) -> None:
        self.process, self.pipe = process, pipe
        #: What the database refused it, by kind; told when it ends by itself.
        self.refused: Counter[str] = Counter()

    def message(self, seconds: float = HANGING) -> tuple[Any, ...] | None:
        """Its next message, ("killed",) when it died without one, None when it is silent for so long."""
        if not self.pipe.poll(max(0.0, seconds)):
            return None
        try:
            told = tuple(self.pipe.recv())
            if told[0] == "errors":
                self.refused += told[1]
                told = tuple(self.pipe.recv())
            return told
        except (EOFError, ConnectionResetError):
            return ("killed",)

    def outcome(self, seconds: float = HANGING) -> Outcome:
        """How it ends; `hangs` when it does not."""
        while (told := self.message(seconds)) is not None:
            if told[0] == "at":
                self.go_on()
            elif told[0] != "begun":
                return Outcome(told[0], *told[1:]) if told[0] == "done" else Outcome(told[0], "", *told[1:])
        return Outcome("hangs", "", f"no word for {seconds:.0f} s")

    def until(self, word: str, seconds: float = HANGING) -> Outcome | None:
        """Wait for `begun` or `at`; the outcome when it ended before that."""
        while (told := self.message(seconds)) is not None:
            if told[0] == word:
                return None
            if told[0] not in ("begun", "at"):
                return Outcome(told[0], *told[1:]) if told[0] == "done" else Outcome(told[0], "", *told[1:])
        return Outcome("hangs", "", f"no word for {seconds:.0f} s")

    def go_on(self) -> None:
        """Answer a process that holds at a point."""
        self.pipe.send("go on")


class Arena:
    """A database, and the tool that is run and killed on it. The journal stays until `forget`."""

    def __init__(self, engine: str, url: str, folder: Path, *, server: Server | None = None) -> None:
        self.engine, self.url, self.folder, self.server = engine, url, folder, server
        #: The bug that every process of the tool gets planted.
        self.bug = ""
        #: Worlds that a hunt passes over at its start.
        self.passed_over = 0
        #: Whether a scenario may take minutes.
        self.thorough = False
        self.checks = [OBJECTS]
        self.config = self.configure("events", self.checks)
        self.plan = folder / f"{engine}-plan.jsonl"
        self.session = Session(engine, url)
        # read when trueup is imported, which the first process forked from does
        os.environ["TRUEUP_TESTING"] = "1"
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["tests.chaos.tool"])
        #: Seconds that a verb writes in all, and that one needs to its first chunk; learnt on the way.
        self.lasted = {"apply": 1.0, "undo": 1.0}
        self.starting = 0.4
        self._elsewhere = ""
        self._stack = ExitStack()

    def close(self) -> None:
        """Give the oracle's session and the other server back."""
        self._stack.close()
        self.session.close()

    def elsewhere(self) -> str:
        """A database of the same engine whose whole server may be turned upside down, made when first asked for."""
        if not self._elsewhere:
            if self.server is None:
                return self.url
            other = self._stack.enter_context(SERVERS[self.engine]())
            other.create_database("chaos")
            self._elsewhere = other.url("chaos")
        return self._elsewhere

    def configure(self, name: str, checks: Sequence[Mapping[str, Any]], url: str = "") -> Path:
        """Write a configuration of these checks; `url` to reach the database by another way."""
        path = self.folder / f"{self.engine}-{name}.yaml"
        text = {"environment": "chaos", "stores": {"app": url or self.url}, "checks": list(checks)}
        path.write_text(json.dumps(text, ensure_ascii=False))  # YAML joins no surrogates
        return path

    @contextmanager
    def tool(self, verb: str, plan: Path | None = None, config: Path | None = None, **how: Any) -> Iterator[Hand]:
        """The tool at work in a process of its own; killed at the end if it has not ended. `how`: see `Order`."""
        how = {"bug": self.bug, **how}
        order = tool.Order(verb, str(config or self.config), str(plan or self.plan), **how)
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=tool.work, args=(order, theirs))
        process.start()
        theirs.close()
        try:
            yield Hand(process, ours)
        finally:
            process.kill()
            process.join()
            process.close()
            ours.close()

    def do(self, verb: str, plan: Path | None = None, config: Path | None = None, **how: Any) -> Outcome:
        """Run a verb to its end, or to the kill that was ordered."""
        with self.tool(verb, plan, config, **how) as hand:
            told = hand.outcome()
        if told.word == "crash" and self.bug:
            raise RuntimeError(f"the planted bug {self.bug!r} does not run: {told}")
        return told

    def forget(self) -> None:
        """Take trueup's journal away, as if it had never been here."""
        if self.engine == "postgresql":
            self.session.run("DROP SCHEMA IF EXISTS trueup CASCADE")
            return
        for name in self.journal_tables():
            self.session.run(f"DROP TABLE IF EXISTS {name}")

    def journal_tables(self) -> list[str]:
        """The journal's tables, as SQL spells them."""
        try:
            images = [f"img_{number}" for (number,) in self.session.rows(f"SELECT k FROM {self.journal('image')}")]
        except ERRORS:
            self.session.rollback()
            images = ["img_1"]  # one that was made and not entered
        return [self.journal(name) for name in (*images, "image", "chunk", "op", "run", "meta")]

    def journal(self, name: str) -> str:
        """A table of the journal, as SQL spells it."""
        return journal_table(self.engine, name)
