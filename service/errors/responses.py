"""Error responses: every error of the app becomes a problem document, or a page for a person with a browser."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from sampler.errors import SamplerError
from service.contract.responses import PROBLEM_MEDIA_TYPE
from service.errors.problems import Problem, ServiceError, expectation, invalid_request, problem, problem_of

MEDIA_TYPE = PROBLEM_MEDIA_TYPE

ROUTING = {
    404: ("not-found", "no endpoint has this path; /openapi.json lists them"),
    405: ("method", "the header Allow lists the methods of this path"),
}
"""Type and detail of the problems that routing finds, by status."""

MAX_LISTED_ERRORS = 20
"""Invalid values of one request that are listed; the rest are only counted."""


def install(app: FastAPI) -> None:
    for kind in (SamplerError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _respond)


def problem_response(error: Exception) -> Response:
    """Return the response with the problem document of an error."""
    return _response(problem_of(error), _headers(error))


def _headers(error: Exception) -> dict[str, str]:
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if isinstance(error, ServiceError) and error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, ServiceError) and error.kind == "body-timeout":
        headers["connection"] = "close"  # the rest of the body would be taken for the next request
    return headers


def _response(document: Problem, headers: Mapping[str, str]) -> Response:
    return JSONResponse(document, document["status"], headers, media_type=MEDIA_TYPE)


# async: Starlette would run it in a thread otherwise, which fails in a server that is out of descriptors.
async def _respond(request: Request, error: Exception) -> Response:
    document, headers = _document(error), _headers(error)
    if not wants_page(request):
        return _response(document, headers)
    from service.explorer.shell.errors import error_page  # loads Jinja, which no other request needs

    return error_page(request, document, headers)


def wants_page(request: Request) -> bool:
    """Return whether a person with a browser opens the URL; a script or an image element wants no page."""
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def _document(error: Exception) -> Problem:
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
        case _:
            expected = expectation(str(error["msg"]))
    return {"field": field, "value": error.get("input"), "expected": expected}
