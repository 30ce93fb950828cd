"""For applications on SQLAlchemy, 1.4 and later: notices JSON changes that would be lost, while the application runs.

from trueup.sqlalchemy import guard
guard(SessionLocal, mode="raise")      # in tests; "warn" in development, "save" to write them anyway
    guard(SessionLocal, shapes={User.settings: "object"})   # and what JSON must look like when it is written
"""

from trueup.sqlalchemy.guarding import Guard as Guard
from trueup.sqlalchemy.guarding import LostChange as LostChange
from trueup.sqlalchemy.guarding import LostChangeWarning as LostChangeWarning
from trueup.sqlalchemy.guarding import Mode as Mode
from trueup.sqlalchemy.guarding import WrongShape as WrongShape
from trueup.sqlalchemy.guarding import WrongShapeWarning as WrongShapeWarning
from trueup.sqlalchemy.guarding import guard as guard
from trueup.sqlalchemy.nested import nested_json as nested_json
from trueup.sqlalchemy.updating import update_json as update_json
