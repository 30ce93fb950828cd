"""Purchases, and the volumes that come of them."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from referral.models import Purchase, User


def record_purchase(session: Session, user: User, quantity: int, price: Decimal, now: datetime) -> Purchase:
    """A purchase counts for its buyer and for all sponsors above."""
    purchase = Purchase(userID=user.userID, packQty=quantity, packPrice=price, createdAt=now)
    session.add(purchase)
    amount = quantity * price
    user.personalVolumeTotal += amount
    user.mlmVolumes["personalTotal"] = float(user.personalVolumeTotal)
    user.mlmVolumes["monthlyPV"] = float(user.mlmVolumes["monthlyPV"]) + float(amount)
    flag_modified(user, "mlmVolumes")
    above = user
    while above is not None:
        above.fullVolume += amount
        if above is not user:
            above.teamVolumeTotal += amount
        above = session.scalars(select(User).where(User.telegramID == above.upline)).one_or_none()
    session.flush()
    return purchase


def start_month(session: Session) -> None:
    """The monthly volume begins at 0."""
    for user in session.scalars(select(User)):
        user.mlmVolumes["monthlyPV"] = 0.0
        flag_modified(user, "mlmVolumes")


def set_autoship(user: User, amount: float) -> None:
    """What a user buys every month; 0 switches it off."""
    user.mlmVolumes["autoship"] = {"enabled": amount > 0, "amount": amount}
    flag_modified(user, "mlmVolumes")


def qualifying_volume(session: Session, user: User, cap: float = 40_000) -> float:
    """A branch counts for at most `cap`, half of what the highest rank requires; kept in `totalVolume`."""
    branches = [
        {
            "referralUserId": one.userID,
            "fullVolume": float(one.fullVolume),
            "cappedVolume": min(float(one.fullVolume), cap),
            "isCapped": float(one.fullVolume) > cap,
        }
        for one in session.scalars(select(User).where(User.upline == user.telegramID).order_by(User.userID))
    ]
    volume = float(user.personalVolumeTotal) + sum(branch["cappedVolume"] for branch in branches)
    # a new value, so it is written
    user.totalVolume = {"qualifyingVolume": volume, "fullVolume": float(user.fullVolume), "branches": branches}
    return volume
