"""`python -m referral seed | play | buy | show`: the application's commands; DATABASE_URL says where."""

import argparse
import random
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select

from referral import activity, bonuses, ranks, status, volumes
from referral.database import Session, engine
from referral.models import Base, User

BEGIN = datetime.fromisoformat("2024-06-01T08:00")
PRICES = ("25", "120.50", "250", "480", "1200", "5000", "7500")


def seed(users: int) -> None:
    """An empty programme: a root, and a tree below it."""
    Base.metadata.create_all(engine)
    chance = random.Random(4)
    with Session.begin() as session:
        for number in range(1, users + 1):
            user = User(
                telegramID=1000 + number,
                upline=None if number == 1 else 1000 + chance.randint(1, (number + 2) // 3),
                createdAt=BEGIN - timedelta(days=users - number),
                email=f"user{number}@example.org",
                mlmStatus={"pioneerPurchasesCount": 0} if number == 1 else {},
                mlmVolumes={"personalTotal": 0.0, "monthlyPV": 0.0, "autoship": {"enabled": False, "amount": 0}},
                emailVerification={"confirmed": False, "token": f"t{number}", "attempts": 0},
            )
            session.add(user)
            session.flush()
            status.ensure_status(user)
    print(f"{users} users")


def play(purchases: int, random_seed: int) -> None:
    """A month of purchases, ranks and bonuses, each in a transaction of its own."""
    chance = random.Random(random_seed)
    with Session() as session:
        users = list(session.scalars(select(User.userID).order_by(User.userID)))
        buyers = chance.sample(users[1:], len(users) - 1)
    granted = promoted = 0
    for number in range(purchases):
        now = BEGIN + timedelta(days=30 * random_seed, minutes=17 * number)
        with Session.begin() as session:
            user = session.get_one(User, buyers[number % len(buyers)])
            price = Decimal(chance.choice(PRICES))
            purchase = volumes.record_purchase(session, user, chance.randint(1, 3), price, now)
            activity.record_activity(user, f"{now:%Y-%m}")
            before = user.rank
            promoted += ranks.qualify(session, user, now) != before
            granted += bonuses.grant_pioneer(session, user, purchase, now)
    print(f"{purchases} purchases, {granted} pioneers, {promoted} promotions")


def buy(user_id: int, price: str) -> None:
    """One purchase."""
    now = BEGIN + timedelta(days=90, minutes=user_id)
    with Session.begin() as session:
        user = session.get_one(User, user_id)
        purchase = volumes.record_purchase(session, user, 1, Decimal(price), now)
        granted = bonuses.grant_pioneer(session, user, purchase, now)
        print(f"user {user_id} bought a pack of {price}" + (" and is a pioneer" if granted else ""))


def show(user_id: int) -> None:
    """What is stored of a user."""
    with Session() as session:
        user = session.get_one(User, user_id)
        pioneer, twin = user.mlmStatus.get("hasPioneerBonus"), float(user.mlmVolumes["personalTotal"])
        print(f"user {user_id}: pioneer {pioneer}, {twin} of {user.personalVolumeTotal} in mlmVolumes")


def main() -> None:
    parser = argparse.ArgumentParser(prog="referral", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("seed").add_argument("--users", type=int, default=80)
    month = commands.add_parser("play")
    month.add_argument("--purchases", type=int, default=150)
    month.add_argument("--seed", type=int, default=0)
    one = commands.add_parser("buy")
    one.add_argument("user", type=int)
    one.add_argument("price")
    commands.add_parser("show").add_argument("user", type=int)
    given = parser.parse_args()
    if given.command == "seed":
        seed(given.users)
    elif given.command == "play":
        play(given.purchases, given.seed)
    elif given.command == "buy":
        buy(given.user, given.price)
    else:
        show(given.user)


if __name__ == "__main__":
    main()
