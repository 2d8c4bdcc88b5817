"""Errors as problem documents (RFC 9457)."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sampler.errors import ImageError, ImageSourceError, InvalidRequestError, SamplerError
from sampler.wire.problem_types import PROBLEM_TYPES, TYPE_PREFIX

Problem = dict[str, Any]

MAX_VALUE_CHARACTERS = 200
"""Characters of an invalid value, or its name, that are quoted."""

MAX_EXPECTED_CHARACTERS = 1000
"""Characters of an expectation, which may list many names."""

SHORT_INTEGER = 1 << 128
"""Integers from here on are quoted as text that is cut."""


class ServiceError(SamplerError):
    """An error with a problem type."""

    def __init__(
        self, kind: str, detail: str, members: Mapping[str, object] | None = None, retry_after: int | None = None
    ) -> None:
        """kind: a key of `PROBLEM_TYPES`. members: of the problem document. retry_after: seconds."""
        super().__init__(detail)
        self.kind = kind
        self.members = dict(members or {})
        self.retry_after = retry_after

    def reworded(self, change: Callable[[str], str]) -> "ServiceError":
        """Return the same error with other texts. change: makes one of them."""
        members = {name: change(value) if isinstance(value, str) else value for name, value in self.members.items()}
        return ServiceError(self.kind, change(str(self)), members, self.retry_after)


class JobError(ServiceError):
    """A worker's failure at a job, from the problem document that it replied with."""

    def __init__(self, document: Mapping[str, object]) -> None:
        members = {name: value for name, value in document.items() if name not in ("type", "title", "status", "detail")}
        super().__init__(str(document["type"]).removeprefix(TYPE_PREFIX), str(document["detail"]), members)


def expectation(message: str) -> str:
    """Return what a pydantic error message says about a valid value, phrased to follow "expected"."""
    rule = message.removeprefix("Value error, ").removeprefix("Input should be ")
    return f"a number {rule}" if rule.startswith(("greater than", "less than")) else rule


def quotable(value: object) -> object:
    """Return a value that JSON can hold and that is short."""
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if value is None or (isinstance(value, int) and abs(value) < SHORT_INTEGER):
        return value
    return _cut(repr(value))


def _quoted(name: str, value: object) -> object:
    """Return a member of a row about an invalid value."""
    if name == "expected":
        return _cut(str(value), MAX_EXPECTED_CHARACTERS)
    return value if value == [] else quotable(value)


def _cut(text: str, most: int = MAX_VALUE_CHARACTERS) -> str:
    """Return the beginning of a text, without surrogates, which cannot be encoded."""
    short = text if len(text) <= most else text[:most] + "…"
    return short.encode(errors="backslashreplace").decode()


def problem(kind: str, detail: str, members: Mapping[str, object] | None = None) -> Problem:
    """Return a problem document; `kind` is a key of `PROBLEM_TYPES`."""
    status, title = PROBLEM_TYPES[kind]
    return {"type": TYPE_PREFIX + kind, "title": title, "status": status, "detail": detail} | dict(members or {})


def invalid_request(errors: Sequence[Mapping[str, object]]) -> Problem:
    """Return the problem document for invalid values. errors: rows of field, value and expected."""
    rows = [{name: _quoted(name, value) for name, value in row.items()} for row in errors]
    detail = "; ".join(f"{row['field']} = {row['value']!r}: expected {row['expected']}" for row in rows)
    return problem("invalid-request", detail, {"errors": rows})


def problem_of(error: BaseException) -> Problem:
    """Return the problem document for any error. Unexpected errors are of type "internal"."""
    if isinstance(error, ServiceError):
        return problem(error.kind, str(error), error.members)
    if isinstance(error, InvalidRequestError):
        return invalid_request([{"field": error.field, "value": error.value, "expected": error.expected}])
    if isinstance(error, ImageError):
        return problem("image", str(error), {"index": error.index, "file": error.file, "kind": error.kind})
    if isinstance(error, ImageSourceError):  # nothing is wrong with the image, so another attempt may succeed
        return problem("storage", str(error))
    return problem("internal", f"{type(error).__name__}: {error}")
