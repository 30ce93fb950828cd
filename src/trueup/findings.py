"""What a scan finds: where, what, how bad, and the evidence for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trueup.codec import canonical, digest

Severity = Literal["high", "medium", "low"]
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """The address of one row: its store, its table and the tokens of its key, in key order.

    A token is the text of one key part as its engine writes it (see `Dialect.token`), so that a key
    of any type survives a file without loss.
    """

    store: str
    table: str
    key: Key

    def __str__(self) -> str:
        return f"{self.table} {', '.join(self.key)}"


@dataclass(frozen=True, slots=True)
class Source:
    """The address of a place in code, counted from 1."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken record: the check that says so, a sentence, and the facts that prove it.

    `evidence` holds text, numbers and None. What was read from the rows is in it only where values were asked for
    (`check.Facts`), columns of the option `context` then as they are and otherwise by their length.
    """

    check: str
    where: Record | Source
    message: str
    severity: Severity = "medium"
    evidence: Mapping[str, Any] = field(default_factory=dict)
    hint: str = ""

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits, the same in every run for the same check and place."""
        where = self.where
        place = [where.store, where.table, *where.key] if isinstance(where, Record) else [where.path, str(where.line)]
        return digest(canonical([self.check, *place]))[:16]
