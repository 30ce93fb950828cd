"""The pioneer bonus: 4 % for the first 50 users who buy a pack of 5,000 or more."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from referral.models import Bonus, Purchase, User

PIONEERS, PACK, SHARE = 50, 5_000, Decimal("0.04")


def root_user(session: Session) -> User:
    """The user at the top, who has the counters of the programme."""
    return session.scalars(select(User).where(User.upline.is_(None))).one()


def grant_pioneer(session: Session, user: User, purchase: Purchase, now: datetime) -> bool:
    """Make a user a pioneer, once, while there are fewer than 50."""
    root = root_user(session)
    count = root.mlmStatus.get("pioneerPurchasesCount", 0)
    if purchase.packPrice < PACK or count >= PIONEERS or user.mlmStatus.get("hasPioneerBonus"):
        return False
    amount = (purchase.packQty * purchase.packPrice * SHARE).quantize(Decimal("0.01"))
    session.add(Bonus(userID=user.userID, purchaseID=purchase.purchaseID, kind="pioneer", amount=amount, createdAt=now))
    user.mlmStatus["hasPioneerBonus"] = True
    user.mlmStatus["pioneerGrantedAt"] = now.isoformat()
    user.mlmStatus["pioneerPurchaseId"] = purchase.purchaseID
    flag_modified(user, "mlmStatus")
    root.mlmStatus["pioneerPurchasesCount"] = count + 1
    flag_modified(root, "mlmStatus")
    return True


def revoke_pioneer(session: Session, user: User) -> None:
    """Take the bonus back, for a purchase that is returned."""
    session.execute(delete(Bonus).where(Bonus.userID == user.userID, Bonus.kind == "pioneer"))
    status = user.mlmStatus
    status["hasPioneerBonus"] = False
    for key in ("pioneerGrantedAt", "pioneerPurchaseId"):
        status.pop(key, None)
    flag_modified(user, "mlmStatus")
    root = root_user(session)
    root.mlmStatus["pioneerPurchasesCount"] -= 1
    flag_modified(root, "mlmStatus")
