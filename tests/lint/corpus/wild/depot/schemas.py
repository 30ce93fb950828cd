from pydantic import BaseModel


class Parcel(BaseModel):
    stop: str
    tracking: dict = {}
