"""What was found out about files before, on disk: read again only where a file has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache as once
from pathlib import Path
from typing import Any

from trueup.errors import TrueupError
from trueup.lint.facts import Facts, facts_of
from trueup.lint.source import Module
from trueup.output import write

FOLDER = ".trueup_cache"


class Cache:
    """Facts by the digest of a file, and the answer to the last run. A cache that cannot be used is empty."""

    def __init__(self, root: Path | None) -> None:
        self._folder = root / FOLDER if root is not None else None
        self._facts: dict[str, Any] | None = None
        self._changed = False

    def load(self, module: Module) -> Facts:
        """The facts of a file, from disk if they are there. Raises `Unreadable`."""
        key = hashlib.blake2b(module.data, digest_size=16).hexdigest()
        known = self._known.get(key)
        # a name in a file depends on where the file lies, through relative imports
        key_parts = list(module.parts)
        if known is not None and known["parts"] == key_parts:
            return Facts.from_plain(known["facts"])
        facts = facts_of(module)
        self._known[key] = {"parts": key_parts, "facts": facts.plain()}
        self._changed = True
        return facts

    @property
    def _known(self) -> dict[str, Any]:
        if self._facts is None:
            self._facts = self._read("facts.json").get("facts", {})
        return self._facts

    def answer(self, question: str) -> dict[str, Any] | None:
        """The last answer, if it was to this question."""
        kept = self._read("answer.json")
        return kept["answer"] if kept.get("question") == question else None

    def keep(self, question: str, answer: Mapping[str, Any]) -> None:
        """Write the answer, and the facts that are new."""
        self._write("answer.json", {"question": question, "answer": answer})
        if self._changed and self._facts is not None:
            self._write("facts.json", {"facts": self._facts})

    def _read(self, name: str) -> dict[str, Any]:
        if self._folder is None:
            return {}
        with suppress(OSError, ValueError):
            data = json.loads((self._folder / name).read_bytes())
            if isinstance(data, dict) and data.get("by") == version():
                return data
        return {}

    def _write(self, name: str, data: dict[str, Any]) -> None:
        if self._folder is None:
            return
        # a read-only checkout is linted all the same
        with suppress(OSError, TrueupError):
            if not self._folder.is_dir():
                self._folder.mkdir()
                write(self._folder / ".gitignore", "*\n", private=False, durable=False)
            write(self._folder / name, json.dumps({"by": version(), **data}), private=False, durable=False)


@once
def version() -> str:
    """Changes with every change of the linter itself."""
    here = Path(__file__).parent
    state = hashlib.blake2b(digest_size=8)
    for path in sorted(here.rglob("*.py")):
        about = path.stat()
        state.update(f"{path.name}:{about.st_size}:{about.st_mtime_ns};".encode())
    return state.hexdigest()
