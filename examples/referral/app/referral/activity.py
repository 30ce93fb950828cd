"""Who was active in which month: 200 of personal volume make a user active."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from referral.models import MonthlyStats, User

ACTIVE = 200


def record_activity(user: User, month: str) -> None:
    """A user is active in a month, such as 2024-06."""
    if float(user.mlmVolumes["monthlyPV"]) >= ACTIVE:
        user.isActive = True
        user.mlmStatus["lastActiveMonth"] = month
        flag_modified(user, "mlmStatus")


def close_month(session: Session, month: str) -> None:
    """Keep the figures of a month, and forget who was active before it."""
    for user in session.scalars(select(User)):
        volume = float(user.mlmVolumes["monthlyPV"])
        session.add(MonthlyStats(userID=user.userID, month=month, personalVolume=volume, wasActive=volume >= ACTIVE))
        if volume < ACTIVE:
            user.isActive = False
            user.mlmStatus["lastActiveMonth"] = None
            flag_modified(user, "mlmStatus")


def import_activity(session: Session, rows: Iterable[tuple[int, str]]) -> None:
    """Months from the bot: (telegramID, month)."""
    users = {user.telegramID: user for user in session.scalars(select(User))}
    for telegram, month in rows:
        user = users[telegram]
        user.mlmStatus["lastActiveMonth"] = max(month, user.mlmStatus.get("lastActiveMonth") or "")
        flag_modified(user, "mlmStatus")
