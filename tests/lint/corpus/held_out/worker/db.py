import contextlib
import json

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext import mutable
from sqlalchemy.types import TEXT, TypeDecorator

engine = sa.create_engine("sqlite://")
Session = orm.scoped_session(orm.sessionmaker(bind=engine))
Model = orm.declarative_base()


class JsonText(TypeDecorator):
    impl = TEXT
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return json.dumps(value) if value is not None else None

    def process_result_value(self, value, dialect):
        return json.loads(value) if value else None


class TrackedJsonText(JsonText):
    pass


mutable.MutableDict.associate_with(TrackedJsonText)


@contextlib.contextmanager
def transaction():
    session = Session()
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise


class Job(Model):
    __tablename__ = "jobs"
    id = sa.Column(sa.Integer, primary_key=True)
    status = sa.Column(sa.String)
    arguments = sa.Column(sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql"))
    progress = sa.Column(JsonText)
    notes = sa.Column(TrackedJsonText)
    attempts = sa.Column(sa.PickleType, default=list)

    def start(self):
        self.status = "running"
        self.progress = {"step": 0}  # OK

    def advance(self):
        self.progress["step"] += 1  # BUG

    def advance_well(self):
        self.progress = {**self.progress, "step": self.progress["step"] + 1}  # OK

    def remember(self, text):
        self.notes[text] = True  # OK

    def tried(self, error):
        attempts = self.attempts
        attempts.append(repr(error))  # BUG

    @classmethod
    def waiting(cls):
        return Session.query(cls).filter(cls.status == "waiting").order_by(cls.id)

    def save(self):
        orm.attributes.flag_modified(self, "arguments")
        Session.add(self)
        Session.commit()
