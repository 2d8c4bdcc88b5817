"""`/v1/access`, and `/login` and `/logout`: a cookie in place of the token, for browsers."""

import asyncio
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from sampler.errors import InvalidRequestError
from service.access.credentials import Credentials
from service.access.media_types import media_type_of
from service.access.paths import root_of
from service.access.policy import AccessPolicy
from service.errors.problems import ServiceError

router = APIRouter(tags=["status"])

FORM = "application/x-www-form-urlencoded"
MAX_FORM_BYTES = 16_384
MAX_FIELDS = 8
FORM_SECONDS = 10.0
"""Time in which a form has to arrive: anyone may send one."""


@router.get("/v1/access", status_code=204, summary="Whether the request may use the server")
async def access() -> None:
    """204 if the request carries the token, or the server has none; 401 otherwise. For proxies with a cache."""


@router.get("/login", include_in_schema=False)
async def form(request: Request) -> Response:
    """Show the form, or the first page of a server that needs no token."""
    from service.explorer.shell.login import login_response  # loads Jinja, which no other request needs

    policy: AccessPolicy = request.app.state.access
    return login_response(request.scope) if policy.credentials else _redirect(request, "/")


@router.post("/login", include_in_schema=False)
async def login(request: Request) -> Response:
    """Set the cookie if the token is right, and go to the page that was asked for."""
    from service.explorer.shell.login import login_response, own_path  # loads Jinja, which no other request needs

    policy: AccessPolicy = request.app.state.access
    fields = await _read_form(request)
    destination = own_path(fields.get("next", ""))
    if policy.credentials is None:
        return _redirect(request, destination)
    if not policy.credentials.accept_token(fields.get("token", "").strip().encode()):
        request.app.state.metrics.refused.add(("token",))
        request.state.outcome = "refused-token"
        return login_response(request.scope, "This is not the token of this server.", destination)
    response = _redirect(request, destination)
    _set_cookie(response, request, policy.credentials, policy.credentials.cookie)
    return response


@router.post("/logout", include_in_schema=False)
async def logout(request: Request) -> Response:
    """Remove the cookie."""
    policy: AccessPolicy = request.app.state.access
    response = _redirect(request, "/login")
    if policy.credentials is not None:
        _set_cookie(response, request, policy.credentials, "", max_age=0)
    return response


def _redirect(request: Request, path: str) -> RedirectResponse:
    return RedirectResponse(root_of(request.scope) + path, status_code=303, headers={"cache-control": "no-store"})


def _set_cookie(
    response: Response, request: Request, credentials: Credentials, value: str, max_age: int | None = None
) -> None:
    response.set_cookie(
        credentials.cookie_name, value, max_age, path=root_of(request.scope) or "/", httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip


async def _read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form. Raises `SamplerError` if it is no form, too large or too slow."""
    if media_type_of(request) != FORM:
        raise ServiceError("media-type", f"Content-Type: expected {FORM}")
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_FORM_BYTES:
                    raise ServiceError("body-too-large", f"the form is over the limit of {MAX_FORM_BYTES} bytes")
        fields = parse_qs(body.decode("latin-1"), max_num_fields=MAX_FIELDS)
    except TimeoutError:
        raise InvalidRequestError("form", None, f"all of it within {FORM_SECONDS:.0f} s") from None
    except ValueError:
        raise InvalidRequestError("form", None, f"at most {MAX_FIELDS} fields") from None
    return {name: values[-1] for name, values in fields.items()}
