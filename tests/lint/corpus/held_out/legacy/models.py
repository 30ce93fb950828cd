from sqlalchemy import Column, ForeignKey, Integer, String, Table, Unicode
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.declarative import declarative_base, declared_attr
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.ext.mutable import Mutable
from sqlalchemy.orm import backref, deferred, mapper, relation, relationship

Base = declarative_base()
metadata = Base.metadata


class MutationDict(Mutable, dict):
    @classmethod
    def coerce(cls, key, value):
        return value if isinstance(value, cls) else cls(value)

    def __setitem__(self, key, value):
        dict.__setitem__(self, key, value)
        self.changed()


class Described:
    @declared_attr
    def description(cls):
        return Column(postgresql.JSON)


class Device(Described, Base):
    __tablename__ = "device"
    id = Column(Integer, primary_key=True)
    serial = Column(Unicode)
    _parameters = Column("parameters", postgresql.JSON)
    calibration = deferred(Column(postgresql.JSON))
    watched = Column(MutationDict.as_mutable(postgresql.JSON))

    @hybrid_property
    def parameters(self):
        return self._parameters

    def calibrate(self, channel, offset):
        table = self.calibration
        table[channel] = offset  # BUG
        self.calibration = table

    def calibrate_well(self, channel, offset):
        table = dict(self.calibration)
        table[channel] = offset  # OK
        self.calibration = table

    def watch(self, key, value):
        self.watched[key] = value  # OK

    def watch_inside(self, key, value):
        self.watched["inside"][key] = value  # BUG

    def tune(self, **changes):
        for name in changes:
            self._parameters[name] = changes[name]  # BUG


class Reading(Base):
    __tablename__ = "reading"
    id = Column(Integer, primary_key=True)
    device_id = Column(Integer, ForeignKey("device.id"))
    device = relationship(Device, backref=backref("readings", lazy="dynamic"))
    raw_values = Column(postgresql.ARRAY(Integer))
    quality = Column(String)


stations = Table(
    "station",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String),
    Column("layout", postgresql.JSON),
)


class Station(object):
    def __init__(self, name):
        self.name = name
        self.layout = {}
        self.layout["rooms"] = []  # OK

    def add_room(self, room):
        self.layout["rooms"].append(room)  # BUG

    def add_room_well(self, room):
        self.layout = dict(self.layout, rooms=self.layout["rooms"] + [room])  # OK


mapper(Station, stations)
