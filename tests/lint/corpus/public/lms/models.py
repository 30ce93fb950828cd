import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.declarative import declarative_base
from sqlalchemy.ext.mutable import MutableDict

BASE = declarative_base()


class JSONSettings(MutableDict):
    def set(self, group, key, value):
        super().setdefault(group, {})[key] = value
        self.changed()


class HasExtra:
    extra = sa.Column(JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False)

    def update_extra(self, data):
        new = dict(self.extra) if self.extra is not None else {}
        for key in data:
            new[key] = data[key]  # OK
        self.extra = new


class ApplicationInstance(BASE, HasExtra):
    __tablename__ = "application_instances"
    id = sa.Column(sa.Integer, primary_key=True)
    consumer_key = sa.Column(sa.Text)
    _settings = sa.Column("settings", JSONB(), default=dict)
    tracked = sa.Column(JSONSettings.as_mutable(JSONB))
    steps = sa.orm.relationship("WorkflowStep")

    def enable(self, group, key):
        self._settings.setdefault(group, {})  # BUG
        self._settings[group][key] = True  # BUG


class WorkflowStep(BASE, HasExtra):
    __tablename__ = "workflow_steps"
    id = sa.Column(sa.Integer, primary_key=True)
    instance_id = sa.Column(sa.ForeignKey("application_instances.id"))
    comments = sa.Column(sa.JSON)


Settings = sa.Table(
    "settings",
    BASE.metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("payload", sa.JSON),
)
