"""What the application promises is in the database when a new session looks."""

from datetime import datetime
from decimal import Decimal

import pytest
from referral import activity, bonuses, ranks, status, volumes
from referral.models import Base, Purchase, User
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

NOW = datetime.fromisoformat("2024-06-15T08:30")


@pytest.fixture
def engine():
    made = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(made)
    with Session(made) as session:
        for number, upline in ((1, None), (2, 1001), (3, 1001)):
            held = {"pioneerPurchasesCount": 0, "isFounder": False, "hasPioneerBonus": False}
            session.add(
                User(userID=number, telegramID=1000 + number, upline=upline, createdAt=NOW, mlmStatus=held,
                     mlmVolumes={"personalTotal": 0.0, "monthlyPV": 250.0})
            )  # fmt: skip
        session.commit()
    yield made
    made.dispose()


CALLS = {
    "set_status": (lambda s, u: status.set_status(u, "isFounder", True), {"isFounder": True}),
    "merge_status": (lambda s, u: status.merge_status(u, {"a": 1}), {"a": 1}),
    "ensure_status": (lambda s, u: (u.mlmStatus.pop("isFounder"), status.ensure_status(u)), {"isFounder": False}),
    "assign_rank": (
        lambda s, u: ranks.assign_rank(s, u, "growth", 1, NOW),
        {"assignedRank": "growth", "assignedBy": 1},
    ),
    "make_founder": (lambda s, u: ranks.make_founder(u), {"isFounder": True}),
    "record_activity": (lambda s, u: activity.record_activity(u, "2024-06"), {"lastActiveMonth": "2024-06"}),
    "import_activity": (lambda s, u: activity.import_activity(s, [(1002, "2024-05")]), {"lastActiveMonth": "2024-05"}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_a_change_of_the_status_is_written(name, engine):
    call, expected = CALLS[name]
    with Session(engine) as session:
        call(session, session.get_one(User, 2))
        session.commit()
    with Session(engine) as session:
        held = session.get_one(User, 2).mlmStatus
        assert {key: held.get(key) for key in expected} == expected


@pytest.mark.filterwarnings("ignore")
def test_a_pioneer_is_counted_once(engine):
    with Session(engine) as session:
        user = session.get_one(User, 2)
        purchase = volumes.record_purchase(session, user, 1, Decimal(6000), NOW)
        assert bonuses.grant_pioneer(session, user, purchase, NOW)
        session.commit()
    with Session(engine) as session:
        user = session.get_one(User, 2)
        assert user.mlmStatus["pioneerPurchaseId"] == session.query(Purchase).one().purchaseID
        assert user.mlmVolumes["personalTotal"] == 6000
        assert session.get_one(User, 1).mlmStatus["pioneerPurchasesCount"] == 1
        again = volumes.record_purchase(session, user, 1, Decimal(6000), NOW)
        assert not bonuses.grant_pioneer(session, user, again, NOW)
        bonuses.revoke_pioneer(session, user)
        session.commit()
    with Session(engine) as session:
        assert session.get_one(User, 1).mlmStatus["pioneerPurchasesCount"] == 0
