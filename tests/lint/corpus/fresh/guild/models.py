from copy import deepcopy
from uuid import uuid4

from sqlalchemy import JSON, BigInteger, ForeignKey, Sequence, String
from sqlalchemy.dialects.postgresql import ARRAY as PGArray
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, relationship

DEFAULTS = {"volume": 5, "roles": []}


class Base(DeclarativeBase):
    pass


class Entity(Base):
    __abstract__ = True

    @declared_attr.directive
    def id(cls) -> Mapped[int]:
        return mapped_column(BigInteger, Sequence(f"{cls.__tablename__}_id_seq"), primary_key=True)

    @declared_attr.directive
    def audit(cls) -> Mapped[list]:
        return mapped_column(JSON, default=list)

    uuid: Mapped[str] = mapped_column(String(36), default=lambda: str(uuid4()))
    tags: Mapped[list[str]] = mapped_column(MutableList.as_mutable(JSON), default=list)
    provenance: Mapped[dict] = mapped_column(MutableDict.as_mutable(JSON), default=dict)

    def add_tag(self, tag: str) -> None:
        if tag not in self.tags:
            self.tags.append(tag)  # OK

    def audited(self, what: str) -> None:
        self.audit.append(what)  # BUG

    def came_from(self, source: str, **more: object) -> None:
        self.provenance.update(more, source=source)  # OK
        self.provenance.setdefault("steps", []).append(source)  # OK

    def step(self, name: str) -> None:
        self.provenance["steps"].append(name)  # BUG


class Guild(Entity):
    __tablename__ = "guilds"
    options: Mapped[dict] = mapped_column(JSON, default=lambda: deepcopy(DEFAULTS))
    channels: Mapped[list[int]] = mapped_column(PGArray(BigInteger), default=list)
    muted: Mapped[list[int]] = mapped_column(MutableList.as_mutable(PGArray(BigInteger)), default=list)
    players: Mapped[list["Player"]] = relationship(back_populates="guild")

    def __getitem__(self, key):
        return self.options[key]

    def __setitem__(self, key, value):
        self.options = {**self.options, key: value}


class Player(Entity):
    __tablename__ = "players"
    guild_id: Mapped[int] = mapped_column(ForeignKey("guilds.id"))
    guild: Mapped[Guild] = relationship(back_populates="players")
    bag: Mapped[dict] = mapped_column(JSON, default=dict)
    scores: Mapped[dict] = mapped_column(JSON, default=dict)

    @property
    def gold(self) -> int:
        return self.bag.get("gold", 0)

    @gold.setter
    def gold(self, amount: int) -> None:
        self.bag = dict(self.bag, gold=amount)

    @property
    def gems(self) -> int:
        return self.bag.get("gems", 0)

    @gems.setter
    def gems(self, amount: int) -> None:
        self.bag["gems"] = amount  # BUG
