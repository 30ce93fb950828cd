"""A user's standing in the programme: the keys of `mlmStatus`."""

from typing import Any

from sqlalchemy.orm.attributes import flag_modified

from referral.models import User


def ensure_status(user: User) -> None:
    """Every user has these keys."""
    if not user.mlmStatus:
        user.mlmStatus = {}
    user.mlmStatus.setdefault("isFounder", False)
    user.mlmStatus.setdefault("hasPioneerBonus", False)
    flag_modified(user, "mlmStatus")


def set_status(user: User, key: str, value: Any) -> None:
    """One key."""
    user.mlmStatus[key] = value
    flag_modified(user, "mlmStatus")


def merge_status(user: User, values: dict[str, Any]) -> None:
    """Many keys, as support sends them."""
    user.mlmStatus.update(values)
    flag_modified(user, "mlmStatus")
