"""SQL as text, as an engine spells it."""

from __future__ import annotations

from sqlalchemy import Dialect as Spelling

from trueup import discovery
from trueup.sql.dialect import Dialect


def spelling(engine: str) -> Spelling:
    """SQLAlchemy's dialect for an engine of ours, without a driver's peculiarities."""
    return discovery.load("engines", engine, Dialect, "dialect")().spelling()
