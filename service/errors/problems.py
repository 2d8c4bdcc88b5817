"""Errors as problem documents (RFC 9457), each kind with a type that stays the same."""

from collections.abc import Mapping, Sequence
from typing import Any

from sampler.errors import ImageError, InvalidRequestError, SamplerError

TYPE_PREFIX = "urn:saccade-sampler:problem:"

Problem = dict[str, Any]

TITLES = {
    "invalid-request": (422, "The request cannot be answered"),
    "digest-mismatch": (412, "The server does not serve what was asked for"),
    "body-too-large": (413, "The request body is too large"),
    "overloaded": (503, "The server is busy"),
    "shutting-down": (503, "The server is shutting down"),
    "image": (500, "An image cannot be read as annotated"),
    "worker": (500, "A sample could not be made"),
    "not-ready": (503, "The server is not ready"),
    "http": (500, "The request failed"),
    "internal": (500, "The server has a fault"),
}
"""For each type: its status and title. `/docs` and the README list them."""


class ServiceError(SamplerError):
    """An error with a problem type of its own; `members` go into the document beside the standard ones."""

    def __init__(self, kind: str, detail: str, members: Mapping[str, object] | None = None) -> None:
        """`kind` is a key of TITLES."""
        super().__init__(detail)
        self.kind = kind
        self.members = dict(members or {})


class JobError(ServiceError):
    """What a worker says went wrong with a job."""

    def __init__(self, document: dict[str, object]) -> None:
        """Take a problem document as the worker made it."""
        members = {name: value for name, value in document.items() if name not in ("type", "title", "status", "detail")}
        kind = str(document["type"]).rpartition(":")[2]
        super().__init__(kind, str(document["detail"]), members)


def expectation(message: str) -> str:
    """Return what pydantic's message of a bad value says of a good one, to stand after "expected"."""
    said = message.removeprefix("Value error, ").removeprefix("Input should be ")
    return f"a number {said}" if said.startswith(("greater than", "less than")) else said


def problem(kind: str, detail: str, members: Mapping[str, object] | None = None) -> Problem:
    """Return a problem document; `kind` is a key of TITLES."""
    status, title = TITLES[kind]
    return {"type": TYPE_PREFIX + kind, "title": title, "status": status, "detail": detail} | dict(members or {})


def invalid(errors: Sequence[Mapping[str, object]]) -> Problem:
    """Return the document for bad values. errors: rows of field, value and expected."""
    detail = "; ".join(f"{row['field']} = {row['value']!r}: expected {row['expected']}" for row in errors)
    return problem("invalid-request", detail, {"errors": [dict(row) for row in errors]})


def problem_of(error: BaseException) -> Problem:
    """Return the document for any error; what it does not know is the server's own fault."""
    if isinstance(error, ServiceError):
        return problem(error.kind, str(error), error.members)
    if isinstance(error, InvalidRequestError):
        return invalid([{"field": error.field, "value": error.value, "expected": error.expected}])
    if isinstance(error, ImageError):
        return problem("image", str(error), {"index": error.index, "file": error.file, "kind": error.kind})
    return problem("internal", f"{type(error).__name__}: {error}")
