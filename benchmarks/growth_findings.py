"""Growth by findings: time and peak memory of each verb from no broken row to a million of them in one table."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks._growth import grow
from benchmarks._measure import Answer
from benchmarks._place import Place

HEADING = "Growth by findings"
#: Before an aim in the table of aims.
AIM_OF = "growth by findings: "


def measure(place: Place) -> Iterator[Answer]:
    rows, steps = min(place.rows, 2_000_000), [0, 10_000, 100_000, 1_000_000]
    if place.quick:
        rows, steps = 20_000, [0, 500, 2_000]
    sizes = [(rows, broken) for broken in steps if broken <= rows // 2]
    yield from grow(place, "growth_findings", f"as findings grow, in {rows:,} rows", sizes, 1)
