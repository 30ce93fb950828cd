from datetime import datetime
from typing import Any, Optional

from sqlalchemy import JSON, Column
from sqlmodel import Field, Relationship, SQLModel


class Firm(SQLModel, table=True):
    id: Optional[int] = Field(default=None, primary_key=True)
    config: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON))
    cases: list["Case"] = Relationship(back_populates="firm")


class CaseBase(SQLModel):
    title: str
    details: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class Case(CaseBase, table=True):
    id: Optional[int] = Field(default=None, primary_key=True)
    firm_id: Optional[int] = Field(default=None, foreign_key="firm.id")
    firm: Optional[Firm] = Relationship(back_populates="cases")
    timeline: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON))
    workings: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON))
    opened: datetime = Field(default_factory=datetime.utcnow)

    @property
    def flags(self) -> dict[str, Any]:
        return self.details.get("flags", {})

    def log(self, event: str) -> None:
        self.timeline.append({"event": event, "at": datetime.utcnow().isoformat()})  # BUG

    def log_well(self, event: str) -> None:
        entry = {"event": event}
        entry["at"] = datetime.utcnow().isoformat()  # OK
        self.timeline = self.timeline + [entry]


class CaseIn(CaseBase):
    pass


class Setting(SQLModel, table=True):
    name: str = Field(primary_key=True)
    value: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON))
