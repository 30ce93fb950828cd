"""Every row of every table but the journal's, byte for byte, by plain drivers."""

from __future__ import annotations

from tests.chaos.arena import Arena
from tests.engines import Database
from tests.rowhash import Image, row_hashes


def image(arena: Arena) -> Image:
    """By table: key to a hash of the whole row."""
    if arena.engine == "sqlite":  # what a killed writer left half done, a reader cannot take back
        arena.session.rows("SELECT COUNT(*) FROM sqlite_master")
    return row_hashes(Database(arena.engine, arena.url))
