"""What users say of themselves. Each function assigns a new value: such changes are always written."""

from datetime import datetime

from referral.models import User


def accept_terms(user: User, version: str, now: datetime) -> None:
    """The terms were accepted."""
    user.personalData = {
        **(user.personalData or {}),
        "eulaAccepted": True,
        "eulaVersion": version,
        "eulaAcceptedAt": now.isoformat(),
    }


def confirm_email(user: User, token: str, now: datetime) -> bool:
    """The token of the mail came back."""
    held = dict(user.emailVerification or {})
    held["attempts"] = held.get("attempts", 0) + 1
    if held.get("token") == token:
        held["confirmed"] = True
        held["confirmedAt"] = now.isoformat()
    user.emailVerification = held
    return bool(held.get("confirmed"))


def choose_strategy(user: User, strategy: str) -> None:
    """How bonuses are invested."""
    user.settings = {**(user.settings or {}), "strategy": strategy}
