"""What an app does differently in a replica of Ray Serve."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.error_responses import problem_response
from service.errors.problems import ServiceError
from service.middleware.request_log import HEADER

RETRY_SECONDS = 1
"""HAProxy takes about half a second to find that a new replica is up."""


class BehindRay:
    """ASGI middleware: refuses requests of Ray's Python proxy, and leaves the header X-Request-Id to Ray.

    While HAProxy finds no replica up, such as in the first moments, it sends requests to that proxy. The proxy pickles
    each piece of a response, which memoryviews do not allow, and queues pieces without a limit for clients that are
    slow. A client that gets 503 tries again, and then reaches the replica itself.

    Ray chooses the id of a request, with which the app logs it too, and adds it to each response.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; scopes other than HTTP pass unchanged."""
        if scope["type"] == "http" and hasattr(receive, "fetch_until_disconnect"):  # the proxy's end of a handle
            detail = "this replica is not known to HAProxy yet; try again"
            refusal = problem_response(ServiceError("not-ready", detail, retry_after=RETRY_SECONDS))
            await refusal(scope, receive, send)
            return

        async def send_without_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [one for one in message.get("headers", ()) if one[0].lower() != HEADER]
            await send(message)

        await self._app(scope, receive, send_without_id)
