import json
import time

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import orm
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm.attributes import flag_modified

db = SQLAlchemy()


class Timestamped:
    created = db.Column(db.DateTime)


class Member(Timestamped, db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(80), unique=True)
    _documents = db.Column("documents", db.JSON)
    tokens = db.Column(db.JSON, default=list)
    badges = db.Column(MutableList.as_mutable(db.JSON), default=list)
    about = db.Column(db.Text)
    pickled = db.Column(db.PickleType())

    def set_document(self, kind, number):
        if self._documents is None:
            self._documents = {}
        self._documents[kind] = number  # OK
        flag_modified(self, "_documents")

    def drop_document(self, kind):
        if self._documents is not None:
            self._documents.pop(kind, None)  # BUG
        db.session.commit()

    def new_token(self, purpose):
        if not self.tokens:
            self.tokens = []
        self.tokens.append({"purpose": purpose, "until": time.time() + 3600})  # OK
        if len(self.tokens) > 6:
            self.tokens.pop(0)  # OK
        flag_modified(self, "tokens")
        db.session.add(self)
        db.session.commit()

    def use_token(self, text):
        for token in self.tokens:
            if token["text"] == text:
                self.tokens.remove(token)  # BUG
                db.session.add(self)
                db.session.commit()
                return True
        return False

    def use_token_well(self, text):
        for token in self.tokens:
            if token["text"] == text:
                self.tokens.remove(token)  # OK
                flag_modified(self, "tokens")
                db.session.commit()
                return True
        return False

    def mark_token(self, text):
        for token in self.tokens:
            if token["text"] == text:
                token["used"] = True  # BUG
        db.session.commit()

    def award(self, badge):
        self.badges.append(badge)  # OK
        db.session.commit()

    def get_about(self):
        return json.loads(self.about) if self.about else {}

    def set_about(self, key, value):
        about = self.get_about()
        about[key] = value  # OK
        self.about = json.dumps(about)


class Board(Timestamped, db.Model):
    id = db.Column(db.Integer, primary_key=True)
    attributes = db.Column(db.JSON)
    extras = db.Column(db.JSON)
    facts = db.Column(db.JSON)
    layout = db.Column(MutableDict.as_mutable(db.JSON))
    owner_id = db.Column(db.ForeignKey("member.id"))
    owner = db.relationship(Member, backref="boards")

    def set_attr(self, key, value):
        Board._put(self.attributes, key, value)
        flag_modified(self, "attributes")
        self.save()

    def reset_extras(self, extras):
        self.extras.clear()  # OK
        self.extras.update(extras)  # OK
        flag_modified(self, "extras")
        self.save()

    def clear_extras(self):
        self.extras.clear()  # BUG
        self.save()

    def learn(self, facts):
        self.facts.update(facts)  # OK
        orm.attributes.flag_modified(self, "facts")

    def learn_in(self, space, facts):
        if not self.facts.get(space):
            self.facts[space] = {}  # BUG
        self.facts[space].update(facts)  # BUG

    def place(self, widget, row):
        self.layout[widget] = {"row": row}  # OK

    def move(self, widget, row):
        self.layout[widget]["row"] = row  # BUG

    @staticmethod
    def _put(data, key, value):
        data[key] = value  # OK

    def save(self):
        db.session.add(self)
        db.session.commit()
