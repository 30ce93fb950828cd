from __future__ import annotations

from datetime import datetime
from typing import Any, Optional

from sqlalchemy import ForeignKey, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.types import JSON

from bot.base import Base

TrackedList = MutableList.as_mutable(JSONB)


class HasState:
    session_state: Mapped[Optional[dict]] = mapped_column(JSON, default=dict)


class Member(HasState, Base):
    __tablename__ = "members"

    id: Mapped[int] = mapped_column(primary_key=True)
    telegram_id: Mapped[int] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(String(100))
    mlm_status: Mapped[dict[str, Any]]
    badges: Mapped[list[str]]
    counters: Mapped[dict] = mapped_column(MutableDict.as_mutable(JSON), default=dict)
    inbox: Mapped[list] = mapped_column(TrackedList, default=list)
    purchases: Mapped[list[Purchase]] = relationship(back_populates="member")
    sponsor_id: Mapped[Optional[int]] = mapped_column(ForeignKey("members.id"))
    sponsor: Mapped[Optional[Member]] = relationship(remote_side=[id])


class Purchase(Base):
    __tablename__ = "purchases"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    member: Mapped[Member] = relationship(back_populates="purchases")
    receipt: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]
