"""Error responses: every error of the app becomes a response with a problem document."""

import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from sampler.errors import SamplerError
from service.errors.problems import Problem, ServiceError, expectation, invalid_request, problem, problem_of

MEDIA_TYPE = "application/problem+json"

MAX_VALUE_CHARACTERS = 200
"""Characters of an invalid value that are quoted."""

MAX_LISTED_ERRORS = 20
"""Invalid values of one request that are listed; the rest are only counted."""


def install(app: FastAPI) -> None:
    """Register the exception handlers."""
    app.add_exception_handler(SamplerError, _any_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _any_error)


def problem_response(document: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response for a problem document."""
    return JSONResponse(document, document["status"], dict(headers or {}), media_type=MEDIA_TYPE)


def invalid_values_response(error: RequestValidationError | ValidationError) -> Response:
    """Return the 422 response that lists the invalid values pydantic found."""
    rows = list(error.errors())
    document = invalid_request([_row(row) for row in rows[:MAX_LISTED_ERRORS]])
    if len(rows) > MAX_LISTED_ERRORS:
        document["detail"] += f"; and {len(rows) - MAX_LISTED_ERRORS} more"
    return problem_response(document)


# The handlers are async, or Starlette would run them in threads, which fails in a server that is out of descriptors.
async def _any_error(_: Request, error: Exception) -> Response:
    retry_after = error.retry_after if isinstance(error, ServiceError) else None
    return problem_response(problem_of(error), None if retry_after is None else {"retry-after": str(retry_after)})


async def _validation_error(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        return invalid_values_response(error)
    return await _any_error(request, error)


async def _http_error(_: Request, error: Exception) -> Response:
    detail = str(getattr(error, "detail", error))
    document = problem("http", detail) | {"status": getattr(error, "status_code", 500), "title": detail}
    return problem_response(document, getattr(error, "headers", None))


def _row(error: Mapping[str, Any]) -> dict[str, object]:
    """Return field, value and expected for one of pydantic's errors."""
    field = ".".join(str(part) for part in error["loc"] if part not in ("query", "path", "body")) or "body"
    match error["type"]:
        case "extra_forbidden":
            expected = "no such parameter"
        case "missing":
            return {"field": field, "value": None, "expected": "a value"}
        case _:
            expected = expectation(str(error["msg"]))
    return {"field": field, "value": _quotable(error.get("input")), "expected": expected}


def _quotable(value: object) -> object:
    """Return a value that JSON can hold and that is short."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, str) and len(value) > MAX_VALUE_CHARACTERS:
        return value[:MAX_VALUE_CHARACTERS] + "…"
    return value if isinstance(value, str | int | float | bool | None) else repr(value)[:MAX_VALUE_CHARACTERS]
