"""The tables. The names are those of the application that this one is modelled on."""
# ruff: noqa: N815

from datetime import datetime
from decimal import Decimal

from sqlalchemy import JSON, DateTime, ForeignKey, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

RANKS = ("start", "builder", "growth", "leadership", "director")
MONEY = Numeric(12, 2)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    userID: Mapped[int] = mapped_column(primary_key=True)
    telegramID: Mapped[int] = mapped_column(unique=True)
    upline: Mapped[int | None]  # the sponsor's telegramID
    createdAt: Mapped[datetime] = mapped_column(DateTime)
    email: Mapped[str | None] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(20), default="active")
    rank: Mapped[str] = mapped_column(String(20), default="start")
    isActive: Mapped[bool] = mapped_column(default=False)
    fullVolume: Mapped[Decimal] = mapped_column(MONEY, default=Decimal(0))
    teamVolumeTotal: Mapped[Decimal] = mapped_column(MONEY, default=Decimal(0))
    personalVolumeTotal: Mapped[Decimal] = mapped_column(MONEY, default=Decimal(0))
    totalVolume: Mapped[dict | None] = mapped_column(JSON)
    mlmStatus: Mapped[dict | None] = mapped_column(JSON)
    mlmVolumes: Mapped[dict | None] = mapped_column(JSON)
    personalData: Mapped[dict | None] = mapped_column(JSON)
    emailVerification: Mapped[dict | None] = mapped_column(JSON)
    settings: Mapped[dict | None] = mapped_column(JSON)


class Purchase(Base):
    __tablename__ = "purchases"

    purchaseID: Mapped[int] = mapped_column(primary_key=True)
    userID: Mapped[int] = mapped_column(ForeignKey("users.userID"), index=True)
    packQty: Mapped[int]
    packPrice: Mapped[Decimal] = mapped_column(MONEY)
    createdAt: Mapped[datetime] = mapped_column(DateTime)


class RankHistory(Base):
    __tablename__ = "rank_history"

    historyID: Mapped[int] = mapped_column(primary_key=True)
    userID: Mapped[int] = mapped_column(ForeignKey("users.userID"), index=True)
    oldRank: Mapped[str] = mapped_column(String(20))
    newRank: Mapped[str] = mapped_column(String(20))
    qualificationMethod: Mapped[str] = mapped_column(String(20))
    qualifiedAt: Mapped[datetime] = mapped_column(DateTime)
    month: Mapped[str] = mapped_column(String(7))


class Bonus(Base):
    __tablename__ = "bonuses"

    bonusID: Mapped[int] = mapped_column(primary_key=True)
    userID: Mapped[int] = mapped_column(ForeignKey("users.userID"), index=True)
    purchaseID: Mapped[int] = mapped_column(ForeignKey("purchases.purchaseID"))
    kind: Mapped[str] = mapped_column(String(20))
    amount: Mapped[Decimal] = mapped_column(MONEY)
    createdAt: Mapped[datetime] = mapped_column(DateTime)


class MonthlyStats(Base):
    __tablename__ = "monthly_stats"

    statsID: Mapped[int] = mapped_column(primary_key=True)
    userID: Mapped[int] = mapped_column(ForeignKey("users.userID"), index=True)
    month: Mapped[str] = mapped_column(String(7))
    personalVolume: Mapped[Decimal] = mapped_column(MONEY)
    wasActive: Mapped[bool]


class VolumeUpdateTask(Base):
    __tablename__ = "volume_update_tasks"

    taskID: Mapped[int] = mapped_column(primary_key=True)
    userID: Mapped[int] = mapped_column(ForeignKey("users.userID"), index=True)
    status: Mapped[str] = mapped_column(String(20), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    lastError: Mapped[str | None]
