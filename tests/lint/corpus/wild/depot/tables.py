from depot.base import Base
from depot.sqltypes import PortableJSON
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column


class Consignment(Base):
    __tablename__ = "consignments"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    state: Mapped[str] = mapped_column(String, default="new")
    tracking: Mapped[dict] = mapped_column(PortableJSON, default=dict)
    stops: Mapped[list] = mapped_column(PortableJSON, default=list)
