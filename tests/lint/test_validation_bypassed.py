"""Bulk writes past the rules of a model: which rule is about which write."""

import pytest

from tests.lint.linting import lint

DJANGO = """\
from django.core.exceptions import ValidationError
from django.db import models

class Seat(models.Model):
    row = models.IntegerField()
    price = models.IntegerField(validators=[positive])
    note = models.TextField()
    guest = models.ForeignKey("Guest", null=True, on_delete=models.SET_NULL)

    def clean(self):
        if self.row < 1:
            raise ValidationError("rows begin with 1")
        self.note = self.note.strip()

    def save(self, *args, **kwargs):
        self.full_clean()
        Seat.objects.filter(row=self.row).update(row=0)
        super().save(*args, **kwargs)

class Ticket(models.Model):
    code = models.CharField(max_length=8)
    label = models.CharField(max_length=8)

    def save(self, *args, **kwargs):
        if self.pk:
            raise ValidationError("a ticket is printed once")
        super().save(*args, **kwargs)

class Guest(models.Model):
    name = models.CharField(max_length=80)
    age = models.IntegerField()

    def _check(self):
        years = self.age
        if years < 18:
            raise ValueError(years)

    def save(self, *args, **kwargs):
        try:
            self._check()
        except ValueError:
            raise
        super().save(*args, **kwargs)

"""
SQLALCHEMY = """\
from sqlalchemy import Column, Integer, String, insert, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import validates

class Guest(Base):
    __tablename__ = "guests"
    id = Column(Integer, primary_key=True)
    name = Column(String)
    email = Column(String)
    phone = Column(String)

    @validates("email", "phone", include_removes=False)
    def reachable(self, key, value):
        if not value:
            raise ValueError(key)
        return value

def act(session, rows):
    """
FOUND = [
    (DJANGO, "def act(rows):\n    Seat.objects.bulk_create(rows)\n"),
    (DJANGO, "def act(rows):\n    Seat.objects.bulk_update(rows, ['row', 'note'])\n"),
    (DJANGO, "def act(rows):\n    Seat.objects.bulk_update(rows, fields=columns)\n"),
    (DJANGO, "def act():\n    Seat.objects.update(price=-1)\n"),
    (DJANGO, "def act():\n    Ticket.objects.bulk_update(rows, fields)\n"),
    (DJANGO, "async def act():\n    await Guest.objects.filter(name='').aupdate(age=1)\n"),
    (SQLALCHEMY, "session.bulk_insert_mappings(Guest, rows)\n"),
    (SQLALCHEMY, "session.bulk_insert_mappings(Guest, [{'email': row} for row in rows])\n"),
    (SQLALCHEMY, "session.query(Guest).filter_by(id=1).update({'email': ''})\n"),
    (SQLALCHEMY, "session.query(Guest).update({Guest.phone: ''}, synchronize_session=False)\n"),
    (SQLALCHEMY, "session.execute(update(Guest).where(Guest.id == 1).values(phone=''))\n"),
    (SQLALCHEMY, "session.execute(insert(Guest), rows)\n"),
    (SQLALCHEMY, "session.execute(upsert(Guest).values(rows).on_conflict_do_nothing())\n"),
    (SQLALCHEMY, "session.execute(Guest.__table__.insert().values(email=''))\n"),
]
LEFT_ALONE = [
    (DJANGO, "def act(rows):\n    Seat.objects.bulk_update(rows, ['note'])\n"),
    (DJANGO, "def act():\n    Seat.objects.update(note='', guest=None)\n"),
    (DJANGO, "def act(rows):\n    Ticket.objects.bulk_create(rows)\n"),
    (DJANGO, "def act():\n    Guest.objects.update(name='')\n"),
    (DJANGO, "def act(rows):\n    validate_seats(rows)\n    Seat.objects.bulk_create(rows)\n"),
    (SQLALCHEMY, "session.bulk_save_objects([Guest(email=row) for row in rows])\n"),
    (SQLALCHEMY, "session.bulk_insert_mappings(Guest, [{'name': row} for row in rows])\n"),
    (SQLALCHEMY, "session.query(Guest).update({'name': ''})\n"),
    (SQLALCHEMY, "session.execute(update(Guest).values(name=''))\n"),
    (SQLALCHEMY, "rows.update({'email': ''})\n"),
    (SQLALCHEMY, "session.add(Guest(email=''))\n"),
]


@pytest.mark.parametrize(("models", "code"), FOUND)
def test_a_write_past_the_rules_is_found(models: str, code: str) -> None:
    (finding,) = lint(models + code, "validation-bypassed")
    assert "does not call" in finding.message


@pytest.mark.parametrize(("models", "code"), LEFT_ALONE)
def test_a_write_that_no_rule_is_about_is_left_alone(models: str, code: str) -> None:
    assert lint(models + code, "validation-bypassed") == []


@pytest.mark.parametrize("path", ["shop/migrations/0002_fill.py", "shop/tests/test_seats.py", "conftest.py"])
def test_tests_and_migrations_are_left_alone(path: str) -> None:
    write = DJANGO + "def act(rows):\n    Seat.objects.bulk_create(rows)\n"
    assert lint({path: write}, "validation-bypassed") == []
    assert lint({"shop/services.py": write}, "validation-bypassed")
