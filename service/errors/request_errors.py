"""Problem documents of the errors that FastAPI and Starlette raise for requests."""

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service.errors.problems import Problem, expectation, invalid_request, problem, problem_of

ROUTING = {
    404: ("not-found", "no endpoint has this path; /openapi.json lists them"),
    405: ("method", "the header Allow lists the methods of this path"),
}
"""Type and detail of the problems that routing finds, by status."""

MAX_LISTED_ERRORS = 20
"""Invalid values of one request that are listed; the rest are only counted."""


def document_of(error: Exception) -> Problem:
    """Return the problem document of any error of the app."""
    if isinstance(error, RequestValidationError):
        return _invalid_values(error)
    if isinstance(error, HTTPException):
        return _http_problem(error)
    return problem_of(error)


def _http_problem(error: HTTPException) -> Problem:
    if error.status_code in ROUTING:
        return problem(*ROUTING[error.status_code])
    return problem("http", error.detail) | {"status": error.status_code, "title": error.detail}


def _invalid_values(error: RequestValidationError) -> Problem:
    rows = list(error.errors())
    document = invalid_request([_row(row) for row in rows[:MAX_LISTED_ERRORS]])
    if len(rows) > MAX_LISTED_ERRORS:
        document["detail"] += f"; and {len(rows) - MAX_LISTED_ERRORS} more"
    return document


def _row(error: Mapping[str, Any]) -> dict[str, object]:
    """Return field, value and expected for one of pydantic's errors."""
    field = ".".join(str(part) for part in error["loc"] if part not in ("query", "path", "body")) or "body"
    match error["type"]:
        case "extra_forbidden":
            expected = "no such parameter"
        case "missing":
            return {"field": field, "value": None, "expected": "a value"}
        case "int_type":
            expected = "an integer"
        case "bool_type":
            expected = "true or false"
        case _:
            expected = expectation(str(error["msg"]))
    return {"field": field, "value": error.get("input"), "expected": expected}
