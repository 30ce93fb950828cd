from copy import deepcopy
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified

from api.models import Project, Workspace
from api.repository import ProjectRepository, WorkspaceRepository
from api.schemas import ProjectIn, WorkspaceOut

router = APIRouter()


async def get_db() -> AsyncSession: ...


async def current_workspace(name: str, db: AsyncSession = Depends(get_db)) -> Workspace:
    return await WorkspaceRepository(db).by_name(name)


CurrentWorkspace = Annotated[Workspace, Depends(current_workspace)]


@router.put("/flags/{flag}")
async def set_flag(flag: str, on: bool, workspace: CurrentWorkspace, db: AsyncSession = Depends(get_db)):
    workspace.feature_flags[flag] = on  # BUG
    await db.commit()
    return workspace


@router.put("/flags-well/{flag}")
async def set_flag_well(flag: str, on: bool, workspace: CurrentWorkspace, db: AsyncSession = Depends(get_db)):
    workspace.feature_flags = workspace.feature_flags | {flag: on}  # OK
    await db.commit()


@router.delete("/flags/{flag}")
async def drop_flag(flag: str, workspace=Depends(current_workspace), db: AsyncSession = Depends(get_db)):
    workspace.feature_flags.pop(flag, None)  # BUG
    await db.commit()


@router.put("/limits")
async def limits(body: dict, workspace: Workspace = Depends(current_workspace)):
    workspace.limits["cpu"]["max"] = body["cpu"]  # OK
    workspace.limits.update(body)  # OK


@router.post("/labels")
async def label(text: str, workspace: CurrentWorkspace):
    workspace.labels.append(text)  # BUG


@router.post("/projects")
async def create(body: ProjectIn, db: AsyncSession = Depends(get_db)):
    body.pipeline_config["created_by"] = "api"  # OK
    project = Project(pipeline_config=body.pipeline_config, metrics={})
    project.metrics["runs"] = 0  # OK
    db.add(project)
    await db.commit()
    await db.refresh(project)
    return project


@router.post("/projects/{project_id}/steps")
async def add_step(project_id: int, step: dict, db: AsyncSession = Depends(get_db)):
    projects = ProjectRepository(db)
    project = await projects.by_id(project_id)
    if project is None:
        raise HTTPException(404)
    config = project.pipeline_config.copy()
    config["steps"].append(step)  # BUG
    project.pipeline_config = config
    await db.commit()


@router.post("/projects/{project_id}/steps-well")
async def add_step_well(project_id: int, step: dict, db: AsyncSession = Depends(get_db)):
    project = await ProjectRepository(db).by_id(project_id)
    config = deepcopy(project.pipeline_config)
    config["steps"].append(step)  # OK
    project.pipeline_config = config
    await db.commit()


@router.post("/projects/{project_id}/run")
async def run(project_id: int, db: AsyncSession = Depends(get_db)):
    project = await db.get(Project, project_id)
    metrics = project.metrics
    metrics["runs"] += 1  # BUG
    await db.commit()
    return metrics


@router.post("/projects/{project_id}/run-well")
async def run_well(project_id: int, db: AsyncSession = Depends(get_db)):
    repo = ProjectRepository(db)
    project = await repo.by_id(project_id)
    metrics = dict(project.metrics)
    metrics["runs"] += 1  # OK
    await repo.set_fields(project, metrics=metrics)


@router.post("/projects/{project_id}/score")
async def score(project_id: int, value: float, db: AsyncSession = Depends(get_db)):
    repo = ProjectRepository(db)
    project = await repo.by_id(project_id)
    metrics = project.metrics
    metrics["score"] = value  # OK
    await repo.save_metrics(project_id, metrics)


@router.post("/workspaces/{name}/rename-steps")
async def rename_steps(name: str, db: AsyncSession = Depends(get_db)):
    workspace = await WorkspaceRepository(db).by_name(name)
    for project in await workspace.awaitable_attrs.projects:
        for step in project.pipeline_config.get("steps", []):
            step["name"] = step["name"].lower()  # OK
        flag_modified(project, "pipeline_config")
    await db.commit()


@router.post("/workspaces/{name}/disable-steps")
async def disable_steps(name: str, db: AsyncSession = Depends(get_db)):
    workspace = await WorkspaceRepository(db).by_name(name)
    for project in workspace.projects:
        for step in project.pipeline_config.get("steps", []):
            step["enabled"] = False  # BUG
    await db.commit()


@router.get("/workspaces/{name}")
async def show(workspace: Workspace = Depends(current_workspace)) -> WorkspaceOut:
    out = WorkspaceOut(id=str(workspace.id), feature_flags=dict(workspace.feature_flags))
    out.feature_flags["cached"] = True  # OK
    return out.hide_internal()
