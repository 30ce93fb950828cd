import datetime as dt
from typing import Any, Optional

from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class Run(SQLModel, table=True):
    __tablename__ = "runs"
    id: Optional[int] = Field(default=None, primary_key=True)
    status: str = Field(default="running", index=True)
    started: dt.datetime = Field(default_factory=dt.datetime.utcnow)
    details: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    windows: Optional[dict] = Field(default_factory=dict, sa_column=Column(JSONB))
    seen: Optional[list[str]] = Field(default_factory=list, sa_column=Column(JSONB))


class RunStats(SQLModel):
    details: dict[str, int]
    seen: list[str] = []

    def count(self, name: str) -> None:
        self.details[name] = self.details.get(name, 0) + 1  # OK


class Message(SQLModel, table=True):
    id: Optional[int] = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="runs.id")
    citations: list[dict] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False, default=list))
    log_metadata: Optional[dict[str, Any]] = Field(default=None, sa_column=Column(JSONB))
