"""Error responses: every error of the app becomes a problem document, or a page for a person with a browser."""

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from sampler.errors import SamplerError
from service.contract.responses import PROBLEM_MEDIA_TYPE
from service.errors.problems import Problem, ServiceError, problem_of
from service.errors.request_errors import document_of

MEDIA_TYPE = PROBLEM_MEDIA_TYPE


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
    document, headers = document_of(error), _headers(error)
    if not wants_page(request):
        return _response(document, headers)
    from service.explorer.shell.errors import error_page  # loads Jinja, which no other request needs

    return error_page(request, document, headers)


def wants_page(request: Request) -> bool:
    """Return whether a person with a browser opens the URL; a script or an image element wants no page."""
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")
