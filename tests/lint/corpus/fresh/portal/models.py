from flask_login import UserMixin
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.types import JSON

db = SQLAlchemy()
json_type = JSON().with_variant(JSONB(), "postgresql")


class CRUDMixin:
    @classmethod
    def create(cls, **values):
        return cls(**values).save()

    @classmethod
    def get_by_id(cls, key):
        return cls.query.get(int(key))

    def update(self, commit=True, **values):
        for name, value in values.items():
            setattr(self, name, value)
        return self.save() if commit else self

    def save(self, commit=True):
        db.session.add(self)
        if commit:
            db.session.commit()
        return self


class User(UserMixin, CRUDMixin, db.Model):
    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.String(120))
    preferences = db.Column(json_type, nullable=False, default=dict)
    progress = db.Column(MutableDict.as_mutable(json_type), default=dict)
    _profile = db.Column("profile", json_type)

    @hybrid_property
    def profile(self):
        return self._profile or {}

    @profile.setter
    def profile(self, value):
        self._profile = dict(value)

    def finish(self, guide, step):
        self.progress[guide] = self.progress.get(guide, []) + [step]  # OK

    def finish_more(self, guide, steps):
        self.progress.setdefault(guide, [])  # OK
        db.session.commit()
        self.progress[guide].extend(steps)  # BUG
        db.session.commit()

    def notify(self, channel, on=True):
        preferences = self.preferences
        notifications = preferences.setdefault("notifications", {})  # BUG
        notifications[channel] = on  # BUG
        self.save()

    def notify_well(self, channel, on=True):
        notifications = dict(self.preferences.get("notifications", {}))
        notifications[channel] = on  # OK
        self.update(preferences={**self.preferences, "notifications": notifications})


class Product(CRUDMixin, db.Model):
    id = db.Column(db.Integer, primary_key=True)
    extra = db.Column(json_type)
    stock = db.Column(json_type)


class Offer(CRUDMixin, db.Model):
    id = db.Column(db.Integer, primary_key=True)
    product_id = db.Column(db.ForeignKey("product.id"))
    product = db.relationship("Product", backref=db.backref("offers", lazy="dynamic"))
    extra = db.Column(json_type)
