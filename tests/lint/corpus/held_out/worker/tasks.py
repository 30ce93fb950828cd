import logging
import random

import sqlalchemy as sa
from sqlalchemy.orm.attributes import flag_modified

from worker.db import Job, Session, transaction

logger = logging.getLogger(__name__)


def run_waiting():
    for job in Job.waiting().limit(10):
        job.start()
        job.advance()
        job.arguments["started"] = True  # BUG
    Session.commit()


def run_one(job_id):
    with transaction() as session:
        job = session.get(Job, job_id)
        if job is None:
            return
        job.arguments["retries"] = job.arguments.get("retries", 0) + 1  # BUG


def run_one_well(job_id):
    with transaction() as session:
        job = session.get(Job, job_id)
        if job is None:
            return
        job.arguments["retries"] = job.arguments.get("retries", 0) + 1  # OK
        flag_modified(job, "arguments")


def retry(job_id):
    job = Session.get(Job, job_id)
    job.arguments["retry"] = True  # OK
    job.save()


def shuffle(job_id):
    job = Session.get(Job, job_id)
    random.shuffle(job.arguments["items"])  # BUG
    Session.commit()


def split(job_id, size):
    job = Session.get(Job, job_id)
    items = list(job.arguments["items"])
    random.shuffle(items)  # OK
    while items:
        part = items[:size]
        del items[:size]  # OK
        Session.add(Job(status="waiting", arguments={"items": part}))
    Session.commit()


def fail(job_id, error):
    job = Session.get(Job, job_id)
    try:
        job.progress["error"] = str(error)  # BUG
        Session.commit()
    except sa.exc.SQLAlchemyError:
        logger.exception("job %s", job_id)
        Session.rollback()


def fail_well(job_id, error):
    job = Session.get(Job, job_id)
    progress = dict(job.progress or {})
    progress["error"] = str(error)  # OK
    job.progress = progress
    Session.commit()


def fail_in_sql(job_id, error):
    job = Session.get(Job, job_id)
    progress = job.progress or {}
    progress["error"] = str(error)  # OK
    Session.execute(sa.update(Job).where(Job.id == job_id).values(progress=progress))
    Session.commit()


def touch_many(ids):
    jobs = Session.query(Job).filter(Job.id.in_(ids)).all()
    touched = [job for job in jobs if job.status != "done"]
    for job in touched:
        job.arguments.setdefault("touched", 0)  # BUG
        job.arguments["touched"] += 1  # BUG
    Session.commit()
    return len(touched)


def by_status():
    grouped = {}
    for job in Session.query(Job):
        grouped.setdefault(job.status, []).append(job.id)  # OK
    return grouped


def describe(job):
    described = {**job.arguments}
    described["id"] = job.id  # OK
    described.pop("secret", None)  # OK
    return described


def _stamp(job, key):
    job.arguments[key] = "now"  # OK
    flag_modified(job, "arguments")


def stamp(job_id):
    job = Session.get(Job, job_id)
    _stamp(job, "seen")
    Session.commit()


def _mark(arguments, key):
    arguments[key] = True  # OK


def mark_all(ids):
    for job in Session.query(Job).filter(Job.id.in_(ids)):
        _mark(job.arguments, "marked")  # BUG
    Session.commit()


def clone(job_id):
    old = Session.get(Job, job_id)
    new = Job(status="waiting", arguments=dict(old.arguments))
    new.arguments["cloned_from"] = old.id  # OK
    new.attempts = []
    new.attempts.append("first")  # OK
    Session.add(new)
    Session.commit()
    new.arguments["cloned_at"] = "now"  # BUG
    Session.commit()


def stats(job):
    progress = job.progress
    counts = {}
    for key in progress:
        counts[key] = len(str(progress[key]))  # OK
    counts.update(total=sum(counts.values()))  # OK
    return counts


def lower(job_id):
    job = Session.get(Job, job_id)
    arguments = {key.lower(): value for key, value in job.arguments.items()}
    arguments["lowered"] = True  # OK
    job.arguments = arguments
    Session.commit()
