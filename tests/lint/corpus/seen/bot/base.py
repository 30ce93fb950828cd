from typing import Any

from sqlalchemy import JSON
from sqlalchemy.orm import DeclarativeBase, sessionmaker


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON}


SessionLocal = sessionmaker()


def get_session():
    with SessionLocal() as session:
        yield session
