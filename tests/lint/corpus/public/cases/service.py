from decimal import Decimal
from typing import Any, Callable

from cases.models import Case, CaseIn, Firm, Setting
from fastapi import Depends
from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import Session, select


def get_db():
    raise NotImplementedError


def readable(case_id: int, db: Session = Depends(get_db)) -> Case:
    case = db.get(Case, case_id)
    if case is None:
        raise LookupError(case_id)
    return case


def change_json(instance: Any, name: str, change: Callable[[Any], None]) -> None:
    value = getattr(instance, name)
    change(value)
    flag_modified(instance, name)


def run_query(func: Callable[[Session], Any], db: Session) -> Any:
    try:
        return func(db)
    except OSError:
        db.rollback()
        return func(db)


def open_case(data: CaseIn, db: Session) -> Case:
    data.details["source"] = "form"  # OK
    case = Case.model_validate(data)
    case.details["opened"] = True  # OK
    db.add(case)
    db.commit()
    case.details["id"] = case.id  # BUG
    db.commit()
    return case


def assign(lawyer: str, case: Case = Depends(readable), db: Session = Depends(get_db)) -> Case:
    case.details["lawyer"] = lawyer  # BUG
    case.flags["assigned"] = True  # BUG
    db.add(case)
    db.commit()
    db.refresh(case)
    return case


def escalate(case_id: int, reason: str, db: Session) -> None:
    case = readable(case_id, db)
    change_json(case, "details", lambda details: details.update(reason=reason))  # OK
    case.timeline.append({"event": "escalated", "reason": reason})  # BUG
    db.commit()


def set_threshold(name: str, amount: int, db: Session) -> dict[str, Any]:
    row = db.exec(select(Setting).where(Setting.name == "thresholds")).first()
    current = row.value or {}
    current[name] = amount  # BUG
    row.value = current
    db.commit()
    return current


def set_threshold_well(name: str, amount: int, db: Session) -> dict[str, Any]:
    row = db.exec(select(Setting).where(Setting.name == "thresholds")).first()
    current = dict(row.value or {})
    current[name] = amount  # OK
    row.value = current
    db.commit()
    return current


def correct(case_id: int, key: str, amount: Decimal, db: Session) -> None:
    case = db.get(Case, case_id)
    workings = case.workings or {}
    item = dict(workings.get(key) or {})
    item["amount"] = str(amount)  # OK
    item["notes"] = (item.get("notes", "") + " corrected").strip()  # OK
    workings[key] = item  # BUG
    case.workings = workings
    db.commit()


def correct_well(case_id: int, key: str, amount: Decimal, db: Session) -> None:
    case = db.get(Case, case_id)
    workings = case.workings or {}
    item = dict(workings.get(key) or {})
    item["amount"] = str(amount)  # OK
    workings[key] = item  # OK
    case.workings = workings
    flag_modified(case, "workings")
    db.commit()


def merge_config(firm_id: int, update: dict[str, Any], db: Session) -> Firm:
    firm = db.get(Firm, firm_id)
    if "config" in update:
        firm.config = {**firm.config, **update.pop("config")}  # OK
    for field, value in update.items():
        setattr(firm, field, value)
    db.commit()
    return firm


def tidy(firm_id: int, db: Session) -> None:
    firm = db.exec(select(Firm).where(Firm.id == firm_id)).one()
    for case in firm.cases:
        case.timeline.sort(key=lambda entry: entry["at"])  # BUG
        case.details = {key: value for key, value in case.details.items() if value}
    firm.config.setdefault("tidied", {})["by"] = "cron"  # BUG
    db.commit()


def raise_amounts(case_id: int, share: float, db: Session) -> None:
    case = db.get(Case, case_id)
    entries = []
    for entry in list(case.timeline):
        entry["amount"] = int(entry["amount"] * share)  # BUG
        entries.append(entry)  # OK
    case.timeline = entries
    db.commit()


def raise_amounts_well(case_id: int, share: float, db: Session) -> None:
    case = db.get(Case, case_id)
    entries = []
    for entry in case.timeline:
        entries.append({**entry, "amount": int(entry["amount"] * share)})  # OK
    case.timeline = entries
    db.commit()


def audit(case: Case, entry: dict[str, Any], db: Session) -> None:
    def write(session: Session) -> None:
        case.timeline.append(entry)  # BUG
        session.commit()

    run_query(write, db)


def audit_well(case: Case, entry: dict[str, Any], db: Session) -> None:
    def write(session: Session) -> None:
        case.timeline.append(entry)  # OK
        flag_modified(case, "timeline")
        session.commit()

    run_query(write, db)


def progress(case: Case, done: list[str], db: Session) -> dict[str, Any]:
    db.refresh(case)
    known = case.details or {}
    data = {"done": list(known.get("done", [])), "count": known.get("count", 0)}
    data["done"].extend(done)  # OK
    data["count"] += len(done)  # OK
    case.details = data
    db.commit()
    return data
