"""`/assets`: styles, scripts and pictures of the pages. They need no token, because the login page loads them, too."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.conditional import is_known
from service.errors.problems import ServiceError
from service.explorer.shell.assets import FAVICON, Asset, assets
from service.routes.caching import IMMUTABLE

router = APIRouter(tags=["pages"])

FOR_GOOD = f"public, {IMMUTABLE}"
FOR_A_DAY = "public, max-age=86400"
REVALIDATE = "no-cache"


@router.get("/assets/{version}/{name:path}", include_in_schema=False)
async def asset(version: str, name: str, request: Request) -> Response:
    """Send a file of the pages.

    A page of another release of this server, behind the same proxy, asks for another version: it gets the file of this
    one, and may not keep it.
    """
    known = assets()
    found = known.files.get(name)
    if found is None:
        raise ServiceError("not-found", "no page has this file")
    return _response(request, found, FOR_GOOD if version == known.version else REVALIDATE)


@router.get("/favicon.ico", include_in_schema=False)
async def favicon(request: Request) -> Response:
    """Send the icon to browsers that look for it here: on documents that are no pages, such as JSON."""
    return _response(request, assets().files[FAVICON], FOR_A_DAY)


def _response(request: Request, found: Asset, cache_control: str) -> Response:
    headers = {"etag": found.etag, "cache-control": cache_control}
    if is_known(request, found.etag):
        return Response(status_code=304, headers=headers)
    return Response(found.body, headers=headers, media_type=found.media_type)
