"""Growth by rows: time and peak memory of each verb from 100,000 to 10 million rows, one in a thousand broken."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks._growth import grow
from benchmarks._measure import Answer
from benchmarks._place import Place

HEADING = "Growth by rows"
#: Before an aim in the table of aims.
AIM_OF = "growth by rows: "


def measure(place: Place) -> Iterator[Answer]:
    rows = [10_000, 50_000] if place.quick else [100_000, 1_000_000, 10_000_000]
    yield from grow(place, "growth_rows", "as the table grows, 0.1 % of it broken", [(n, n // 1000) for n in rows], 0)
