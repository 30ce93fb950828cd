from typing import Any
from uuid import UUID

from pydantic import BaseModel


class MessageIn(BaseModel):
    role: str
    content: str
    extra: dict[str, Any] = {}


class RunOut(BaseModel):
    id: UUID
    result: dict[str, Any]
    metadata_: dict[str, Any] = {}

    def with_note(self, text: str) -> "RunOut":
        self.result["note"] = text  # OK
        return self
