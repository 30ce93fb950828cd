import datetime as dt

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm.attributes import flag_modified

from .extensions import db


class TimestampMixin:
    created_at = db.Column(db.DateTime, default=dt.datetime.utcnow)
    audit = db.Column(db.JSON, default=dict)

    def touch(self, who):
        self.audit["last_editor"] = who  # BUG
        self.created_at = dt.datetime.utcnow()


class Customer(TimestampMixin, db.Model):
    __tablename__ = "customers"

    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.String(200))
    preferences = db.Column(db.JSON, nullable=False, default=dict)
    address_book = db.Column(JSONB, default=list)
    loyalty = db.Column(MutableDict.as_mutable(JSONB), default=dict)
    orders = db.relationship("PurchaseOrder", back_populates="customer", lazy="dynamic")

    @property
    def newsletter(self):
        return bool((self.preferences or {}).get("newsletter"))

    @newsletter.setter
    def newsletter(self, value):
        if self.preferences is None:
            self.preferences = {}
        self.preferences["newsletter"] = bool(value)  # BUG

    @property
    def language(self):
        return self.preferences.get("language", "en")

    @language.setter
    def language(self, value):
        prefs = dict(self.preferences or {})
        prefs["language"] = value  # OK
        self.preferences = prefs

    def add_address(self, address):
        self.address_book.append(address.as_dict())  # BUG

    def drop_address(self, index):
        book = list(self.address_book)
        book.pop(index)  # OK
        self.address_book = book

    def earn(self, points):
        self.loyalty["points"] = self.loyalty.get("points", 0) + points  # OK

    def log_perk(self, perk):
        self.loyalty.setdefault("perks", []).append(perk)  # OK

    def use_perk(self, perk):
        self.loyalty["perks"].remove(perk)  # BUG

    def summary(self):
        info = {"email": self.email}
        info["newsletter"] = self.newsletter  # OK
        info.update(self.preferences)  # OK
        return info


class PurchaseOrder(db.Model):
    __tablename__ = "purchase_orders"

    id = db.Column(db.Integer, primary_key=True)
    customer_id = db.Column(db.Integer, db.ForeignKey("customers.id"))
    customer = db.relationship("Customer", back_populates="orders")
    state = db.Column(db.String(20))
    lines = db.Column(db.JSON)
    shipping = db.Column(db.JSON)
    history = db.Column(MutableList.as_mutable(db.JSON), default=list)

    def record(self, event, **details):
        self.history.append({"event": event, **details})  # OK

    def correct_last(self, **details):
        self.history[-1].update(details)  # BUG

    def set_carrier(self, carrier, tracking=None):
        shipping = self.shipping or {}
        shipping["carrier"] = carrier  # BUG
        if tracking:
            shipping["tracking"] = tracking  # BUG
        self.shipping = shipping

    def set_carrier_safely(self, carrier):
        shipping = self.shipping or {}
        shipping["carrier"] = carrier  # OK
        self.shipping = shipping
        flag_modified(self, "shipping")

    def reprice(self, prices):
        for line in self.lines:
            line["price"] = prices[line["sku"]]  # BUG

    def reprice_again(self, prices):
        self.lines = [{**line, "price": prices[line["sku"]]} for line in self.lines]  # OK

    def total(self):
        totals = {}
        for line in self.lines:
            totals[line["sku"]] = line["price"] * line["quantity"]  # OK
        return sum(totals.values())
