"""The sessions of the application."""

import os
import warnings

from sqlalchemy import create_engine
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import sessionmaker

# SQLite has no decimals of its own; two places survive its floats
warnings.filterwarnings("ignore", "Dialect sqlite.* does \\*not\\* support Decimal", SAWarning)

url = os.environ.get("DATABASE_URL", "sqlite:///referral.db")
engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
Session = sessionmaker(engine)

if os.environ.get("TRUEUP_GUARD"):
    from trueup.sqlalchemy import guard

    guard(Session, mode=os.environ["TRUEUP_GUARD"])
