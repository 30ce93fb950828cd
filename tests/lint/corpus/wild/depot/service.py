from depot.db.tables import Consignment
from depot.repository import ConsignmentRepository
from depot.schemas import Parcel
from sqlalchemy.orm.attributes import flag_modified


class Route:
    """What is driven today, in memory only."""

    def __init__(self) -> None:
        self.stops = []

    def drive_by(self, stop: str) -> None:
        self.stops.append(stop)  # OK


class Depot:
    def __init__(self, session) -> None:
        self.session = session
        self.consignments = ConsignmentRepository(session)

    async def scan(self, key: str, place: str) -> None:
        consignment = await self.consignments.find(key)
        consignment.tracking["place"] = place  # BUG
        consignment.state = "moving"
        await self.consignments.store(consignment)
        await self.session.commit()

    async def scan_well(self, key: str, place: str) -> None:
        consignment = await self.consignments.find(key)
        consignment.tracking["place"] = place  # OK
        consignment.tracking.setdefault("places", []).append(place)  # OK
        await self.consignments.store_tracking(consignment)
        await self.session.commit()

    async def act(self, key: str, what: str) -> None:
        consignment = await self.consignments.find(key)
        actions = {"open": self._open, "hold": self._hold}
        action = actions.get(what)
        await action(consignment)
        flag_modified(consignment, "tracking")
        await self.session.commit()

    async def _open(self, consignment: Consignment) -> None:
        consignment.tracking["open"] = True  # OK

    async def _hold(self, consignment: Consignment) -> None:
        consignment.tracking["held"] = True  # OK
        self.session.info["held"] = True  # OK

    async def pack(self, parcel: Parcel, key: str) -> None:
        parcel.tracking["packed"] = True  # OK
        consignment = await self.consignments.find(key)
        for stop in consignment.stops:
            if stop["name"] == parcel.stop:
                stop["parcels"] = stop.get("parcels", 0) + 1  # BUG
        await self.session.commit()

    async def pack_well(self, parcel: Parcel, key: str) -> None:
        consignment = await self.consignments.find(key)
        stops = consignment.stops or []
        for stop in stops:
            if stop["name"] == parcel.stop:
                stop["parcels"] = stop.get("parcels", 0) + 1  # OK
        stops[:] = [stop for stop in stops if stop["parcels"]]  # OK
        consignment.stops = sorted(stops, key=lambda stop: stop["name"])
        flag_modified(consignment, "stops")
        await self.session.commit()

    async def split(self, key: str, other: str) -> None:
        one = await self.consignments.find(key)
        two = await self.consignments.find(other)
        one.tracking["split"] = other  # OK
        two.tracking["split"] = key  # BUG
        flag_modified(one, "tracking")
        await self.session.commit()
