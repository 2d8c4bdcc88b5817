"""The guard: refuses requests for foreign names, from pages of other sites, and without the token."""

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sampler.errors import SamplerError
from service.access.exposure import Exposure
from service.access.headers import Headers, access_headers
from service.access.origins import check_origin
from service.access.paths import route_path
from service.access.policy import AccessPolicy
from service.access.urls import has_token, names_token
from service.contract.methods import PROBES
from service.error_responses import problem_response
from service.errors.problems import ServiceError
from service.metrics import Metrics

TRUSTED = "trusted"
"""Item of a request's state that is true if it carried the token."""

WITHOUT_TOKEN = frozenset({"/login", "/logout", "/favicon.ico"})

ASSETS = "/assets/"
"""The beginning of the paths of files that pages load, the login page, too. They are the same on every server."""

REASONS = {"foreign-host": "host", "foreign-origin": "origin", "unauthorized": "token"}
"""The label of a refused request in the metrics, by its problem type."""


class Guard:
    """ASGI middleware: serves a request only if the policy of the server allows it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; scopes other than HTTP pass unchanged."""
        if scope["type"] != "http" or (path := route_path(scope)) in PROBES:
            await self._app(scope, receive, send)
            return
        state = scope["app"].state
        policy: AccessPolicy = state.access
        exposure: Exposure | None = state.exposure
        if exposure is not None:
            exposure.check_request(scope)
        headers: Headers = {}
        try:
            headers = access_headers(scope)
            policy.hosts.check(headers.get(b"host"))
            check_origin(scope["method"], headers)
            if path not in WITHOUT_TOKEN and not path.startswith(ASSETS):
                _check_token(policy, scope, headers)
        except SamplerError as error:
            reason = REASONS.get(_kind(error), "header")
            self._metrics.refused.add((reason,))
            scope.setdefault("state", {})["outcome"] = f"refused-{reason}"
            await _refusal(error, scope, headers)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _check_token(policy: AccessPolicy, scope: Scope, headers: Headers) -> None:
    """Check that a request carries the token, if there is one. Raises `ServiceError` (401)."""
    if policy.credentials is None:
        return
    trusted = policy.credentials.accept(scope["method"], headers)
    scope.setdefault("state", {})[TRUSTED] = trusted
    query = scope["query_string"].decode("latin-1")
    if query and (names_token(query) or (trusted and has_token(query, policy.credentials))):
        detail = "a token in the URL is not accepted, because URLs are logged; send it in the header Authorization"
        raise ServiceError("unauthorized", detail)
    if not trusted:
        state = "the token is not that of this server" if b"authorization" in headers else "the request has no token"
        raise ServiceError("unauthorized", f"{state}; send the header Authorization: Bearer TOKEN")


def _kind(error: SamplerError) -> str:
    return error.kind if isinstance(error, ServiceError) else ""


def _refusal(error: SamplerError, scope: Scope, headers: Headers) -> Response:
    """Return the response to a refused request: the login page for a person with a browser, else a problem document."""
    if _kind(error) != "unauthorized":
        return problem_response(error)
    if scope["method"] == "GET" and b"text/html" in headers.get(b"accept", b""):
        from service.explorer.shell.login import login_response  # loads Jinja, which no other request needs

        response: Response = login_response(scope)
    else:
        response = problem_response(error)
    response.headers["www-authenticate"] = "Bearer"
    response.headers["cache-control"] = "no-store"
    return response
