"""Settings that say who may use the server."""

import json
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from sampler.access_token import check_token
from sampler.path_lists import expand_home

SECRET = frozenset({"token"})
"""Fields whose values no message may quote."""

_LIST = re.compile(r"\s*\[\s*[\"\]]")
"""The beginning of a JSON list. An IPv6 address may begin with a bracket, too."""

_NAME = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def _split(value: object) -> object:
    """Return the parts of a text with commas or of a JSON list; any other value as it is. Raises ValueError."""
    if not isinstance(value, str):
        return value
    if not _LIST.match(value):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    try:
        return tuple(json.loads(value))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class AccessSettings(BaseModel):
    """Who may use the server."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    token: SecretStr | None = Field(
        default=None,
        description="bearer token that every request must carry, except `/healthz` and `/readyz`; at least 16 "
        "characters",
    )
    token_file: Path | None = Field(default=None, description="file that holds the token, instead of SAMPLER_TOKEN")
    open: bool = Field(
        default=False,
        description="serve other hosts without a token; only for networks that nobody else can reach",
    )
    allowed_hosts: Annotated[tuple[str, ...], BeforeValidator(_split)] | None = Field(
        default=None,
        description="host names of this server that clients may use, separated by commas; `*.example.org` and `*` are "
        "possible (default: any with a token, else local names)",
    )

    @field_validator("token")
    @classmethod
    def _check_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None:
            check_token(token.get_secret_value())
        return token

    @field_validator("token_file")
    @classmethod
    def _expand_token_home(cls, file: Path | None) -> Path | None:
        return expand_home(file) if file else None

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, hosts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if hosts is None:
            return None
        names = tuple(host.lower().removeprefix("[").removesuffix("]").removesuffix(".") for host in hosts)
        for host, name in zip(hosts, names, strict=True):
            if name != "*" and not _NAME.fullmatch(name) and not _is_address(name):
                raise ValueError(
                    f"{host!r} is no host name; expected names or addresses without scheme and port, *.example.org or *"
                )
        if not names:
            raise ValueError("expected at least one host name")
        return names

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.token is not None and self.token_file is not None:
            raise ValueError("SAMPLER_TOKEN and SAMPLER_TOKEN_FILE are both set; set one of them")
        return self
