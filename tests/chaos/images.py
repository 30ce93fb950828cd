"""Every row of every table but the journal's, byte for byte, by plain drivers."""

from __future__ import annotations

from tests.chaos.arena import Arena
from tests.engines import Database
from tests.rowhash import Image, row_hashes


def image(arena: Arena) -> Image:
    """By table: key to a hash of the whole row."""
    return row_hashes(Database(arena.engine, arena.url))
