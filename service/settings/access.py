"""Settings that say who may use the server."""

from pydantic import BaseModel, ConfigDict


class AccessSettings(BaseModel):
    """Who may use the server."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
