"""The contract of a dialect: everything that an engine does in its own way. Each is in `engines/NAME/dialect.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, FromClause, Select

from trueup.errors import Refused
from trueup.sql.reading import ReadingDialect
from trueup.sql.writing import Kept, WritingDialect


class Dialect(ReadingDialect, WritingDialect):
    """One engine for reading and writing. Stateless."""


class ReadOnlyDialect(Dialect):
    """An engine that trueup only reads: a scan works, and whatever would write reports in one line that it cannot."""

    def writable(self, connection: Connection) -> str:
        """Return why it is never written."""
        return self._why

    @property
    def _why(self) -> str:
        return f"trueup only reads {self.name}"

    def kept(self, connection: Connection, names: Sequence[str]) -> Mapping[str, Kept]:
        """Return nothing: there is no journal."""
        return {}

    def begin(self, connection: Connection) -> None:
        """Raise `Refused`."""
        raise Refused(self._why)

    def locked(self, statement: Select[Any], row: FromClause, *, gone: bool = False) -> Select[Any]:
        """Raise `Refused`."""
        raise Refused(self._why)

    def catalogued(self, ddl: str) -> str:
        """Raise `Refused`."""
        raise Refused(self._why)

    def refused_by_guard(self, error: BaseException) -> bool:
        """Return false: there are no guards."""
        return False
