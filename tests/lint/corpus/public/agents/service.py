import copy
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from agents.db import Arena, ChatSession, Goal, Run, RunRepository, Sessions
from agents.schemas import MessageIn, RunOut
from fastapi import APIRouter, Depends, HTTPException
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import attributes

router = APIRouter()


async def get_db():
    async with Sessions() as session:
        yield session


async def get_chat(chat_id: UUID, db: AsyncSession) -> ChatSession | None:
    return (await db.execute(select(ChatSession).where(ChatSession.id == chat_id))).scalar_one_or_none()


@router.post("/chat/{chat_id}")
async def add_message(chat_id: UUID, body: MessageIn, db: AsyncSession = Depends(get_db)):
    session = await get_chat(chat_id, db)
    if not session:
        raise HTTPException(404)
    session.messages.append({"role": body.role, "content": body.content})  # BUG
    db.add(session)
    await db.commit()
    await db.refresh(session)
    return session


@router.put("/chat/{chat_id}")
async def put_message(chat_id: UUID, body: MessageIn, db: AsyncSession = Depends(get_db)):
    session = await get_chat(chat_id, db)
    if not session:
        raise HTTPException(404)
    body.extra["seen"] = True  # OK
    message = {"role": body.role, "content": body.content}
    session.messages.append(message)  # OK
    attributes.flag_modified(session, "messages")
    db.add(session)
    await db.commit()
    return session


@router.post("/run/{run_id}/steps")
async def add_step(run_id: UUID, name: str, db: AsyncSession = Depends(get_db)) -> RunOut:
    run = await db.get(Run, run_id)
    run.steps = [*run.steps, {"name": name}]
    run.labels.append(name)  # BUG
    run.result["steps"] = len(run.steps)  # BUG
    await db.commit()
    return RunOut(id=run.id, result=run.result)


@router.post("/run/{run_id}/finish")
async def finish(run_id: UUID, outcome: dict[str, Any], db: AsyncSession = Depends(get_db)):
    result = await db.execute(select(Run).where(Run.id == run_id))
    run = result.scalar_one()
    merged = copy.deepcopy(run.result)
    merged.setdefault("outcome", {}).update(outcome)  # OK
    run.result = merged
    if run.metadata_ is None:
        run.metadata_ = {}
    run.metadata_["finished"] = datetime.now(UTC).isoformat()  # BUG
    run.goal.constraints.pop("deadline", None)  # BUG
    await db.commit()


async def fail_running(reason: str) -> int:
    async with Sessions() as db:
        runs = (await db.scalars(select(Run).where(Run.status == "running"))).all()
        for run in runs:
            run.status = "failed"
            if not run.result:
                run.result = {}
            run.result.update({"reason": reason})  # BUG
            db.add(run)
        await db.commit()
        return len(runs)


async def fail_running_well(reason: str) -> int:
    async with Sessions() as db:
        runs = (await db.scalars(select(Run).where(Run.status == "running"))).all()
        for run in runs:
            run.status = "failed"
            run.result = {**run.result, "reason": reason}
        await db.commit()
        return len(runs)


async def cancel(run_id: UUID) -> None:
    async with Sessions.begin() as db:
        run = await db.get_one(Run, run_id)
        run.result |= {"cancelled": True}  # BUG


async def restart(run_id: UUID) -> Run:
    async with Sessions.begin() as db:
        old = await db.get_one(Run, run_id)
        new = Run(goal_id=old.goal_id, result={}, steps=[])
        new.result["restarted"] = str(old.id)  # OK
        db.add(new)
        new.steps.extend(old.steps)  # OK
        await db.flush()
        new.result["id"] = str(new.id)  # BUG
        return new


async def note(run_id: UUID, text: str) -> None:
    async with Sessions() as db:
        await db.execute(update(Run).where(Run.id == run_id).values(result={"note": text}))
        await db.commit()


class Phases:
    def __init__(self, session: AsyncSession) -> None:
        self.runs = RunRepository(session)

    async def set_phase(self, run_id: UUID, phase: str, changes: dict[str, Any]) -> dict[str, Any]:
        run = await self.runs.find(run_id)
        phases = dict(run.result)
        if phase not in phases:
            phases[phase] = {}  # OK
        phases[phase].update(changes)  # BUG
        run.result = phases
        await self.runs.update(run)
        return phases[phase]

    async def set_phase_well(self, run_id: UUID, phase: str, changes: dict[str, Any]) -> None:
        run = await self.runs.find(run_id)
        phases = dict(run.result)
        phases[phase] = {**phases.get(phase, {}), **changes}  # OK
        run.result = phases
        await self.runs.update(run)

    async def flag_phase(self, run_id: UUID, phase: str, changes: dict[str, Any]) -> None:
        run = await self.runs.find(run_id)
        phases = dict(run.result)
        phases[phase].update(changes)  # OK
        run.result = phases
        attributes.flag_modified(run, "result")
        await self.runs.update(run)

    async def expire(self) -> None:
        for run in await self.runs.by_status("running"):
            del run.result["lease"]  # BUG
        await self.runs.session.commit()


async def power_up(arena_id: int, step: int) -> None:
    async with Sessions() as db:
        arena = await db.get(Arena, arena_id)
        if not arena.has("red"):
            arena.teams["red"] = []  # BUG
        team = list(arena.teams["red"])
        team.append(step)  # OK
        arena.teams["red"] = team  # BUG
        await db.commit()


async def goals_as_text(db: AsyncSession) -> list[str]:
    found = []
    for goal in (await db.scalars(select(Goal))).all():
        told = {"constraints": dict(goal.constraints), "runs": len(goal.runs)}
        told["constraints"]["goal"] = str(goal.id)  # OK
        found.append(str(told))
    return found
