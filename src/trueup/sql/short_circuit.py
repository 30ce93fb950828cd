"""Conditions that ask more of a value only where it passes a test, such as that its text can be parsed.

An engine computes such a test for each condition anew. `any_of` asks it once for all that share it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Case, ColumnElement, case, or_


class ShortCircuit(Case[bool]):
    """`inside` where `guard` holds of `subject`, `outside` elsewhere.

    A subject has one guard: conditions about the same subject (the same object, not an equal one) share it.
    """

    inherit_cache = True

    def __init__(
        self,
        subject: ColumnElement[Any],
        guard: ColumnElement[bool],
        inside: ColumnElement[bool],
        outside: ColumnElement[bool],
    ) -> None:
        super().__init__((guard, inside), else_=outside)
        self.subject, self.guard, self.inside, self.outside = subject, guard, inside, outside


def any_of(conditions: Iterable[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Whether one of `conditions` holds, each guard asked once and after what has none."""
    plain: list[ColumnElement[bool]] = []
    groups: dict[int, list[ShortCircuit]] = {}
    for condition in conditions:
        if isinstance(condition, ShortCircuit):
            groups.setdefault(id(condition.subject), []).append(condition)
        else:
            plain.append(condition)
    together = [
        case((group[0].guard, or_(*(one.inside for one in group))), else_=or_(*(one.outside for one in group)))
        for group in groups.values()
    ]
    return or_(*plain, *together)
