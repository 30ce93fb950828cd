from pantry.extensions import db
from sqlalchemy.ext.mutable import Mutable
from sqlalchemy.orm.attributes import flag_modified


class WatchedDict(Mutable, dict):
    @classmethod
    def coerce(cls, key, value):
        if isinstance(value, dict) and not isinstance(value, WatchedDict):
            return WatchedDict(value)
        return value

    def __setitem__(self, key, value):
        dict.__setitem__(self, key, value)
        self.changed()


class Shelf(db.Model):
    __tablename__ = "shelves"
    id = db.Column(db.Integer, primary_key=True)
    labels = db.Column(WatchedDict.as_mutable(db.JSON))
    jars = db.Column(db.JSON, default=list)
    details = db.Column(db.JSON, default=dict)

    def label(self, key, text):
        self.labels[key] = text  # OK

    def label_all(self, texts):
        self.labels.update(texts)  # BUG

    def unlabel(self, key):
        self.labels.pop(key, None)  # BUG

    def add_jar(self, jar):
        if not self.jars:
            self.jars = []
        if jar not in self.jars:
            self.jars.append(jar)  # BUG

    def describe(self, more):
        if self.details:
            self.details.update(more)  # BUG
        else:
            self.details = more

    @property
    def colour(self):
        return (self.details or {}).get("colour")

    @colour.setter
    def colour(self, value):
        if self.details is None:
            self.details = {}
        self.details["colour"] = value  # BUG

    def count(self, jar):
        if not isinstance(self.details, dict):
            self.details = {}
        self.details[jar] = self.details.get(jar, 0) + 1  # OK
        flag_modified(self, "details")
