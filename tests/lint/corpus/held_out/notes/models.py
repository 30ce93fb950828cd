import uuid
from typing import Any, Dict, List, Optional

from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.mutable import MutableDict
from sqlmodel import JSON, Field, Relationship, SQLModel


class NoteBase(SQLModel):
    title: str
    body: dict = Field(default_factory=dict, sa_column=Column(JSON))


class NoteCreate(NoteBase):
    tag_names: List[str] = []


class Note(NoteBase, table=True):
    id: Optional[int] = Field(default=None, primary_key=True)
    author_id: Optional[str] = Field(default=None, foreign_key="author.id")
    author: Optional["Author"] = Relationship(back_populates="notes")
    revisions: List[Dict[str, Any]] = Field(default=[], sa_type=JSON)


class Author(SQLModel, table=True):
    id: str = Field(default_factory=lambda: uuid.uuid4().hex, primary_key=True)
    profile: Dict[str, Any] = Field(default={}, sa_column=Column(JSONB))
    usage: dict = Field(default={}, sa_column=Column(MutableDict.as_mutable(JSONB)))
    notes: List[Note] = Relationship(back_populates="author")

    def rename(self, name: str) -> None:
        self.profile["name"] = name  # BUG

    def rename_well(self, name: str) -> "Author":
        profile = self.profile.copy()
        profile["name"] = name  # OK
        self.profile = profile
        return self

    def used(self, what: str) -> None:
        self.usage[what] = self.usage.get(what, 0) + 1  # OK
