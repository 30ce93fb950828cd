from datetime import datetime, timezone
from typing import Optional

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.orm import attributes as orm_attributes

from bot.tables import Member, Purchase


class RankService:
    def __init__(self, session: Session):
        self.session = session

    def find(self, telegram_id: int) -> Optional[Member]:
        return self.session.execute(select(Member).where(Member.telegram_id == telegram_id)).scalar_one_or_none()

    def assign(self, telegram_id: int, rank: str, by: int) -> bool:
        member = self.find(telegram_id)
        if not member:
            return False
        status = member.mlm_status or {}
        status["assignedRank"] = rank  # BUG
        status["assignedBy"] = by  # BUG
        member.mlm_status = status
        self.session.commit()
        return True

    def assign_well(self, telegram_id: int, rank: str) -> bool:
        member = self.find(telegram_id)
        if not member:
            return False
        status = {**(member.mlm_status or {})}
        status["assignedRank"] = rank  # OK
        member.mlm_status = status
        self.session.commit()
        return True

    def founders(self) -> list[Member]:
        return list(self.session.scalars(select(Member).where(Member.sponsor_id.is_(None))))

    def grant_founders(self) -> int:
        granted = 0
        for founder in self.founders():
            founder.mlm_status["isFounder"] = True  # BUG
            granted += 1
        self.session.commit()
        return granted

    def grant_founders_well(self) -> int:
        for founder in self.founders():
            founder.mlm_status["isFounder"] = True  # OK
            orm_attributes.flag_modified(founder, "mlm_status")
        self.session.commit()
        return len(self.founders())

    def pioneer(self, purchase: Purchase) -> None:
        buyer = purchase.member
        buyer.mlm_status["hasPioneerBonus"] = True  # BUG
        sponsor = buyer.sponsor
        if sponsor is not None:
            sponsor.counters["pioneers"] = sponsor.counters.get("pioneers", 0) + 1  # OK

    def pioneer_root(self, root: Member) -> int:
        count = root.mlm_status.get("pioneerPurchasesCount", 0) + 1
        root.mlm_status["pioneerPurchasesCount"] = count  # BUG
        self.session.flush()
        return count

    def activity(self, member: Member) -> None:
        orm_attributes.flag_modified(member, "mlm_status")
        member.mlm_status["lastActiveMonth"] = datetime.now(timezone.utc).strftime("%Y-%m")  # OK
        self.session.commit()

    def activity_twice(self, member: Member) -> None:
        orm_attributes.flag_modified(member, "mlm_status")
        self.session.flush()
        member.mlm_status["lastActiveMonth"] = "2024-06"  # BUG
        self.session.commit()

    def badges(self, member: Member, new: list[str]) -> None:
        member.badges += new  # BUG

    def badges_well(self, member: Member, new: list[str]) -> None:
        member.badges = member.badges + new  # OK

    def badge_once(self, member: Member, badge: str) -> None:
        if badge not in member.badges:
            member.badges = [*member.badges, badge]  # OK
