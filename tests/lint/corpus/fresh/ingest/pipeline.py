import json
import logging
from collections import Counter
from contextlib import contextmanager
from typing import Any, Iterator

from ingest.models import Message, Run, RunStats
from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import Session, create_engine, select

logger = logging.getLogger(__name__)
engine = create_engine("postgresql://localhost/ingest")


@contextmanager
def running(source: str) -> Iterator[Run]:
    with Session(engine) as session:
        run = Run(details={"source": source})
        session.add(run)
        session.commit()
        try:
            yield run
        except Exception as error:
            run.status = "failed"
            run.details["error"] = str(error)  # BUG
            raise
        else:
            run.status = "completed"
            run.details = run.details | {"error": None}
        finally:
            session.add(run)
            session.commit()


def load(source: str, rows: list[dict[str, Any]]) -> RunStats:
    stats = RunStats(details={})
    seen = Counter()
    with running(source):
        for row in rows:
            seen[row["kind"]] += 1  # OK
            stats.count(row["kind"])
            stats.seen.append(row["id"])  # OK
            row["loaded"] = True  # OK
    stats.details.update(seen)  # OK
    return stats


def resume(run_id: int) -> None:
    with Session(engine) as session:
        run = session.get(Run, run_id)
        if run is None or run.status == "completed":
            return
        attempt = run.details.get("attempt", 0) + 1
        while attempt < 4:
            run.details["attempt"] = attempt  # BUG
            run.windows[str(attempt)] = {"tried": True}  # BUG
            session.commit()
            attempt += 1


def resume_well(run_id: int) -> None:
    with Session(engine) as session:
        run = session.get(Run, run_id)
        attempt = run.details.get("attempt", 0) + 1
        while attempt < 4:
            run.details["attempt"] = attempt  # OK
            flag_modified(run, "details")
            session.commit()
            attempt += 1


def see(session: Session, run: Run, names: list[str]) -> bool:
    new = [name for name in names if name not in (run.seen or [])]
    if not new:
        return False
    if run.seen is None:
        run.seen = new
    else:
        run.seen.extend(new)  # BUG
    session.add(run)
    session.commit()
    return True


def see_well(session: Session, run: Run, names: list[str]) -> None:
    run.seen = sorted({*(run.seen or []), *names})
    session.add(run)
    session.commit()


def cite(session: Session, message_id: int, citation: dict) -> None:
    message = session.exec(select(Message).where(Message.id == message_id)).first()
    if message:
        citations = message.citations
        citations.append(citation)  # BUG
        message.citations = citations
        meta = json.loads(json.dumps(message.log_metadata or {}))
        meta.setdefault("cited", []).append(citation["id"])  # OK
        message.log_metadata = meta
        session.commit()


def renumber(session: Session, message_id: int) -> None:
    message = session.exec(select(Message).where(Message.id == message_id)).one()
    for number, citation in enumerate(message.citations, 1):
        citation["number"] = number  # BUG
    session.commit()


def renumber_well(session: Session, message_id: int) -> None:
    message = session.exec(select(Message).where(Message.id == message_id)).one()
    message.citations = [{**citation, "number": number} for number, citation in enumerate(message.citations, 1)]
    session.commit()


def newest(session: Session, kind: str) -> Run | None:
    runs = session.exec(select(Run).order_by(Run.started)).all()
    run = next((one for one in runs if one.details.get("kind") == kind), None)
    if run is not None:
        run.details["newest"] = True  # BUG
        session.commit()
    return run


def exported(session: Session) -> list[dict[str, Any]]:
    found = []
    for run in session.exec(select(Run)):
        entry = {**run.model_dump(), "kind": "run"}
        entry["details"] = json.dumps(entry["details"])  # OK
        found.append(entry)
    return found


def describe(run: Run) -> dict[str, Any]:
    shown = {}
    shown.update(run.details)  # OK
    shown["status"] = run.status  # OK
    return shown
