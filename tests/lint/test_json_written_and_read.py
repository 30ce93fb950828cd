"""JSON encoded twice on the way in, and aggregates that are decoded on the way out."""

import pytest

from tests.lint.linting import lint

DJANGO = """\
import json

from django.db import models
from django.db.models import Avg, Count, F, FloatField, Max, Sum
from django.db.models.functions import Cast, Coalesce

class Shop(models.Model):
    details = models.JSONField(default=dict)

class Total(models.Model):
    weight = models.IntegerField()

class Parcel(models.Model):
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE)
    data = models.JSONField(null=True)

class Truck(models.Model):
    data = models.ForeignKey(Total, on_delete=models.CASCADE)

def as_text(value):
    if value is None:
        return None
    return json.dumps(value)

"""
SQLALCHEMY = """\
import json

from sqlalchemy import JSON, Column, Integer, Text, insert, update

class Parcel(Base):
    __tablename__ = "parcels"
    id = Column(Integer, primary_key=True)
    data = Column(JSON)
    label = Column(Text)

"""
ENCODED = [
    (DJANGO, "def act(value):\n    Parcel.objects.update_or_create(pk=1, defaults={'data': json.dumps(value)})\n"),
    (DJANGO, "def act(parcel, value):\n    parcel.data = json.dumps(value)\n    parcel.save()\n"),
    (DJANGO, "def act(value):\n    text = json.dumps(value) if value else None\n    Parcel(data=text).save()\n"),
    (
        DJANGO,
        "def act(value):\n    text = None\n    if value:\n        text = json.dumps(value)\n    Parcel(data=text)\n",
    ),
    (DJANGO, "def act(value):\n    Parcel.objects.create(data=as_text(value))\n"),
    (SQLALCHEMY, "def act(session, value):\n    session.query(Parcel).update({'data': json.dumps(value)})\n"),
    (SQLALCHEMY, "def act(session, value):\n    session.query(Parcel).update({Parcel.data: json.dumps(value)})\n"),
    (SQLALCHEMY, "def act(value):\n    return update(Parcel).values({'data': json.dumps(value)})\n"),
    (SQLALCHEMY, "def act(value):\n    return insert(Parcel).values(data=value.model_dump_json())\n"),
    (SQLALCHEMY, "def act(db_parcel, value):\n    db_parcel.data = json.dumps(value or {})\n"),
]
NOT_ENCODED = [
    (DJANGO, "def act(parcel, value):\n    parcel.data = json.loads(json.dumps(value))\n"),
    (DJANGO, "def act(letter, value):\n    letter.data = json.dumps(value)\n"),
    (DJANGO, "def act(value):\n    data = json.dumps(value)\n    data = {'raw': data}\n    Parcel(data=data)\n"),
    (
        DJANGO.replace("models.JSONField(null=True)", "jsonfield.JSONField()"),
        "def act(v):\n    Parcel(data=json.dumps(v))\n",
    ),
    (SQLALCHEMY, "def act(parcel: Parcel, value):\n    parcel.label = json.dumps(value)\n"),
    (SQLALCHEMY, "def act(session, value):\n    session.query(Parcel).update({'label': json.dumps(value)})\n"),
    (SQLALCHEMY, "def act(cache, value):\n    cache.update({'data': json.dumps(value)})\n"),
]
FAILS = [
    "Parcel.objects.aggregate(total=Sum('data__weight'))",
    "Parcel.objects.filter(pk=1).values('shop').annotate(top=Max('data__a__b'))",
    "Parcel.objects.aggregate(Avg('shop__details__rating'))",
    "Parcel.objects.aggregate(Avg(F('data__weight')))",
    "parcels.aggregate(Avg('details__rating'))",
    "Parcel.objects.aggregate(total=Coalesce(Sum('data__weight'), 0))",
]
WORKS = [
    "Parcel.objects.aggregate(Sum('data__weight', output_field=FloatField()))",
    "Truck.objects.aggregate(Sum('data__weight'))",
    "trucks.aggregate(Sum('data__weight'))",
    "Parcel.objects.aggregate(total=Cast(Sum('data__weight'), FloatField()))",
    "Parcel.objects.aggregate(total=Coalesce(Sum('data__weight'), 0, output_field=FloatField()))",
    "Parcel.objects.aggregate(Count('data__weight'))",
    "Parcel.objects.aggregate(Max('data'))",
]


@pytest.mark.parametrize(("models", "code"), ENCODED)
def test_json_that_is_encoded_twice_is_found(models: str, code: str) -> None:
    (finding,) = lint(models + code, "double-encoded-json")
    assert '"Parcel.data"' in finding.message


@pytest.mark.parametrize(("models", "code"), NOT_ENCODED)
def test_what_is_encoded_once_is_left_alone(models: str, code: str) -> None:
    assert lint(models + code, "double-encoded-json") == []


@pytest.mark.parametrize("query", FAILS)
def test_an_aggregate_over_a_key_is_found(query: str) -> None:
    assert lint(f"{DJANGO}def act(parcels):\n    return {query}\n", "json-aggregate-without-output-field")


@pytest.mark.parametrize("query", WORKS)
def test_an_aggregate_whose_kind_is_known_is_left_alone(query: str) -> None:
    assert lint(f"{DJANGO}def act(trucks):\n    return {query}\n", "json-aggregate-without-output-field") == []
