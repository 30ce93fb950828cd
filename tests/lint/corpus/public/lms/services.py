from contextlib import contextmanager
from copy import copy

from lms import models
from lms.models import ApplicationInstance, Settings, WorkflowStep
from sqlalchemy.orm import Session, attributes


@contextmanager
def db_session(request):
    yield request.db
    request.db.commit()


def set_sections(request, key):
    ai = request.db.query(ApplicationInstance).filter_by(consumer_key=key).one()
    ai._settings["canvas"]["sections_enabled"] = True  # BUG
    ai.tracked["canvas"] = {"sections": True}  # OK
    ai.tracked.set("canvas", "groups", True)  # OK
    request.tm.commit()


def approve(request, step_id, user):
    with db_session(request) as db:
        step = db.query(WorkflowStep).filter(WorkflowStep.id == step_id).first()
        if not step:
            return None
        if not step.comments:
            step.comments = []
        step.comments.append({"user": user, "comment": "approved"})  # BUG
        return step


def reject(request, step_id, user):
    with db_session(request) as db:
        step = db.query(WorkflowStep).filter(WorkflowStep.id == step_id).first()
        if not step.comments:
            step.comments = []
        step.comments.append({"user": user, "comment": "rejected"})  # OK
        attributes.flag_modified(step, "comments")
        return step


def stamp(db: Session, key: str, stamps: dict) -> None:
    instance = db.query(models.ApplicationInstance).filter_by(consumer_key=key).one()
    extra = copy(instance.extra)
    extra.update(stamps)  # OK
    instance.extra = extra
    for step in instance.steps:
        step.extra["stamped"] = True  # OK
        step.update_extra({"by": key})
    db.commit()


def rename(db: Session, old: str, new: str) -> None:
    for instance in db.query(ApplicationInstance).all():
        settings = instance._settings
        if old in settings:
            settings[new] = settings.pop(old)  # BUG
    db.commit()


def rename_well(db: Session, old: str, new: str) -> None:
    for instance in db.query(ApplicationInstance).all():
        settings = {**instance._settings}
        if old in settings:
            settings[new] = settings.pop(old)  # OK
            instance._settings = settings
    db.commit()


def payload(db: Session, key: str) -> dict:
    row = db.execute(Settings.select()).mappings().first()
    found = dict(row["payload"])
    found["key"] = key  # OK
    return found


def shown(instance: ApplicationInstance) -> dict:
    told = dict(instance._settings)
    told["id"] = instance.id  # OK
    told.pop("secret", None)  # OK
    return told


def bulk(db: Session, key: str) -> None:
    db.query(ApplicationInstance).filter_by(consumer_key=key).update({"_settings": {"reset": True}})
    steps = db.query(WorkflowStep).filter(WorkflowStep.comments.isnot(None)).all()
    by_id = {step.id: step for step in steps}
    for step in by_id.values():
        step.comments.insert(0, {"comment": "reset"})  # BUG
    db.commit()
