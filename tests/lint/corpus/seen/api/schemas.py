from pydantic import BaseModel


class ProjectIn(BaseModel):
    name: str
    pipeline_config: dict = {}
    metrics: dict = {}


class WorkspaceOut(BaseModel):
    id: str
    feature_flags: dict[str, bool]

    def hide_internal(self) -> "WorkspaceOut":
        self.feature_flags.pop("internal", None)  # OK
        return self
