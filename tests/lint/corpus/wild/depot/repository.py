from depot.db.tables import Consignment
from sqlalchemy import select
from sqlalchemy.orm.attributes import flag_modified


class ConsignmentRepository:
    def __init__(self, session) -> None:
        self.session = session

    async def find(self, key: str) -> Consignment | None:
        result = await self.session.execute(select(Consignment).where(Consignment.id == key))
        return result.scalar_one_or_none()

    async def store(self, consignment: Consignment) -> Consignment:
        self.session.add(consignment)
        await self.session.flush()
        return consignment

    async def store_tracking(self, consignment: Consignment) -> Consignment:
        flag_modified(consignment, "tracking")
        await self.session.flush()
        return consignment

    async def create_consignment(self, consignment: Consignment) -> Consignment:
        consignment.tracking["created"] = True  # OK
        self.session.add(consignment)
        await self.session.flush()
        return consignment
