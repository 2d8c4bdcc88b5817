"""`/status`: what the server is doing, as a page, as JSON, and as events."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from service.activity.snapshot import Snapshot
from service.activity.watchers import Watchers
from service.batches.parameters import refuse_repeated
from service.contract.methods import HeadResponse, is_head
from service.contract.responses import document, problems
from service.explorer.status.events import encode_events
from service.lifespan.state import CurrentServing
from service.monitoring.monitor import encode
from service.monitoring.observe import observe

router = APIRouter(tags=["status"], dependencies=[Depends(refuse_repeated)])

EVENTS = "text/event-stream"

EVENT = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
"""The schema of one event of a stream of them."""

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
"""Of a response that must not wait in a cache or in the buffers of nginx."""


class EventsResponse(StreamingResponse):
    """Snapshots as they are taken. It holds a watcher's place from before its start to its end, however it ends."""

    def __init__(self, watchers: Watchers, first: bytes) -> None:
        super().__init__(watchers.watch(first), headers=HEADERS, media_type=EVENTS)
        self._watchers = watchers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. Raises `ServiceError` (503) if there are too many watchers."""
        with self._watchers.place():
            await super().__call__(scope, receive, send)


@router.get("/status", response_class=HTMLResponse, responses=problems(), summary="A live page of what the server does")
async def page(request: Request, serving: CurrentServing) -> Response:
    """Verdict, throughput, streams, workers, caches and recent errors, updated once a second."""
    from service.explorer.status.page import status_page  # loads Jinja, which no other request needs

    return status_page(request, observe(serving))


@router.get(
    "/status.json",
    response_model=Snapshot,
    summary="What the server does, as JSON",
)
async def status(serving: CurrentServing) -> Response:
    """Verdict, rates of the last ten seconds, workers, caches, streams and recent errors."""
    return Response(encode(observe(serving)), media_type="application/json", headers={"cache-control": "no-store"})


@router.get(
    "/status/events",
    response_class=Response,
    responses=document(EVENTS, EVENT, "an event with the document of /status.json, once a second")
    | problems("overloaded"),
    summary="What the server does, once a second as server-sent events",
)
async def events(request: Request, serving: CurrentServing) -> Response:
    """Events without a name are for programs, those named `page` for the page. The last are sent at shutdown."""
    if is_head(request):
        return HeadResponse(HEADERS, EVENTS)
    return EventsResponse(serving.activity.watchers, encode_events(observe(serving)))
