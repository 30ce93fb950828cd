"""`trueup.sqlalchemy.guard` while an application flushes, against no guard and against `MutableDict`.

Some hundred users with a JSON value of some 300 bytes, in one transaction. Three loads: each user is changed and
flushed by itself; all are changed and flushed together; all are read and nothing is changed. `MutableDict` is the other
way to be safe from lost changes, at the first level of a value: its users are changed in place, the others' values are
copied and assigned. SQLite in memory shows the cost where no database takes time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sqlalchemy import JSON, Engine, Integer, create_engine, make_url, select
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.pool import StaticPool

from benchmarks._measure import Answer, alternate, lines, ratio, verdict
from benchmarks._place import Place
from trueup.sqlalchemy import Guard, guard

HEADING = "The guard for SQLAlchemy"
#: The ratio that the page shows, and what it is.
RATIO = ("x no guard", "times the time without a guard")
DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
ROWS = 200
VALUE: dict[str, Any] = {
    "confirmed": True,
    "attempts": 3,
    "sentAt": "2024-06-15T08:30:00+00:00",
    "notifications": {"bonus": True, "purchase": False, "weekly": True},
    "display": {"showBalance": True, "theme": "dark", "columns": ["name", "rank", "volume"]},
    "volumes": [{"month": "2024-05", "value": 210.5}, {"month": "2024-06", "value": 340.25}],
}


Change = Callable[[Any, int], None]
Load = Callable[[Session, type[Any], Change, int], None]


class Base(DeclarativeBase):
    """The models."""


class Plain(Base):
    """A user with a plain JSON column."""

    __tablename__ = "plain"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    points: Mapped[int] = mapped_column(Integer, default=0)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)


class Tracked(Base):
    """The same with a column that notices changes of its first level."""

    __tablename__ = "tracked"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    points: Mapped[int] = mapped_column(Integer, default=0)
    settings: Mapped[dict[str, Any]] = mapped_column(MutableDict.as_mutable(JSON))


def assign(user: Any, number: int) -> None:
    """What is safe with a plain column."""
    user.points += 1
    user.settings = {**user.settings, "attempts": number}


def in_place(user: Any, number: int) -> None:
    """What is safe with a `MutableDict`."""
    user.points += 1
    user.settings["attempts"] = number


def flush_each(session: Session, model: type[Any], change: Change, number: int) -> None:
    for user in session.scalars(select(model)).all():
        change(user, number)
        session.flush()


def flush_together(session: Session, model: type[Any], change: Change, number: int) -> None:
    for user in session.scalars(select(model)).all():
        change(user, number)


def read(session: Session, model: type[Any], _: Change, __: int) -> None:
    assert all(user.settings["confirmed"] for user in session.scalars(select(model)).all())


LOADS: dict[str, Load] = {
    "Each of 200 changed users flushed by itself": flush_each,
    "200 changed users flushed together": flush_together,
    "200 users read": read,
}


def measure(place: Place) -> Iterator[Answer]:
    name = "bench_guard"
    place.create(name)
    yield from answers(place, create_engine(make_url(place.url(name)).set(drivername=DRIVERS[place.engine])), "")
    place.drop(name)
    if place.engine == "sqlite":
        yield from answers(place, create_engine("sqlite://", poolclass=StaticPool), ", in memory")


def answers(place: Place, engine: Engine, where: str) -> Iterator[Answer]:
    """One of each load; in memory, where nothing but Python takes time, without an aim."""
    Base.metadata.create_all(engine)
    bare, guarded = sessionmaker(engine), sessionmaker(engine)
    with bare() as session:
        session.add_all([model(settings=VALUE) for model in (Plain, Tracked) for _ in range(ROWS)])
        session.commit()
    numbers = iter(range(10**9))
    # short rounds, and many: a neighbour's load falls on both sides of most
    rounds = 2 if place.quick else max(51, place.rounds)
    watching: list[Guard] = []

    def prepare(name: str) -> None:
        # while a guard watches any session, the mappers call it for all: the others run without it
        while watching:
            watching.pop().remove()
        if name == "guard":
            watching.append(guard(guarded, mode="raise"))

    def run(load: Load, factory: sessionmaker[Session], model: type[Any], change: Change) -> None:
        with factory() as session:
            load(session, model, change, next(numbers))
            session.commit()

    for title, load in LOADS.items():
        contestants = {
            "no guard": partial(run, load, bare, Plain, assign),
            "guard": partial(run, load, guarded, Plain, assign),
            "MutableDict, no guard": partial(run, load, bare, Tracked, in_place),
        }
        seconds = alternate(contestants, rounds, prepare=prepare)
        prepare("")
        aims = (verdict("guard against none", ratio(seconds, "guard", "no guard"), 1.05),)
        table = lines(seconds, {"x no guard": "no guard"})
        yield Answer(
            "sqlalchemy_guard",
            place.engine,
            place.version,
            f"{title}{where}",
            table,
            rounds,
            aims if load is flush_each and not where else (),
        )
    engine.dispose()
