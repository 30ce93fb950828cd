import uuid

from sqlalchemy import Column, ForeignKey, Integer, String
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.ext.declarative import declarative_base
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import relationship

Base = declarative_base(cls=AsyncAttrs)


class DeepDict(MutableDict):
    """Follows nested values as well."""

    def __getitem__(self, key):
        value = super().__getitem__(key)
        return self._wrap(key, value)

    def _wrap(self, key, value):
        return value


class Workspace(Base):
    __tablename__ = "workspaces"
    id = Column(UUID(as_uuid=True), primary_key=True, default=uuid.uuid4)
    name = Column(String)
    feature_flags = Column("flags", JSONB, nullable=False, server_default="{}")
    limits = Column(DeepDict.as_mutable(JSONB))
    labels = Column(ARRAY(String))
    projects = relationship("Project", back_populates="workspace", cascade="all, delete-orphan")


class Project(Base):
    __tablename__ = "projects"
    id = Column(Integer, primary_key=True)
    workspace_id = Column(ForeignKey("workspaces.id"))
    workspace = relationship(Workspace, back_populates="projects")
    pipeline_config = Column(JSONB)
    metrics = Column(JSONB)
