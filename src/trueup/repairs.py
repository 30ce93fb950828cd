"""Repairs that several kinds of check share."""

from __future__ import annotations

from sqlalchemy import ColumnElement, literal, null

from trueup.check import Repair


def always(yes: bool = True) -> ColumnElement[bool]:
    """True (or false), spelled so that every engine takes it."""
    return literal(1) == literal(1 if yes else 0)


def nullify(*names: str) -> Repair:
    """Set columns to NULL; fits where the catalogue allows it."""
    return Repair(
        "nullify",
        "lossy",
        fits=lambda row: always(all(row.column(name).nullable for name in names)),
        sets=lambda row: dict.fromkeys(names, null()),
    )


def quarantine() -> Repair:
    """Move the row out of its table; the whole row stays in the journal until it is undone or purged."""
    return Repair("quarantine", "destructive", fits=lambda row: always(), sets=lambda row: {}, action="delete")
