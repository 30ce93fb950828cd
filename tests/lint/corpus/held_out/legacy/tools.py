from __future__ import annotations

import collections
import copy

from sqlalchemy import text
from sqlalchemy.orm import object_session
from sqlalchemy.orm.attributes import flag_modified

from legacy.models import Device, Reading, Station


class Batch(object):
    """No row: it only has attributes of the same names."""

    def __init__(self):
        self.calibration = {}
        self.raw_values = []
        self.description = collections.OrderedDict()

    def collect(self, reading):
        self.raw_values.extend(reading.raw_values)  # OK
        self.calibration[reading.id] = reading.quality  # OK
        self.description["count"] = len(self.raw_values)  # OK


def describe(dbsession, device_id, text_):
    device = dbsession.query(Device).get(device_id)
    device.description["text"] = text_  # BUG
    dbsession.flush()


def describe_well(dbsession, device_id, text_):
    device = dbsession.query(Device).get(device_id)
    description = copy.copy(device.description) or {}
    description["text"] = text_  # OK
    device.description = description
    dbsession.flush()


def describe_raw(dbsession, device_id, text_):
    device = dbsession.query(Device).get(device_id)
    description = device.description
    description["text"] = text_  # OK
    dbsession.execute(text("UPDATE device SET description = :d WHERE id = :i"), {"d": str(description), "i": device_id})


def drop_outliers(dbsession, limit):
    for reading in dbsession.query(Reading).filter(Reading.quality == "good"):
        for value in list(reading.raw_values):
            if value > limit:
                reading.raw_values.remove(value)  # BUG
    dbsession.commit()


def drop_outliers_well(dbsession, limit):
    for reading in dbsession.query(Reading).filter(Reading.quality == "good"):
        reading.raw_values = [value for value in reading.raw_values if value <= limit]  # OK
    dbsession.commit()


def sort_values(dbsession):
    for device, reading in dbsession.query(Device, Reading).join(Reading.device):
        reading.raw_values.sort()  # BUG
        device.description = dict(device.description, sorted=True)  # OK
    dbsession.commit()


def sorted_values(reading: Reading) -> list:
    values = sorted(reading.raw_values)
    values.append(0)  # OK
    return values


def first_room(dbsession, name):
    station = dbsession.query(Station).filter_by(name=name).first()
    station.layout["rooms"].insert(0, "hall")  # BUG
    flag_modified(station, "name")
    dbsession.commit()


def first_room_well(dbsession, name):
    station = dbsession.query(Station).filter_by(name=name).first()
    station.layout["rooms"].insert(0, "hall")  # OK
    flag_modified(station, "layout")
    dbsession.commit()


def of_device(device: Device):
    latest = device.readings.first()
    latest.raw_values.append(1)  # BUG
    object_session(device).commit()


def histogram(device: Device):
    counts = collections.defaultdict(int)
    for reading in device.readings:
        for value in reading.raw_values:
            counts[value] += 1  # OK
    return dict(counts)


def copy_calibration(source: Device, target: Device):
    target.calibration = copy.deepcopy(source.calibration)
    target.calibration["copied"] = True  # OK


def share_calibration(source: Device, target: Device):
    target.calibration = source.calibration
    target.calibration["shared"] = True  # BUG


def swap(device: Device, a, b):
    parameters = dict(device._parameters)
    parameters[a], parameters[b] = parameters[b], parameters[a]  # OK
    device._parameters = parameters


def batch_of(readings):
    batch = Batch()
    for reading in readings:
        batch.collect(reading)
    batch.calibration.clear()  # OK
    return batch
