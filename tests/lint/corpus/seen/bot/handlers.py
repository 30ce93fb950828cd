import logging

from bot.base import SessionLocal, get_session
from bot.tables import Member, Purchase

log = logging.getLogger(__name__)
CACHE: dict[int, dict] = {}


def get_member(session, telegram_id):
    return session.query(Member).filter_by(telegram_id=telegram_id).first()


def on_start(update, context):
    with SessionLocal() as session:
        member = get_member(session, update.effective_user.id)
        context.user_data["state"] = "menu"  # OK
        member.session_state["screen"] = "menu"  # BUG
        session.commit()


def on_menu(update, context):
    with SessionLocal.begin() as session:
        member = get_member(session, update.effective_user.id)
        member.session_state = {"screen": "menu", "at": str(update.date)}  # OK
        context.chat_data.setdefault("members", []).append(member.id)  # OK


def on_buy(update, context):
    session = SessionLocal()
    try:
        member = get_member(session, update.effective_user.id)
        purchase = Purchase(member=member, receipt={"items": []}, made_at=update.date)
        purchase.receipt["items"].append(context.args[0])  # OK
        purchase.receipt["currency"] = "EUR"  # OK
        session.add(purchase)
        session.commit()
        member.session_state["last_purchase"] = purchase.id  # BUG
        session.commit()
    except Exception:
        log.exception("purchase failed")
        session.rollback()
        raise
    finally:
        session.close()


def on_message(update, context):
    CACHE.setdefault(update.effective_user.id, {})["last"] = update.text  # OK
    for session in get_session():
        member = get_member(session, update.effective_user.id)
        member.inbox.append({"text": update.text, "read": False})  # OK
        session.commit()


def on_read(update, context):
    for session in get_session():
        member = get_member(session, update.effective_user.id)
        for message in member.inbox:
            message["read"] = True  # BUG
        session.commit()


def on_read_well(update, context):
    for session in get_session():
        member = get_member(session, update.effective_user.id)
        member.inbox = [{**message, "read": True} for message in member.inbox]  # OK
        session.commit()


def on_state(member: Member, key: str, value: object) -> None:
    state = member.session_state
    if state is None:
        state = {}
    state[key] = value  # BUG
    member.session_state = state


def on_state_well(member: Member, key: str, value: object) -> None:
    state = member.session_state.copy() if member.session_state else {}
    state[key] = value  # OK
    member.session_state = state


def report(members: list[Member]) -> list[dict]:
    rows = []
    for member in members:
        row = {"name": member.name}
        row["rank"] = member.mlm_status.get("assignedRank")  # OK
        row.update(counters=dict(member.counters))  # OK
        rows.append(row)  # OK
    return rows


def reset_week(members: list[Member]) -> None:
    for member in members:
        member.counters.clear()  # OK
        member.mlm_status.pop("weekly", None)  # BUG


def reset_week_well(members: list[Member]) -> None:
    for member in members:
        status = dict(member.mlm_status)
        status.pop("weekly", None)  # OK
        member.mlm_status = status
