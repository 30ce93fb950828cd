"""SQL as text, as an engine spells it."""

from __future__ import annotations

from sqlalchemy import Dialect
from sqlalchemy.dialects import registry


def spelling(engine: str) -> Dialect:
    """SQLAlchemy's dialect for an engine of ours, without a driver's peculiarities."""
    # named parameters: the other styles double every per cent sign in the text
    if engine == "mariadb":
        # as our sessions do; the registry has an object for it where the others have a class
        made: Dialect = registry.load("mysql")(paramstyle="named", is_mariadb=True)
    else:
        made = registry.load(engine)(paramstyle="named")
    return made
