from pantry.extensions import db
from pantry.models import Shelf
from sqlalchemy.orm.attributes import flag_modified


def inspect(shelf_id, findings, author=None):
    shelf = Shelf.query.get_or_404(shelf_id)
    if findings:
        if shelf.details is None:
            shelf.details = {}
        shelf.details.update(findings)  # BUG
    if author:
        if shelf.details is None:
            shelf.details = {}
        shelf.details["author"] = author  # BUG
    db.session.commit()


def remark(shelf_id, text):
    shelf = Shelf.query.get_or_404(shelf_id)
    details = dict(shelf.details or {})
    remarks = details.get("remarks", [])
    remarks.append(text)  # BUG
    details["remarks"] = remarks
    shelf.details = details
    db.session.commit()


def remark_well(shelf_id, text):
    shelf = Shelf.query.get_or_404(shelf_id)
    details = dict(shelf.details or {})
    remarks = list(details.get("remarks") or [])
    remarks.append(text)  # OK
    details["remarks"] = remarks[-20:]  # OK
    shelf.details = details
    db.session.commit()


def note(shelf_id, text):
    shelf = Shelf.query.get_or_404(shelf_id)
    details = dict(shelf.details or {})
    details.setdefault("notes", []).append(text)  # BUG
    shelf.details = details
    db.session.commit()


def recount(shelf_id, counts):
    shelf = Shelf.query.get_or_404(shelf_id)
    jars = [dict(jar) for jar in (shelf.jars or [])]
    by_name = {jar.get("name"): jar for jar in jars}
    for name, count in counts.items():
        jar = by_name.get(name)
        if jar is None:
            jar = {"name": name}
            jars.append(jar)  # OK
        jar["count"] = count  # OK
    shelf.jars = jars
    db.session.commit()


def swap(shelf_id, left):
    shelf = Shelf.query.get_or_404(shelf_id)
    values = shelf.jars if left else shelf.details
    values.clear()  # OK
    if left:
        shelf.jars = values
        flag_modified(shelf, "jars")
    else:
        shelf.details = values
        flag_modified(shelf, "details")
    db.session.commit()


def label_and_describe(shelf_id, key, text):
    shelf = Shelf.query.get_or_404(shelf_id)
    shelf.labels[key] = text  # OK
    shelf.labels["nested"]["more"] = text  # OK
    db.session.commit()
