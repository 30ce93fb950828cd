import uuid
from typing import Any, Generic, TypeVar

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship

engine = create_async_engine("postgresql+asyncpg://localhost/agents")
Sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSONB}


class Goal(Base):
    __tablename__ = "goals"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    constraints: Mapped[dict[str, Any]]
    runs: Mapped[list["Run"]] = relationship(back_populates="goal")


class Run(Base):
    __tablename__ = "runs"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    goal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("goals.id"))
    goal: Mapped[Goal] = relationship(back_populates="runs")
    status: Mapped[str] = mapped_column(String(16), default="running")
    steps: Mapped[list] = mapped_column(JSONB, default=list)
    labels: Mapped[list[str]] = mapped_column(ARRAY(String), default=list)
    result: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONB)


class ChatSession(Base):
    __tablename__ = "chat_sessions"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    messages: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    draft: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)


class Arena(MappedAsDataclass, Base):
    __tablename__ = "arenas"
    id: Mapped[int] = mapped_column(init=False, primary_key=True)
    teams: Mapped[dict] = mapped_column(JSONB, default_factory=dict)

    def leave(self, player: str, fighter: int) -> None:
        if player in self.teams and fighter in self.teams[player]:
            self.teams[player].remove(fighter)  # BUG

    def has(self, player: str) -> bool:
        return player in self.teams


T = TypeVar("T", bound=Base)


class Repository(Generic[T]):
    model: type[T]

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def find(self, key: Any) -> T | None:
        return await self.session.get(self.model, key)

    async def update(self, entity: T) -> T:
        self.session.add(entity)
        await self.session.commit()
        return entity


class RunRepository(Repository[Run]):
    model = Run

    async def by_status(self, status: str) -> list[Run]:
        rows = await self.session.execute(select(Run).where(Run.status == status))
        return list(rows.scalars().all())
