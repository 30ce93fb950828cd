"""A dialect: everything that one engine does in its own way. `engines/NAME/dialect.py` has one."""

from __future__ import annotations

from trueup.sql.reading import ReadingDialect
from trueup.sql.writing import WritingDialect


class Dialect(ReadingDialect, WritingDialect):
    """One engine, to be read and to be written. Stateless."""
