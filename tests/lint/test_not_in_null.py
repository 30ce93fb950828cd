"""NOT IN over subqueries of columns that may be NULL, in the ways people write them."""

import pytest

from tests.lint.linting import lint

DJANGO = """\
from django.db import models
from django.db.models import Q

class Room(models.Model):
    pass

class Feature(models.Model):
    pass

class Booking(models.Model):
    room = models.ForeignKey(Room, null=True, on_delete=models.SET_NULL)
    hall = models.ForeignKey(Room, on_delete=models.CASCADE)
    guests = models.IntegerField(null=True)
    features = models.ManyToManyField(Feature)

"""
SQLALCHEMY = """\
from sqlalchemy import Column, ForeignKey, Integer, Table, not_, select
from sqlalchemy.orm import Mapped, mapped_column

class Room(Base):
    __tablename__ = "rooms"
    id = Column(Integer, primary_key=True)

class Booking(Base):
    __tablename__ = "bookings"
    id = Column(Integer, primary_key=True)
    room_id = Column(ForeignKey("rooms.id"))
    hall_id: Mapped[int] = mapped_column(ForeignKey("rooms.id"))
    suite_id: Mapped[int | None] = mapped_column(ForeignKey("rooms.id"))
    guests = Column(Integer, nullable=False)

keys = Table("keys", metadata, Column("room_id", Integer), Column("floor", Integer, nullable=False))

"""
FOUND = [
    (DJANGO, "free = Room.objects.exclude(id__in=Booking.objects.values_list('room_id', flat=True))"),
    (
        DJANGO,
        (
            "def free(day):\n"
            "    taken = Booking.objects.filter(guests=day).values_list('room', flat=True)\n"
            "    return Room.objects.exclude(pk__in=taken)"
        ),
    ),
    (DJANGO, "free = Room.objects.filter(~Q(id__in=Booking.objects.values('room')))"),
    (DJANGO, "free = Room.objects.exclude(Q(id__in=Booking.objects.values('room')))"),
    (DJANGO, "class Free:\n    queryset = Room.objects.exclude(id__in=Booking.objects.values('room'))"),
    (DJANGO, "unused = Feature.objects.exclude(id__in=Booking.objects.values('features'))"),
    (DJANGO, "free = Room.objects.exclude(id__in=Booking.objects.filter(room__isnull=True).values('room'))"),
    (SQLALCHEMY, "free = select(Room).where(Room.id.notin_(select(Booking.room_id)))"),
    (SQLALCHEMY, "free = select(Room).where(~Room.id.in_(select(Booking.suite_id).distinct()))"),
    (
        SQLALCHEMY,
        (
            "def free(session):\n"
            "    taken = session.query(Booking.room_id, Booking.guests).subquery()\n"
            "    return session.query(Room).filter(Room.id.notin_(session.query(taken.c.room_id)))"
        ),
    ),
    (SQLALCHEMY, "def free():\n    taken = select(Booking.room_id)\n    return not_(Room.id.in_(taken))"),
    (SQLALCHEMY, "free = Room.id.notin_(select(keys.c.room_id))"),
    (SQLALCHEMY, "free = Room.id.notin_(select(Booking.room_id.label('taken')))"),
]
LEFT_ALONE = [
    (DJANGO, "free = Room.objects.exclude(id__in=list(Booking.objects.values_list('room_id', flat=True)))"),
    (DJANGO, "free = Room.objects.exclude(id__in=Booking.objects.values('hall'))"),
    (DJANGO, "free = Room.objects.exclude(id__in=Booking.objects.filter(room__isnull=False).values('room'))"),
    (DJANGO, "free = Room.objects.exclude(id__in=Booking.objects.exclude(room=None).values('room'))"),
    (DJANGO, "free = Room.objects.exclude(id__in=Booking.objects.filter(room__gt=3).values('room'))"),
    (DJANGO, "taken = Room.objects.filter(id__in=Booking.objects.values('room'))"),
    (DJANGO, "free = Room.objects.exclude(id__in=[1, None])"),
    (
        DJANGO,
        (
            "def free():\n"
            "    taken = Booking.objects.values_list('room')\n"
            "    taken = taken.filter(room__isnull=False)\n"
            "    return Room.objects.exclude(id__in=taken)"
        ),
    ),
    (SQLALCHEMY, "free = Room.id.notin_(select(Booking.hall_id))"),
    (SQLALCHEMY, "free = Room.id.notin_(select(Booking.guests))"),
    (SQLALCHEMY, "free = Room.id.notin_(select(Booking.room_id).where(Booking.room_id != None))"),
    (SQLALCHEMY, "free = Room.id.notin_(select(Booking.room_id).where(Booking.room_id > 4))"),
    (SQLALCHEMY, "free = Room.id.notin_(select(Booking.room_id).join(Room))"),
    (SQLALCHEMY, "free = Room.id.notin_(select(keys.c.floor))"),
    (
        SQLALCHEMY,
        (
            "def free(session):\n"
            "    taken = session.query(Booking.room_id).filter(Booking.room_id.isnot(None)).subquery()\n"
            "    return session.query(Room).filter(Room.id.notin_(session.query(taken.c.room_id)))"
        ),
    ),
    (SQLALCHEMY, "taken = Room.id.in_(select(Booking.room_id))"),
]


@pytest.mark.parametrize(("models", "code"), FOUND)
def test_a_subquery_that_may_hold_null_is_found(models: str, code: str) -> None:
    (finding,) = lint(models + code + "\n", "not-in-null")
    assert "may be NULL" in finding.message


@pytest.mark.parametrize(("models", "code"), LEFT_ALONE)
def test_a_subquery_that_holds_no_null_is_left_alone(models: str, code: str) -> None:
    assert lint(models + code + "\n", "not-in-null") == []
