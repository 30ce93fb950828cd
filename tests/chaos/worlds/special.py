"""What only one engine has, a few of it in each world."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.worlds.generator import Maker


def special(made: Maker) -> None:
    """Add some."""
