"""Every error of the app as a response that carries a problem document."""

import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from sampler.errors import SamplerError
from service.errors.problems import Problem, expectation, invalid, problem, problem_of

MEDIA_TYPE = "application/problem+json"

LONGEST_VALUE = 200
"""Characters of a refused value that are quoted."""

LISTED_ERRORS = 20
"""Bad values of one request that are listed; of further ones only the number is told."""


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""
    app.add_exception_handler(SamplerError, _sampler_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _sampler_error)


def respond(document: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response that carries a document."""
    return JSONResponse(document, document["status"], dict(headers or {}), media_type=MEDIA_TYPE)


def _sampler_error(_: Request, error: Exception) -> Response:
    return respond(problem_of(error))


def _validation_error(_: Request, error: Exception) -> Response:
    return refuse_values(error) if isinstance(error, RequestValidationError) else respond(problem_of(error))


def refuse_values(error: RequestValidationError | ValidationError) -> Response:
    """Return the 422 that lists the bad values that pydantic found."""
    rows = list(error.errors())
    document = invalid([_row(row) for row in rows[:LISTED_ERRORS]])
    if len(rows) > LISTED_ERRORS:
        document["detail"] += f"; and {len(rows) - LISTED_ERRORS} more"
    return respond(document)


def _row(row: Mapping[str, Any]) -> dict[str, object]:
    """Return field, value and what was expected for one of pydantic's errors."""
    place = [str(part) for part in row["loc"] if part not in ("query", "path", "body")]
    field = ".".join(place) or "body"
    message = expectation(str(row["msg"]))
    if row["type"] == "extra_forbidden":
        message = "no such parameter"
    elif row["type"] == "missing":
        message = "a value"
    value = None if row["type"] == "missing" else row.get("input")
    return {"field": field, "value": _plain(value), "expected": message}


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)  # JSON has no number for it
    if isinstance(value, str | int | float | bool | None):
        return value if not isinstance(value, str) or len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"
    return repr(value)[:LONGEST_VALUE]


def _http_error(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    detail = str(getattr(error, "detail", error))
    document = problem("http", detail) | {"status": status, "title": detail}
    return respond(document, getattr(error, "headers", None))
