from typing import Generic, TypeVar

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.models import Base, Project, Workspace

ModelT = TypeVar("ModelT", bound=Base)


class Repository(Generic[ModelT]):
    model: type[ModelT]

    def __init__(self, db: AsyncSession):
        self.db = db

    async def set_fields(self, obj, **fields):
        for name, value in fields.items():
            setattr(obj, name, value)
        await self.db.flush()
        return obj


class ProjectRepository(Repository[Project]):
    model = Project

    async def by_id(self, project_id: int) -> Project | None:
        result = await self.db.execute(select(Project).where(Project.id == project_id))
        return result.scalars().first()

    async def save_metrics(self, project_id: int, metrics: dict) -> None:
        await self.db.execute(update(Project).where(Project.id == project_id).values(metrics=metrics))


class WorkspaceRepository(Repository[Workspace]):
    model = Workspace

    async def by_name(self, name: str) -> Workspace:
        return (await self.db.scalars(select(Workspace).filter_by(name=name))).one()
