"""Ranks: the highest whose qualifying volume and active partners are reached."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from referral.models import RANKS, RankHistory, User
from referral.volumes import qualifying_volume

#: Rank to (qualifying volume, active partners).
REQUIRED = {"builder": (1_000, 1), "growth": (5_000, 2), "leadership": (20_000, 3), "director": (80_000, 5)}


def reached(session: Session, user: User) -> str:
    """The highest rank whose requirements a user meets."""
    partners = session.scalar(
        select(func.count()).select_from(User).where(User.upline == user.telegramID, User.isActive)
    )
    volume = qualifying_volume(session, user)
    met = [rank for rank, (needs, active) in REQUIRED.items() if volume >= needs and (partners or 0) >= active]
    return met[-1] if met else "start"


def qualify(session: Session, user: User, now: datetime) -> str:
    """Raise a user's rank to what was reached."""
    rank = reached(session, user)
    if RANKS.index(rank) > RANKS.index(user.rank):
        note(session, user, rank, "volume", now)
        user.rank = rank
        user.mlmStatus["rankQualifiedAt"] = now.isoformat()
        flag_modified(user, "mlmStatus")
    return user.rank


def assign_rank(session: Session, user: User, rank: str, by: int, now: datetime) -> None:
    """A rank that an administrator gives."""
    note(session, user, rank, "assigned", now)
    user.rank = rank
    status = user.mlmStatus
    status["rankQualifiedAt"] = now.isoformat()
    status["assignedRank"] = rank
    status["assignedBy"] = by
    status["assignedAt"] = now.isoformat()
    flag_modified(user, "mlmStatus")


def withdraw_rank(session: Session, user: User, now: datetime) -> None:
    """Take an assigned rank back."""
    rank = reached(session, user)
    note(session, user, rank, "withdrawn", now)
    user.rank = rank
    user.mlmStatus.update(rankQualifiedAt=now.isoformat(), assignedRank=None)
    flag_modified(user, "mlmStatus")


def make_founder(user: User) -> None:
    """Founders keep their rank."""
    user.mlmStatus["isFounder"] = True
    flag_modified(user, "mlmStatus")


def revoke_founder(user: User) -> None:
    """And may lose that."""
    user.mlmStatus["isFounder"] = False
    flag_modified(user, "mlmStatus")


def requalify(session: Session, now: datetime) -> int:
    """Lower the ranks that are no longer reached; founders and assigned ranks stay."""
    lowered = 0
    for user in session.scalars(select(User).where(User.rank != "start")):
        rank = reached(session, user)
        if user.mlmStatus.get("isFounder") or user.mlmStatus.get("assignedRank") or rank == user.rank:
            continue
        note(session, user, rank, "requalified", now)
        user.rank = rank
        user.mlmStatus["rankQualifiedAt"] = now.isoformat()
        flag_modified(user, "mlmStatus")
        lowered += 1
    return lowered


def note(session: Session, user: User, rank: str, how: str, now: datetime) -> None:
    """A line of the history."""
    session.add(
        RankHistory(
            userID=user.userID,
            oldRank=user.rank,
            newRank=rank,
            qualificationMethod=how,
            qualifiedAt=now,
            month=f"{now:%Y-%m}",
        )
    )
