"""Decides how much care a repair needs by the number of broken rows, and what is required before it may run."""

from __future__ import annotations

from collections.abc import Mapping

from trueup.errors import Refused

#: The strictest environment: a confirmation must be typed. It is the default of a configuration that names none.
PRODUCTION = "production"

DEFAULT: Mapping[str, int] = {"B": 1, "C": 51, "D": 501}

MEANING: Mapping[str, str] = {
    "A": "nothing to mend",
    "B": "few rows: clean up, low risk",
    "C": "many rows: find where they come from first, keep a copy of them, then clean up",
    "D": "stop and think: root cause, approval, a quiet window and a tested restore come first",
}


def letter(count: int, thresholds: Mapping[str, int]) -> str:
    """Return the strategy for `count` broken rows: the highest letter whose threshold is reached."""
    found = "A"
    for name in ("B", "C", "D"):
        if count >= thresholds.get(name, DEFAULT[name]) and count > 0:
            found = name
    return found


def confirmation_word(environment: str, count: int, plan_digest: str) -> str:
    """Return the confirmation to type: environment, number of operations, first 8 digits of the plan's digest."""
    return f"{environment}:{count}:{plan_digest[:8]}"


def confirmed(environment: str, confirm: str, count: int, plan_digest: str) -> bool:
    """Whether `confirm` allows writing; an empty one means a dry run.

    `yes` is enough outside production; there the `confirmation_word` is required. Raises `Refused` for any other word.
    """
    if not confirm:
        return False
    expected = confirmation_word(environment, count, plan_digest)
    if confirm == expected or (confirm == "yes" and environment != PRODUCTION):
        return True
    if confirm == "yes":
        raise Refused(f"environment {environment!r}: --yes is not enough; type --confirm {expected}")
    raise Refused(f"{confirm!r} does not confirm this plan; type --confirm {expected}")
