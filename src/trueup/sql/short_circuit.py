"""Short-circuit conditions: `inside` is evaluated only where `guard` is true, for example where the text parses.

An engine would compute such a guard again for each condition. `any_of` evaluates it once for all that share it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Case, ColumnElement, case, or_


class ShortCircuit(Case[bool]):
    """The condition `inside` where `guard` holds for `subject`, and `outside` elsewhere.

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
    """Whether one of `conditions` holds. Each guard is evaluated once, after the conditions without a guard."""
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
