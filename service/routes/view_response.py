"""The response with a view, or with a part of one."""

from collections.abc import Callable

from fastapi import Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from service.conditional import is_known
from service.connection import client_address
from service.errors.problems import JobError
from service.lifespan.state import ServedDataset, Serving
from service.routes.caching import cache_control, not_modified, view_tag
from service.workers.protocol import ViewJob

JPEG = "image/jpeg"


async def get_view(request: Request, serving: Serving, job: ViewJob) -> bytes:
    """Return a view for a request. Raises what `Views.get` raises, without the locations of images."""
    try:
        return await serving.views.get(job, request.receive, client_address(request.scope))
    except JobError as error:
        raise error.reworded(serving.datasets[job.dataset].folders.without_locations) from error


async def rendered(request: Request, serving: Serving, page: Callable[[], HTMLResponse]) -> HTMLResponse:
    """Return a page for a request. Raises what `PageRendering.render` raises."""
    return await serving.rendering.render(page, request.receive, client_address(request.scope))


async def view_response(
    request: Request,
    serving: Serving,
    dataset: ServedDataset,
    job: ViewJob,
    media_type: str,
    *,
    names_all: bool,
    part: str = "",
    take: Callable[[bytes], bytes] = lambda view: view,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return the response to a request for a view: 304 if the client has it.

    HEAD makes the view, too, if it is not cached: only then is it known whether the image can be read.

    Args:
        request: The request.
        serving: The server.
        dataset: The dataset that the job is for.
        job: What a worker makes, unless it is cached.
        media_type: Of the response.
        names_all: Whether the URL names all that the view depends on; see `ViewParameters`.
        part: Name of the part of the view that is sent.
        take: Returns this part.
        headers: More headers.

    Raises:
        ServiceError: The view cannot be made.
        ClientDisconnectedError: The client has disconnected.
    """
    tag = view_tag(job, dataset.spec, part, run="" if dataset.hashed else serving.run)
    protected = request.app.state.access.credentials is not None
    caching = cache_control(immutable=names_all and dataset.hashed, protected=protected)
    sent = {"etag": tag, "cache-control": caching, **(headers or {})}
    if is_known(request, tag):
        return not_modified(sent)
    return Response(take(await get_view(request, serving, job)), headers=sent, media_type=media_type)
